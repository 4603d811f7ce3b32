"""Texts, labels and names that were written to steer the reader's terminal are shown, not obeyed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from pickaxe import open as open_workspace
from pickaxe.kernel.runs import RunSpec
from pickaxe.kernel.system.terminal import visible
from tests.cli.conftest import Pickaxe

HOSTILE = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj.exe\r[bold]b[/nothing]"


def harmless(text: str) -> bool:
    return not any(letter in text for letter in "\x1b\x07\x9b\u202e\r")


def test_rows_and_logs(tmp_path: Path, pickaxe: Pickaxe) -> None:
    folder = tmp_path / "ws"
    with open_workspace(folder) as workspace:
        workspace.import_table(pa.table({HOSTILE: [HOSTILE], "text": [HOSTILE]}), "hostile/rows")
        run = workspace.runs.queue(RunSpec("0" * 24, "hostile/run", "steps:step", {}, {}))
        workspace.emit("log", run.id, name="info", body={"text": HOSTILE})
    for arguments in (("rows", "hostile/rows"), ("logs", run.id)):
        shown = pickaxe("-w", folder, *arguments).out
        assert "␛]0;owned␇␛[2J" in shown, shown
        assert "[bold]b" in shown
        assert harmless(shown)


def test_lines_and_tabs_stay() -> None:
    assert visible("a\tb\nc é 中 \U0001f600") == "a\tb\nc é 中 \U0001f600"
    assert visible(HOSTILE) == "a␛]0;owned␇␛[2J\ufffd31m\ufffdgpj.exe␍[bold]b[/nothing]"
