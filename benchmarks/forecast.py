"""Forecast against meter: five lines of the demo's kinds and of different sizes run one after the other; every stage is forecast from
those before it. ``python -m benchmarks forecast``. Counted are the stages after the first 20 runs that had a forecast, all of which are on data
that the forecaster had not seen.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

SIZES = (1_500, 3_000, 4_500, 2_200, 3_600)
"""Rows of each line's data."""
LEARNT = 20
BARS = {"wall_ms": 0.15, "memory_peak_bytes": 0.10}


def main() -> dict[str, Any]:
    """Run the lines and compare."""
    import pickaxe
    from pickaxe.compute.planner.here.kept import pairs
    from pickaxe.flows.demo_data import fetch
    from pickaxe.flows.produce import produce
    from pickaxe.flows.task import Task
    from pickaxe.kernel.errors import GateFailed

    lines = fetch("headlines").read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory(prefix="pickaxe-bench-") as scratch, pickaxe.open(Path(scratch) / "w") as workspace:
        begin = 0
        for number, size in enumerate(SIZES):
            data = Path(scratch) / f"part{number}.jsonl"
            data.write_text("\n".join(lines[begin : begin + size]) + "\n", encoding="utf-8")
            begin += size
            values = Task.shipped("headlines").model_dump(mode="json") | {
                "name": f"part{number}", "data": str(data), "rounds": 1, "traffic": None,
            }  # fmt: skip
            try:
                produce(Task.parse(values), workspace)
            except GateFailed as error:  # a small part may not reach the demo's gate; its stages were run all the same
                print(f"part {number}: {error}")
        found = list(reversed(pairs(workspace)))
    runs = list(dict.fromkeys(pair.run_id for pair in found))
    later = set(runs[LEARNT:])
    errors = {meter: [abs(pair.error) for pair in found if pair.meter == meter and pair.run_id in later] for meter in BARS}
    tokens = [abs(pair.error) for pair in found if pair.meter == "tokens" and pair.run_id in later]
    return {
        "sizes": SIZES,
        "runs_with_a_forecast": len(runs),
        "pairs": [
            {"step": pair.step, "meter": pair.meter, "forecast": pair.forecast, "read": pair.read, "counted": pair.run_id in later}
            for pair in found
            if pair.meter in BARS
        ],
        "tokens": {"median_error": statistics.median(tokens) if tokens else None, "counted": len(tokens)},
        "bars": {
            f"median error of {meter}, after {LEARNT} runs": {
                "bar": bar, "measured": statistics.median(errors[meter]), "met": statistics.median(errors[meter]) <= bar
            }
            for meter, bar in BARS.items()
            if errors[meter]
        },
    }  # fmt: skip
