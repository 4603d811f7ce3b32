"""The training rows nearest to an answer, among the demo's 28,614 headlines: the first question of a process, which builds the index,
and the later ones. ``python -m benchmarks evidence``.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import pyarrow as pa

from pickaxe.flows.demo_data import fetch
from pickaxe.monitor import evidence

ROUNDS = 5
BARS = {"the first, seconds": 1.0, "a later one, seconds": 0.1}


def main() -> dict[str, Any]:
    """Medians; every round builds the index anew."""
    texts = [json.loads(line)["text"] for line in fetch("headlines").read_text(encoding="utf-8").splitlines()]
    first: list[float] = []
    later: list[float] = []
    for number in range(ROUNDS):
        # Another order makes it another training set, whose index nobody has yet.
        table = _training_set(texts[number:] + texts[:number])
        first.append(_seconds(texts[number], table))
        later += [_seconds(text, table) for text in texts[100:120]]
    measured = dict(zip(BARS, (statistics.median(first), statistics.median(later)), strict=True))
    return {
        "rows": len(texts),
        "bars": {name: {"bar": bar, "measured": measured[name], "met": measured[name] <= bar} for name, bar in BARS.items()},
    }


def _training_set(texts: list[str]) -> pa.Table:
    rows = len(texts)
    return pa.table(
        {
            "row_key": [f"k{number}" for number in range(rows)],
            "text": texts,
            "label": ["no"] * rows,
            "weight": [1.0] * rows,
            "origin": ["human"] * rows,
            "labelled_by": pa.array([["ann", "bob"]] * rows, type=pa.list_(pa.string())),
            "probs": pa.nulls(rows, pa.list_(pa.float64())),
        }
    )


def _seconds(text: str, table: pa.Table) -> float:
    began = time.perf_counter()
    evidence.nearest(text, table, 5)
    return time.perf_counter() - began
