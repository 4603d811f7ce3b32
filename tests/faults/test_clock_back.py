"""The wall clock moved back by a day in the middle of the line: time in the workspace never does."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest

import pickaxe
from pickaxe.flows.produce import produce
from tests.flows.tiny import Files, StopAt, Stopped

DAY = 86_400

pytestmark = pytest.mark.slow


class MovesTheClock(StopAt):
    """Moves the wall clock back where `at` starts, as an administrator would."""

    def __init__(self, at: str, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(stage)
        self._at, self._monkeypatch = at, monkeypatch

    def stage_started(self, task: str, round: int, stage: str) -> None:
        if stage == self._at:
            now, now_ns = time.time, time.time_ns
            self._monkeypatch.setattr(time, "time", lambda: now() - DAY)
            self._monkeypatch.setattr(time, "time_ns", lambda: now_ns() - DAY * 10**9)
        super().stage_started(task, round, stage)


def test_the_line_goes_on_and_nothing_has_a_negative_length(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.time()
    with pickaxe.open(tmp_path / "workspace") as workspace, pytest.raises(Stopped):
        produce(files.task, workspace, watcher=MovesTheClock("curate", "label", monkeypatch))
    assert time.time() < began - DAY / 2
    with pickaxe.open(tmp_path / "workspace") as workspace:
        with pytest.raises(Stopped):
            produce(files.task, workspace, watcher=StopAt("teacher"))
        runs = list(reversed(workspace.runs.list()))
        assert [run.name for run in runs] == ["tiny/ingest", "tiny/curate", "tiny/label", "tiny/adjudicate", "tiny/divide"]
        moments = [at for run in runs for at in (run.created_at, run.started_at, run.ended_at)]
        assert all(before is not None and after is not None and before <= after for before, after in pairwise(moments))
        assert all(before.at <= after.at for before, after in pairwise(workspace.events(limit=10_000)))
        statements = workspace.ledger.statements()
        assert len(statements) == 2
        assert all(item.charged > 0 and item.idle >= 0 and item.charged + item.idle == item.cost for item in statements)
        charges = workspace.ledger.charges([run.id for run in runs])
        assert all(0 <= charge.quantity < 3_600 * 10**9 for charge in charges if charge.meter == "cpu")
