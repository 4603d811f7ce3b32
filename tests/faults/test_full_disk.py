"""A disk that is full before or in the middle of the line: exit status 5, and the same command ends well once there is room."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import pickaxe
from pickaxe.flows.produce import produce
from pickaxe.kernel.nouns import RunState
from tests.faults.commands import call
from tests.flows.tiny import Files, StopAt, Stopped

pytestmark = pytest.mark.slow


def fill(disk: Path, leave: int) -> Path:
    """Take all room but `leave` bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb") as stream:
        stream.write(b"\0" * max(0, shutil.disk_usage(disk).free - leave))
    return ballast


def test_the_line_on_a_full_disk(files: Files, small_disk: Path, tmp_path: Path) -> None:
    workspace = small_disk / "workspace"
    command = ("produce", files.task, "--report", tmp_path / "report.html")
    for leave in (0, 50_000, 700_000, 1_200_000):
        ballast = fill(small_disk, leave)
        done = call(workspace, *command)
        assert done.returncode == 5, f"{leave} bytes left: {done.stderr or done.stdout}"
        assert re.search(r"what to do: free some (disk )?space", done.stderr)
        assert "Traceback" not in done.stderr
        ballast.unlink()
    with pickaxe.open(workspace) as opened:
        with pytest.raises(Stopped):
            produce(files.task, opened, watcher=StopAt("label"))
        curated = opened.artifact("tiny/pool").digest

    # Full in the middle: what was made before stays, what was under way is made later.
    ballast = fill(small_disk, 600_000)
    done = call(workspace, *command)
    assert done.returncode == 5, done.stderr or done.stdout
    ballast.unlink()
    with pickaxe.open(workspace) as opened:
        assert not [run for run in opened.runs.list() if run.state is RunState.RUNNING]
        with pytest.raises(Stopped):
            produce(files.task, opened, watcher=StopAt("teacher"))
        assert opened.artifact("tiny/pool").digest == curated
        for artifact in opened.artifacts.list():
            if artifact.stored == "table":
                assert opened.read_table(artifact).num_rows == artifact.meta["rows"]
            elif artifact.stored == "files":
                assert opened.files(artifact).exists()
        for statement in opened.ledger.statements():
            assert statement.charged + statement.idle == statement.cost
        assert list(opened.scratch.iterdir()) == []
