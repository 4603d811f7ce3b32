"""What a few letters find, on every catalog, and that no number of runs makes it slow."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from pickaxe.kernel import finding, paging
from pickaxe.kernel.runs import RunSpec
from pickaxe.kernel.workspace import Workspace

NAMES = ("headlines/teacher", "headlines/auto-label", "headlines/label", "reviews/label", "oddments")


@pytest.fixture
def named(workspace: Workspace) -> Workspace:
    for place, name in enumerate(NAMES * 2):
        workspace.runs.queue(RunSpec(f"{place:02}{'a' * 22}", name, "steps:step", {}, {}))
    return workspace


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["label"], ["reviews/label", "headlines/label", "headlines/auto-label"]),
        (["each"], ["headlines/teacher"]),
        (["LINES", "lab"], ["headlines/label", "headlines/auto-label"]),
        (["headlines/label"], ["headlines/label"]),
        (["odd"], ["oddments"]),
        (["%"], []),
        (["_"], []),
        (["'; DROP TABLE runs; --"], []),
    ],
)
def test_a_part_of_a_name_is_found(named: Workspace, words: list[str], found: list[str]) -> None:
    assert finding.run_names(named, words, limit=6) == found


def test_scopes_and_limits(named: Workspace) -> None:
    assert finding.run_scopes(named, ["line"], limit=6) == ["headlines"]
    assert finding.run_scopes(named, ["odd"], limit=6) == []
    assert len(finding.run_names(named, ["e"], limit=2)) == 2


def test_the_beginning_of_an_id_is_found(named: Workspace) -> None:
    run = named.runs.list()[0]
    assert [item.id for item in finding.runs_by_id(named, run.id[:7], limit=6)] == [run.id]
    assert len(finding.runs_by_id(named, "run-", limit=6)) == 6
    assert finding.runs_by_id(named, "run-%", limit=6) == []
    artifact = named.import_table(pa.table({"n": [1]}), "shop/rows")
    assert [item.ref for item in finding.artifacts_by_id(named, artifact.id[:12], limit=6)] == ["shop/rows:1"]
    assert finding.artifact_names(named, ["hop", "row"], limit=6) == ["shop/rows"]
    other = named.for_tenant("tenant-other", "")
    assert finding.runs_by_id(other, "run-", limit=6) == finding.artifacts_by_id(other, "art-", limit=6) == []
    assert finding.run_names(other, ["label"], limit=6) == finding.artifact_names(other, ["rows"], limit=6) == []


def test_what_events_are_about_is_found(named: Workspace) -> None:
    for subject in ("4bf92f35" + "0" * 24, "4bf92f35" + "1" * 24, "4bf9" + "2" * 28):
        named.emit("trace", subject, name="words")
        named.emit("feedback", subject, name="words")
    named.emit("job", "job-5f0c6a1b", name="queued")
    assert finding.subjects(named, "trace", "4bf92f", limit=6) == ["4bf92f35" + "0" * 24, "4bf92f35" + "1" * 24]
    assert finding.subjects(named, "trace", "4b", limit=1) == ["4bf9" + "2" * 28]
    assert finding.subjects(named, "job", "job-5", limit=6) == ["job-5f0c6a1b"]
    assert finding.subjects(named, "job", "job-6", limit=6) == []


def test_of_very_many_names_the_first_are_looked_through(named: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies beyond is found by its beginning still."""
    monkeypatch.setattr(finding, "MANY_NAMES", 2)
    monkeypatch.setattr(paging, "MANY_NAMES", 2)
    monkeypatch.setattr(paging.distinct, "__kwdefaults__", {"begin": "", "beyond": "", "most": 2})
    assert finding.run_names(named, ["label"], limit=6) == ["headlines/label", "headlines/auto-label"]
    assert finding.run_names(named, ["rev"], limit=6) == ["reviews/label"]
    assert finding.run_names(named, ["view"], limit=6) == []


def test_many_runs_are_no_more_work(named: Workspace) -> None:
    """Counted in steps of the database, which no busy machine changes: 20,000 more runs of the same names cost nothing."""
    if named.catalog.shared:
        pytest.skip("SQLite counts its steps, PostgreSQL does not")
    before = _steps(named)
    with named.catalog.write() as connection:
        columns = "tenant_id, principal_id, name, {key}, state, step, config, attempt, error, created_ns"
        numbers = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000) SELECT n FROM c"
        connection.exec_driver_sql(
            f"INSERT INTO runs (id, {columns.format(key='key')}) "
            f"SELECT 'run-x' || id || n, {columns.format(key='key || n')} FROM runs, ({numbers})"
        )
    assert len(named.runs.list(limit=30_000)) > 20_000
    assert _steps(named) < 2 * before + 1000


def _steps(workspace: Workspace) -> int:
    counted = 0

    def step() -> None:
        nonlocal counted
        counted += 1

    def count(connection: sa.Connection, cursor: Any, *_: Any) -> None:
        cursor.connection.set_progress_handler(step, 10)

    event.listen(sa.Engine, "before_cursor_execute", count)
    try:
        finding.run_names(workspace, ["label"], limit=6)
        finding.run_scopes(workspace, ["line"], limit=6)
        assert finding.runs_by_id(workspace, "run-00", limit=6)
        finding.subjects(workspace, "trace", "4bf9", limit=6)
    finally:
        event.remove(sa.Engine, "before_cursor_execute", count)
    return counted
