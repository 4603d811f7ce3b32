"""What people are asked for in a further round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pickaxe
from pickaxe.flows import labelling
from pickaxe.flows.line import Line
from pickaxe.flows.task import Task
from pickaxe.kernel.nouns import Artifact
from tests.flows.tiny import Stopped


def test_people_are_asked_for_more_labels_and_not_for_the_first_budget_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets: list[int | None] = []

    def asked(line: Line, task: Task, inputs: Any) -> Artifact:
        budgets.append(task.label.max_labels)
        raise Stopped("label")

    monkeypatch.setattr(labelling, "ask_people", asked)
    classes = {"classes": ["a", "b"], "max_labels": 700}
    task = Task.parse({"name": "t", "data": "demo:headlines", "label": classes, "more_labels": 40})
    file = tmp_path / "rows.csv"
    file.write_text("text\na\n", encoding="utf-8")
    with pickaxe.open(tmp_path / "w") as workspace:
        given = workspace.import_files(file, "t/rows")
        for annotations in (None, given):
            with pytest.raises(Stopped):
                labelling.label_pool(Line(workspace, "t"), task, given, annotations, None)
    assert budgets == [700, 40]
