"""`pickaxe up`: how soon it answers and what it holds while nobody asks: seconds, processes, resident memory.

``python -m benchmarks server_idle``. For comparison MLflow can be measured the same way, in an environment of its own:
``pip install mlflow; mlflow server --port 5000 &`` and then the sum of the resident sizes of its process tree.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

BARS = {"seconds until it answers": 2.0, "resident memory, MB": 250.0, "processes": 1.0}
REPEATS = 3


def main() -> dict[str, Any]:
    """Start it a few times; the best start counts, as other processes can only delay one."""
    with tempfile.TemporaryDirectory(prefix="pickaxe-bench-") as scratch:
        folder = Path(scratch) / "workspace"
        _serving_workspace(folder)
        samples = [_sample(folder) for _ in range(REPEATS)]
    measured = {
        "seconds until it answers": min(sample["seconds"] for sample in samples),
        "resident memory, MB": max(sample["memory_mb"] for sample in samples),
        "processes": max(sample["processes"] for sample in samples),
    }
    return {
        "samples": samples,
        "bars": {name: {"bar": bar, "measured": measured[name], "met": measured[name] <= bar} for name, bar in BARS.items()},
    }


@dataclass
class Started:
    """A running `pickaxe up`. `seconds` from the start of the process to its first answer to a request."""

    process: psutil.Process
    url: str
    seconds: float

    def memory_mb(self) -> float:
        return round(sum(each.memory_info().rss for each in self.tree()) / 1e6, 1)

    def tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Started]:
    """Run `pickaxe up` on a workspace for as long as the block lasts."""
    import httpx

    command = [sys.executable, "-c", "from pickaxe.cli import main; main()", "-w", str(folder), "up", "--port", "0"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[1]
            httpx.get(f"{url}/healthz").raise_for_status()
            yield Started(psutil.Process(process.pid), url, time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(60)


def _sample(folder: Path) -> dict[str, Any]:
    with started(folder) as server:
        time.sleep(5)
        return {"seconds": round(server.seconds, 2), "memory_mb": server.memory_mb(), "processes": len(server.tree())}


def _serving_workspace(folder: Path) -> None:
    """A workspace with an endpoint, so that a model is loaded as well."""
    import pickaxe
    from benchmarks.serve_http import _texts, _write_student
    from pickaxe.kernel.nouns import Route

    texts, labels = _texts(600)
    _write_student(folder.parent / "model", texts, labels)
    with pickaxe.open(folder) as workspace:
        model = workspace.import_files(folder.parent / "model", "headlines/student", kind="model")
        workspace.publish("headlines", [Route(model.id)])
