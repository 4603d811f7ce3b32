"""The catalog: schema, versions, damage, the clock."""

import sqlite3
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from pickaxe.kernel.catalog.schema import metadata, runs
from pickaxe.kernel.errors import Conflict, Corrupted, NewerWorkspace, NotFound
from pickaxe.kernel.system.clock import Clock
from pickaxe.kernel.workspace import Workspace
from tests.kernel import sample_steps as steps
from tests.postgres import lay_out, shared_server


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(folder: Path) -> None:
    with Workspace(folder) as workspace, workspace.catalog.read() as connection:
        ours = {"compare_type": True, "include_name": lambda name, kind, parents: name != "commits"}  # PostgreSQL's only
        context = MigrationContext.configure(connection, opts=ours)
        assert compare_metadata(context, metadata) == []


def test_a_workspace_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    Workspace(tmp_path).close()
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = (tmp_path / "catalog.db").read_bytes()
    for mode in ("w", "r"):
        with pytest.raises(NewerWorkspace, match="newer Pickaxe") as caught:
            Workspace(tmp_path, mode=mode)
        assert "upgrade" in str(caught.value)
    assert (tmp_path / "catalog.db").read_bytes() == before


def test_a_damaged_catalog_is_named_with_the_remedy(tmp_path: Path) -> None:
    Workspace(tmp_path).close()
    (tmp_path / "catalog.db").write_bytes(b"this is no database" * 1000)
    for left in ("catalog.db-wal", "catalog.db-shm"):
        (tmp_path / left).unlink(missing_ok=True)
    with pytest.raises(Corrupted, match="damaged"):
        Workspace(tmp_path)


def test_a_reader_of_nothing_is_told_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no workspace"):
        Workspace(tmp_path / "nowhere", mode="r")
    assert not (tmp_path / "nowhere").exists()


def test_a_reader_of_an_empty_database_is_told_the_same(tmp_path: Path) -> None:
    lay_out(tmp_path, shared_server().empty_url())
    with pytest.raises(NotFound, match="no workspace in schema pickaxe"):
        Workspace(tmp_path, mode="r")
    Workspace(tmp_path).close()
    Workspace(tmp_path, mode="r").close()


def test_a_reader_cannot_write(workspace: Workspace) -> None:
    with Workspace(workspace.path, mode="r") as reader:
        with pytest.raises(Conflict, match="opened for reading"):
            reader.emit("log", "somebody")
        with pytest.raises(Conflict, match="opened for reading"):
            reader.run(steps.count, steps.Count(), name="t/count")


def test_readers_never_wait_for_a_writer(workspace: Workspace) -> None:
    workspace.emit("log", "subject", body={"text": "before"})
    with Workspace(workspace.path, mode="r") as reader, workspace.catalog.write() as connection:
        workspace.log.emit_many([{"kind": "log", "subject": "subject"}], connection=connection)
        # Whoever waited for this thread's transaction would never be served.
        assert [event.body for event in reader.events(subject="subject")] == [{"text": "before"}]


def test_time_goes_on_when_the_clock_was_moved_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workspace(folder) as workspace:
        first = workspace.run(steps.count, steps.Count(upto=1), name="t/count").run
    past = time.time_ns() - 3_600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: past)
    with Workspace(folder) as workspace:
        second = workspace.run(steps.count, steps.Count(upto=2), name="t/count").run
        assert first.ended_at is not None
        assert second.created_at > first.ended_at
        assert all(item.charged + item.idle == item.cost and item.idle >= 0 for item in workspace.ledger.statements())


def test_the_clock_never_goes_below_its_floor() -> None:
    floor = time.time_ns() + 10**12
    clock = Clock(floor)
    assert floor <= clock.now_ns() <= clock.now_ns()


def test_a_broken_transaction_leaves_nothing(workspace: Workspace) -> None:
    def write_then_fail() -> None:
        with workspace.catalog.write() as connection:
            workspace.log.emit_many([{"kind": "log", "subject": "half"}], connection=connection)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        write_then_fail()
    assert workspace.events(subject="half") == []


def test_foreign_keys_are_enforced(workspace: Workspace) -> None:
    with pytest.raises(IntegrityError), workspace.catalog.write() as connection:
        connection.execute(
            runs.insert().values(
                id="r",
                tenant_id="nobody",
                principal_id="nobody",
                name="n",
                key="k",
                state="queued",
                step="s",
                config={},
                created_ns=0,
            )
        )
