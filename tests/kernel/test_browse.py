"""What somebody who looks around is shown, on every catalog."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from pickaxe.kernel import browse
from pickaxe.kernel.workspace import Workspace
from tests.kernel.sample_steps import Count, count


def test_the_newest_run_of_each_name_of_one_scope(workspace: Workspace) -> None:
    for name in ("t/b", "t/a", "t/b", "u/a", "t", "t/b", "t0/a", "t/c/d"):
        workspace.run(count, Count(upto=len(workspace.runs.list())), name=name, cores=1)
    newest = {run.name: run for run in sorted(workspace.runs.list(), key=lambda run: run.created_at)}
    found = browse.newest_of_each_name(workspace, "t")
    assert [run.id for run in found] == [newest[name].id for name in ("t/a", "t/b", "t/c/d")]
    assert [run.name for run in browse.newest_of_each_name(workspace, "t", most=2)] == ["t/a", "t/b"]
    assert browse.newest_of_each_name(workspace, "nothing") == []


def test_the_newest_version_of_each_table(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no table", encoding="utf-8")
    for number, name in enumerate(("big/rows", "small/rows", "big/rows")):
        workspace.import_table(pa.table({"n": [number]}), name)
    workspace.import_files(tmp_path / "file", "big/file")
    assert [item.ref for item in browse.tables(workspace)] == ["big/rows:2", "small/rows:1"]
    assert [item.ref for item in browse.tables(workspace, limit=1)] == ["big/rows:2"]
    assert [item.ref for item in browse.tables(workspace, contains="all/r")] == ["small/rows:1"]
    assert browse.tables(workspace, contains="%") == []
