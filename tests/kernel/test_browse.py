"""What somebody who looks around is shown, on every catalog."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from pickaxe.kernel import browse, newest
from pickaxe.kernel import runs as kernel_runs
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.paging import distinct
from pickaxe.kernel.workspace import Workspace
from tests.kernel.sample_steps import Count, count


def finish(workspace: Workspace, name: str, number: int) -> None:
    """A succeeded run, without a worker: only its row is looked at here."""
    spec = workspace.spec(count, Count(upto=number), name=name, inputs={})
    workspace.runs.queue(spec)
    workspace.runs.start(spec.run_id)
    with workspace.catalog.write() as connection:
        workspace.runs.succeed(connection, spec, {})


def test_the_newest_run_of_each_name_of_one_scope(workspace: Workspace) -> None:
    for name in ("t/b", "t/a", "t/b", "u/a", "t", "t/b", "t0/a", "t/c/d"):
        finish(workspace, name, len(workspace.runs.list()))
    expected = {run.name: run for run in sorted(workspace.runs.list(), key=lambda run: run.created_at)}
    found = newest.newest_of_each_name(workspace, "t")
    assert [run.id for run in found] == [expected[name].id for name in ("t/a", "t/b", "t/c/d")]
    assert [run.name for run in newest.newest_of_each_name(workspace, "t", most=2)] == ["t/a", "t/b"]
    assert newest.newest_of_each_name(workspace, "nothing") == []
    together = newest.newest_by_scope(workspace, ["u", "nothing", "t"])
    assert {scope: [run.name for run in runs] for scope, runs in together.items()} == {
        "u": ["u/a"],
        "nothing": [],
        "t": ["t/a", "t/b", "t/c/d"],
    }
    assert together["t"] == found
    wanted = {name: expected[name].id for name in ("t/b", "t", "u/a")}
    assert newest.newest_run_ids(workspace, ["t/b", "nothing", "t", "u/a", "t/b"]) == wanted
    assert newest.newest_run_ids(workspace, []) == {}


def test_the_newest_version_of_each_of_some_names(workspace: Workspace) -> None:
    for number, name in enumerate(("a", "b", "a", "c")):
        workspace.import_json({"n": number}, name, kind="note")
    found = browse.newest_versions(workspace, ["a", "b", "nothing"])
    assert {name: item.ref for name, item in found.items()} == {"a": "a:2", "b": "b:1"}
    assert browse.newest_versions(workspace, []) == {}


def test_the_newest_events_of_several_names_in_one_look(workspace: Workspace) -> None:
    for number in range(6):
        workspace.emit("note", f"s{number % 2}", name="ab"[number % 2], value=float(number))
    workspace.emit("other", "s0", name="a", value=9.0)
    found = workspace.log.newest_by_name("note", ["a", "b", "nothing"], limit=2)
    assert {name: [event.value for event in events] for name, events in found.items()} == {
        "a": [4, 2],
        "b": [5, 3],
        "nothing": [],
    }
    assert workspace.log.newest_by_name("note", [], limit=2) == {}
    newest = {event.subject: event.seq for event in workspace.log.list(kind="note")}
    assert workspace.log.newest_seqs("note", ["s0", "s1", "nothing"]) == newest
    assert sorted(workspace.log.names("note")) == ["a", "b"]


def test_the_newest_version_of_each_table(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no table", encoding="utf-8")
    for number, name in enumerate(("big/rows", "small/rows", "big/rows")):
        workspace.import_table(pa.table({"n": [number]}), name)
    workspace.import_files(tmp_path / "file", "big/file")
    assert [item.ref for item in browse.tables(workspace)] == ["big/rows:2", "small/rows:1"]
    assert [item.ref for item in browse.tables(workspace, limit=1)] == ["big/rows:2"]
    assert [item.ref for item in browse.tables(workspace, contains="all/r")] == ["small/rows:1"]
    assert browse.tables(workspace, contains="%") == []


def test_runs_of_some_names_are_the_same_however_they_are_found(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate("abacabadabac"):
        finish(workspace, f"t/{name}", number)
    everything = workspace.runs.list()

    def paged(names: list[str]) -> list[str]:
        found: list[str] = []
        after = None
        while True:
            page, after = workspace.runs.page(names=names, states=[RunState.SUCCEEDED], after=after, limit=2)
            found += [run.id for run in page]
            if after is None:
                return found

    for looked_through in (1, 3, 100):
        monkeypatch.setattr(kernel_runs, "_LOOKED_THROUGH", looked_through)
        for names in (["t/a"], ["t/d", "t/c"], ["t/nothing"], []):
            assert paged(names) == [run.id for run in everything if run.name in names]


def test_names_page_by_page_with_their_newest_versions(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(("b/rows", "a/rows", "b/rows", "a/model", "c/rows", "b/rows")):
        workspace.import_json({"n": number}, name, kind="model" if "model" in name or number == 4 else "note")
    everything = {"a/model": (1, 1, "model"), "a/rows": (1, 1, "note"), "b/rows": (3, 3, "note"), "c/rows": (1, 1, "model")}

    def paged(**wanted: str) -> dict[str, tuple[int, int, str]]:
        found: dict[str, tuple[int, int, str]] = {}
        after = None
        while True:
            page, after = browse.names(workspace, after=after, limit=1, **wanted)
            found |= {item.newest.name: (item.newest.version, item.versions, item.newest.kind) for item in page}
            if after is None:
                return found

    for many in (1, 2, 5000):
        monkeypatch.setattr(browse, "MANY_NAMES", many)
        monkeypatch.setattr(browse, "distinct", partial(distinct, most=many))
        assert paged() == everything
        assert list(paged()) == sorted(everything)
        assert paged(kind="model").keys() == {"a/model", "c/rows"}
        assert paged(contains="ROW").keys() == {"a/rows", "b/rows", "c/rows"}
        assert paged(contains="ow b/").keys() == {"b/rows"}
        assert paged(contains="%") == {}
        assert browse.kinds(workspace) == ["model", "note"]
