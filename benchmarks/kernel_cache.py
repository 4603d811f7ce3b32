"""What a cached run costs: one hit, and a pipeline of a hundred steps that is wholly cached."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._steps import Number, successor
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace

STEPS = 100
HITS = 200
ROUNDS = 5


def main() -> dict[str, Any]:
    """Build the pipeline once, then time hits and whole re-runs; each re-run opens the workspace anew."""
    with tempfile.TemporaryDirectory() as folder:
        with Workspace(folder) as workspace:
            built = _timed(lambda: _pipeline(workspace))
            hits = [_timed(lambda: workspace.run(successor, Number(), name="bench/successor")) for _ in range(HITS)]
        reruns = [_timed(lambda: _rerun(Path(folder))) for _ in range(ROUNDS)]
    hit_ms, rerun_s = statistics.median(hits) * 1000, statistics.median(reruns)
    return {
        "built_seconds": built,
        "hit_ms": {"median": hit_ms, "p95": sorted(hits)[int(0.95 * HITS)] * 1000},
        "rerun_seconds": {"median": rerun_s, "all": reruns},
        "bars": {
            "a cache hit costs < 5 ms": {"bar": "5 ms", "measured": f"{hit_ms:.2f} ms", "met": hit_ms < 5},
            f"{STEPS} cached steps, workspace opened anew, <= 1 s": {
                "bar": "1 s",
                "measured": f"{rerun_s:.2f} s",
                "met": rerun_s <= 1,
            },
        },
    }


def _pipeline(workspace: Workspace) -> Artifact:
    """Each step reads the output of the one before."""
    made = workspace.run(successor, Number(), name="bench/successor")["number"]
    for at in range(1, STEPS):
        made = workspace.run(successor, Number(), name=f"bench/{at}/successor", inputs={"number": made})["number"]
    return made


def _rerun(folder: Path) -> None:
    with Workspace(folder) as workspace:
        _pipeline(workspace)


def _timed(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
