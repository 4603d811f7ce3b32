"""`kill -9` in every stage of the line, then again at random: the same digests in the end, and nothing lost.

More kills: ``LINE_KILLS=100 pytest tests/faults/test_kill_line.py``. On all the rows of the demo, which takes half an hour and is no part
of the suite: ``pickaxe -w whole demo``, then ``LINE_DEMO=$PWD/whole pytest -s tests/faults/test_kill_line.py -k demo``.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

import pickaxe
from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.workspace import Workspace
from tests.faults.commands import start, workers_of
from tests.flows.tiny import Finished, as_toml, merged, read

KILLS = int(os.environ.get("LINE_KILLS", "20"))
DEMO = os.environ.get("LINE_DEMO")
"""Workspace of a demo that ran undisturbed."""
KEPT = ("trace", "feedback", "annotation", "publish", "alert")
COMPARED = (
    *("rows", "pool", "test", "gold", "annotations", "lessons", "teacher", "onnx", "predictions", "auto_labels", "training_set"),
    *("student", "baseline", "verdict", "model", "drift_reference"),
)
"""Not what is made of the traffic: the undisturbed line has two rounds, which share it."""
VICTIMS = ("engine", "worker", "group")


@dataclass
class Line:
    """The command under fire: started again after each kill."""

    command: tuple[object, ...]
    workspace: Path
    chance: random.Random
    stages: set[str] = field(default_factory=set[str])
    victims: list[str] = field(default_factory=list[str])
    seen: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    workers: dict[int, float] = field(default_factory=dict[int, float])
    reader: Workspace | None = None
    """One reader stays, whatever happens to the writers."""

    def start(self) -> subprocess.Popen[str]:
        return start(self.workspace, *self.command)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Look what is on record and what is running, then kill the next victim."""
        victim = VICTIMS[len(self.victims) % len(VICTIMS)]
        workers = workers_of(process.pid)
        with suppress(psutil.NoSuchProcess):
            self.workers |= {worker.pid: worker.create_time() for worker in workers}
        self._look()
        if victim in ("engine", "group") or not workers:
            os.killpg(process.pid, signal.SIGKILL)
        if victim in ("worker", "group"):
            for worker in workers:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
        self.victims.append(victim if workers else "engine between two stages")

    def running(self) -> str | None:
        """Name of the stage that runs now, as a reader sees it."""
        if self.reader is None:
            try:
                self.reader = pickaxe.open(self.workspace, mode="r")
            except NotFound:  # the first process has not made it yet
                return None
        return next((run.name for run in self.reader.runs.list(limit=3) if run.state is RunState.RUNNING), None)

    def _look(self) -> None:
        if self.reader is not None:
            self.seen |= {event.seq: (event.kind, event.subject) for event in self.reader.events(kind=KEPT, limit=100_000)}
            self.stages |= {run.name for run in self.reader.runs.list() if run.state is RunState.RUNNING}


@pytest.mark.slow
def test_killed_at_any_moment_the_line_ends_with_the_same_digests(finished: Finished, tmp_path: Path) -> None:
    task = tmp_path / "tiny.toml"
    task.write_text(as_toml(merged(read(finished.files.task), {"rounds": 1})), encoding="utf-8")
    line = Line(("produce", task, "--report", tmp_path / "tiny.html"), tmp_path / "workspace", random.Random(20))
    process = _under_fire(line)
    assert process.returncode == 0, process.communicate()

    reached = {name.rpartition("/")[2] for name in line.stages}
    assert len(line.victims) >= KILLS
    assert {"engine", "worker", "group"} <= set(line.victims)
    assert len(reached) >= 12, f"killed in {sorted(reached)} only"
    assert line.reader is not None
    line.reader.close()
    with pickaxe.open(line.workspace) as ended:
        _same_digests(finished, ended)
        _nothing_lost(line, ended, ["tiny/traffic_log"])
        for statement in ended.ledger.statements():
            assert statement.charged + statement.idle == statement.cost
        left = [path.name for folder in ("scratch", "checkpoints", "blobs/tmp") for path in (line.workspace / folder).glob("*")]
        assert left == []
    for pid, born in line.workers.items():
        with suppress(psutil.NoSuchProcess):
            assert psutil.Process(pid).create_time() != born, f"worker {pid} is still there"


@pytest.mark.skipif(DEMO is None, reason="LINE_DEMO names no finished demo")
@pytest.mark.timeout(0)
def test_killed_at_random_moments_the_demo_ends_with_the_same_digests(tmp_path: Path) -> None:
    with pickaxe.open(Path(str(DEMO)), mode="r") as undisturbed:
        expected = {artifact.id: (artifact.ref, artifact.digest) for artifact in undisturbed.artifacts.list()}
        runs = undisturbed.runs.list()
    seconds = (max(run.ended_at for run in runs if run.ended_at) - min(run.created_at for run in runs)).total_seconds()
    line = Line(("demo", "--report", tmp_path / "demo.html"), tmp_path / "workspace", random.Random(20))
    process = line.start()
    while len(line.victims) < KILLS:
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=line.chance.uniform(0, 2 * seconds / KILLS))
        running = line.running()
        _strike(line, process)
        print(f"kill {len(line.victims)}: {line.victims[-1:]} in {running}")
        if process.poll() is not None:
            process = line.start()
    out, err = process.communicate()
    assert process.returncode == 0, (out, err)
    assert line.reader is not None
    line.reader.close()
    with pickaxe.open(line.workspace) as ended:
        assert {artifact.id: (artifact.ref, artifact.digest) for artifact in ended.artifacts.list()} == expected
        _nothing_lost(line, ended, ["headlines/traffic_log:1", "headlines/traffic_log:2"])
        for statement in ended.ledger.statements():
            assert statement.charged + statement.idle == statement.cost


def _under_fire(line: Line) -> subprocess.Popen[str]:
    """Kill once in every stage, a random moment after it began, and at random moments until there were enough."""
    process, hit = line.start(), set[str]()
    end = time.monotonic() + 1500
    while True:
        assert time.monotonic() < end, f"not done after {len(line.victims)} kills: {line.victims}"
        stage = line.running()
        if process.poll() is not None:
            if process.returncode >= 0 and len(line.victims) < KILLS:
                # Done before enough kills: those left fall on cached lines, at start and end.
                assert process.returncode == 0, process.communicate()
                process = line.start()
                time.sleep(line.chance.uniform(0.1, 2.0))
                _strike(line, process)
            elif process.returncode >= 0:
                return process
            process = line.start()
        elif stage is not None and stage not in hit:
            hit.add(stage)
            time.sleep(line.chance.choice((0.0, line.chance.uniform(0.0, 1.5))))
            _strike(line, process)
        else:
            time.sleep(0.02)


def _strike(line: Line, process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        line.kill(process)
        if line.victims[-1] != "worker":
            process.communicate()


def _same_digests(finished: Finished, ended: Workspace) -> None:
    whole = finished.first.rounds[0].artifacts | {"model": finished.first.rounds[0].model}
    made = {artifact.id: artifact for artifact in ended.artifacts.list()}
    for role in COMPARED:
        assert whole[role].id in made, f"{role} was made by another run"
        assert made[whole[role].id].digest == whole[role].digest, role
    assert ended.artifact("tiny/model@production").id == whole["model"].id
    assert [route.artifact_id for route in ended.endpoint("tiny").routes] == [whole["model"].id]


def _nothing_lost(line: Line, ended: Workspace, logs: list[str]) -> None:
    kept = {event.seq: (event.kind, event.subject) for event in ended.events(kind=KEPT, limit=100_000)}
    assert line.seen.items() <= kept.items()
    log = [trace for name in logs for trace in ended.read_table(ended.artifact(name), ["trace_id"])["trace_id"].to_pylist()]
    traced = {subject for kind, subject in kept.values() if kind == "trace"}
    assert set(log) == traced
    corrected = [subject for kind, subject in kept.values() if kind == "feedback"]
    assert corrected
    assert set(corrected) <= traced
