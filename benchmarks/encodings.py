"""The guess at a file's encoding: how often it reads what was written, beside charset-normalizer's guess at the same bytes.

``python -m benchmarks encodings``
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.encoded import Half, Table, tables

BAR = 0.99
EVERY = 7
"""One table in so many is asked about: all of them take a quarter of an hour."""


def main() -> dict[str, Any]:
    """Measure both on both halves."""
    halves = {half: _measured(half) for half in ("tuned", "held")}
    ours = halves["held"]["ours"]["all"]
    return {
        "benchmark": "encodings",
        "what": "share of tables that are read as they were written, by the encoding they were written in",
        "versions": {"charset-normalizer": version("charset-normalizer")},
        "halves": halves,
        "bars": {"held_share_read": {"bar": BAR, "measured": ours, "met": ours >= BAR}},
    }


def _measured(half: Half) -> dict[str, Any]:
    some = list(islice(tables(half), 0, None, EVERY))
    with tempfile.TemporaryDirectory(prefix="pickaxe-bench-") as name:
        path = Path(name) / "table.csv"
        ours = {table: _ours(table, path) for table in some}
    return {"tables": len(some), "ours": _shares(ours), "charset_normalizer": _shares({table: _theirs(table) for table in some})}


def _shares(guesses: Mapping[Table, str | None]) -> dict[str, float]:
    right, of = Counter[str](), Counter[str]()
    for table, guess in guesses.items():
        fits = guess is not None and table.data.decode(guess, errors="replace") == table.content
        for group in (table.encoding, "all"):
            of[group] += 1
            right[group] += fits
    return {group: round(right[group] / of[group], 4) for group in of}


def _ours(table: Table, path: Path) -> str:
    from pickaxe.data.readers.encoding import found_encoding

    path.write_bytes(table.data)
    return found_encoding(path).name


def _theirs(table: Table) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(table.data).best()
    return best.encoding if best is not None else None
