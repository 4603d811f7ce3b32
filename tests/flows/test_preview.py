"""The forecast of a whole line from the lines that a workspace has run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pickaxe.flows.line import Line
from pickaxe.flows.preview import preview
from pickaxe.flows.task import Task
from pickaxe.kernel.workspace import Workspace
from tests.compute.steps import Spin, spin


def test_a_line_is_forecast_from_earlier_lines(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("text\n" + "some words\n" * 2000)
    task = Task.parse({"name": "new", "data": str(data)})
    with Workspace(tmp_path / "w") as workspace:
        assert preview(workspace, task).stages == ()
        workspace.import_files(data, "old/source")
        line = Line(workspace, "old")
        for stage, seconds in (("ingest", 0.1), ("teacher", 1.5)):
            line.stage(stage, spin, Spin(seconds=seconds), {}, cores=1)
        found = preview(workspace, task).stages
        runs = [workspace.runs.list(prefix=f"old/{stage}")[0] for stage in ("ingest", "teacher")]
        took = [charge.quantity for run in runs for charge in workspace.ledger.charges([run.id]) if charge.meter == "wall_ms"]
    assert [item.stage for item in found] == ["ingest", "teacher"]
    for item in found:
        assert item.seconds.low < item.seconds.middle < item.seconds.high
        assert item.nano > 0
    assert [item.seconds.middle for item in found] == pytest.approx(took), "as they were"
