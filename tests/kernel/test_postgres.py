"""What a PostgreSQL server says and does, in our words: refusals, lost connections, lost answers, odd texts."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from pickaxe.kernel.catalog import database_postgres
from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.database_json import dumps, loads
from pickaxe.kernel.errors import BadInput, Conflict, PickaxeError, Unavailable, WriterBusy
from pickaxe.kernel.events import Events
from pickaxe.kernel.postgres import PostgresUrl
from pickaxe.kernel.tables import write as tables_write
from pickaxe.kernel.tables.lake import LakeTables
from pickaxe.kernel.tables.metadata import PostgresMetadata
from tests.faults.commands import until
from tests.postgres import PostgresServer, shared_server

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> PostgresServer:
    return shared_server()


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.fresh_url()


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    opened = Catalog(url, writable=True)
    yield opened
    opened.close()


@pytest.fixture
def log(catalog: Catalog) -> Events:
    return Events(catalog, "tenant")


@pytest.mark.parametrize(
    ("text", "schema", "shown"),
    [
        ("postgresql://u:p%40ss@h:1/d", "pickaxe", "schema pickaxe of the PostgreSQL database d at h:1"),
        ("postgres://h/d?schema=team_1&sslmode=require", "team_1", "schema team_1 of the PostgreSQL database d at h"),
        ("postgresql:///d?host=/run/postgresql", "pickaxe", "schema pickaxe of the PostgreSQL database d at a local socket"),
    ],
)
def test_a_url_names_database_and_schema(text: str, schema: str, shown: str) -> None:
    url = PostgresUrl.parse(text)
    assert (url.schema, url.shown) == (schema, shown)
    assert "schema" not in url.for_sqlalchemy().query
    assert "p@ss" not in repr(url)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:hunter2@h/d?schema=Pickaxe",
        "postgresql://u:hunter2@h/d?schema=a%22b",
        "postgresql://u:hunter2@h/d?schema=a;drop",
        "postgresql://u:hunter2@h/d?schema=pg_catalog",
        "postgresql://u:hunter2@h/d?schema=a&schema=b",
        "postgresql://u:hunter2@h",
        "mysql://u:hunter2@h/d",
        "postgresql://u:hunter2@h:port/d",
    ],
)
def test_an_unusable_url_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(BadInput, match="not usable") as caught:
        PostgresUrl.parse(text)
    assert "hunter2" not in str(caught.value)


def test_one_database_holds_many_workspaces(server: PostgresServer) -> None:
    empty = server.empty_url()
    one, other = (Catalog(f"{empty}?schema={name}", writable=True) for name in ("one", "other"))
    Events(one, "tenant").emit("log", "mine")
    assert Events(other, "tenant").list() == []
    one.close()
    other.close()


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (lambda url: url.replace("/test_", "/no_such_"), Unavailable, "does not exist"),
        (lambda url: url.replace("postgres@", "stranger@"), Unavailable, "stranger"),
        (lambda url: url.replace("127.0.0.1:", "127.0.0.1:1"), Unavailable, "cannot be reached|not usable"),
        (lambda url: url.replace("127.0.0.1", "no-such-host.invalid"), Unavailable, "cannot be reached"),
    ],
    ids=["no database", "no user", "no server", "no host"],
)
def test_a_server_that_is_not_there_or_refuses(
    url: str, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[str], str], kind: type[PickaxeError], words: str
) -> None:
    monkeypatch.setattr(database_postgres, "_OPENING_SECONDS", 0.3)
    with pytest.raises((kind, BadInput), match=words) as caught:
        Catalog(spoil(url), writable=True)
    assert caught.value.remedy or isinstance(caught.value, BadInput)


def test_a_user_without_rights_is_told_which(server: PostgresServer) -> None:
    name = server.empty_url().rpartition("/")[2]
    server.sql(f"CREATE ROLE weak_{name} LOGIN")
    with pytest.raises(Conflict, match="may not") as caught:
        Catalog(server.url(name).replace("postgres@", f"weak_{name}@"), writable=True)
    assert "GRANT CREATE" in (caught.value.remedy or "")


def test_a_database_that_only_reads_is_said(server: PostgresServer, catalog: Catalog, url: str) -> None:
    server.sql(f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on")
    catalog.close()
    reader = Catalog(url, writable=False)
    assert Events(reader, "tenant").list() == []
    with pytest.raises(Conflict, match="opened for reading"), reader.write():
        pass
    reader.close()


def test_a_writer_that_keeps_the_lock_makes_others_give_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_postgres, "_TURN_SECONDS", 1)
    one, other = Catalog(url, writable=True), Catalog(url, writable=True)
    with one.write(), pytest.raises(WriterBusy, match="another process"):
        Events(other, "tenant").emit("log", "me too")
    Events(other, "tenant").emit("log", "now")
    one.close()
    other.close()


def test_texts_that_postgres_cannot_keep_are_refused(log: Events) -> None:
    with pytest.raises(BadInput, match="cannot be kept"):
        log.emit("log", "nul \0 in a name")
    log.emit("log", "fine", body={"nul \0": "in \0 a document", "surrogate": "\ud800", "nan": float("inf")})
    assert log.list()[0].body == {"nul \0": "in \0 a document", "surrogate": "\ud800", "nan": float("inf")}


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_comes_back_with_its_odd_numbers(document: Any) -> None:
    assert repr(loads(dumps(document))) == repr(document)


# -- connections that break


def _broken_commits(monkeypatch: pytest.MonkeyPatch, *, after: bool) -> list[int]:
    """Every third commit loses its connection, `after` the server has committed or before it heard of it."""
    original, count, broken = sa.Connection.commit, itertools.count(1), list[int]()

    def commit(self: sa.Connection) -> None:
        number = next(count)
        if number % 3:
            return original(self)
        broken.append(number)
        if after:
            original(self)
        driver: Any = self.connection.driver_connection
        driver.pgconn.finish()
        raise OperationalError("COMMIT", {}, psycopg.OperationalError("server closed the connection unexpectedly"))

    monkeypatch.setattr(sa.Connection, "commit", commit)
    return broken


@pytest.mark.parametrize("after", [True, False], ids=["committed", "not committed"])
def test_a_lost_answer_is_looked_up(log: Events, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    broken = _broken_commits(monkeypatch, after=after)
    threads = [
        threading.Thread(target=lambda who=who: [log.emit("log", str(who), step=number) for number in range(10)])
        for who in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(broken) >= 10
    for who in range(3):
        assert [event.step for event in log.list(subject=str(who))] == list(range(10)), "each once, in order"


def test_connections_that_were_cut_are_replaced(server: PostgresServer, catalog: Catalog, log: Events) -> None:
    goes_on, stop = threading.Event(), threading.Event()

    def cut() -> None:
        """At any moment, but once for each write: a machine that is slower than the cuts would never get one done."""
        while not stop.is_set():
            server.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'pickaxe%' AND pid <> pg_backend_pid()"
            )
            goes_on.wait()
            goes_on.clear()

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        for number in range(60):
            log.emit("log", "subject", step=number)
            assert log.list(newest_first=True, limit=1)[0].step == number
            goes_on.set()
    finally:
        stop.set()
        goes_on.set()
        cutter.join()
    assert [event.step for event in log.list()] == list(range(60))


@pytest.mark.parametrize("after", [True, False], ids=["committed", "not committed"])
def test_a_table_whose_commit_lost_its_answer_is_written_once(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    tables = LakeTables(tmp_path, metadata=PostgresMetadata(url))
    first = tables.write("t", pa.table({"n": [1]}))
    name = "_pins" if after else "_describe"
    original, broken = getattr(tables_write, name), list[int]()

    def lose(*arguments: Any) -> Any:
        if broken:
            return original(*arguments)
        broken.append(1)
        raise tables_write.ConnectionLost("cut off")

    monkeypatch.setattr(tables_write, name, lose)
    second = tables.write("t", pa.table({"n": [2]}), mode="append")
    assert broken
    assert tables.snapshots("t") == [first, second]
    tables.sweep()
    assert tables.read(second)["n"].to_pylist() == [1, 2]
    tables.close()


def test_who_lost_the_turn_does_not_commit(
    server: PostgresServer, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart of the server ends the turn of a writer that is just writing files: somebody else may be writing by then."""
    tables = LakeTables(tmp_path, metadata=PostgresMetadata(url))
    first = tables.write("t", pa.table({"n": [1]}))
    original, cut = tables_write._describe, list[int]()

    def describe(*arguments: Any) -> None:
        original(*arguments)
        if not cut:
            cut.append(1)
            holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            server.sql(f"SELECT pg_terminate_backend(pid) FROM ({holders}) AS h", url.rpartition("/")[2])

    monkeypatch.setattr(tables_write, "_describe", describe)
    second = tables.write("t", pa.table({"n": [2]}))
    assert cut
    assert tables.snapshots("t") == [first, second]
    assert second.snapshot_id == first.snapshot_id + 1, "the first try left no snapshot"
    tables.close()


def test_a_writer_that_is_cut_off_while_it_waits_for_its_turn_waits_again(
    server: PostgresServer, url: str, tmp_path: Path
) -> None:
    name, waiting = url.rpartition("/")[2], "FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    holder, writer = (LakeTables(tmp_path, metadata=PostgresMetadata(url)) for _ in range(2))
    pins = [writer.write("t", pa.table({"n": [1]}))]
    with ThreadPoolExecutor(1) as pool:
        with holder._turn():
            late = pool.submit(writer.write, "t", pa.table({"n": [2]}), mode="append")
            until(lambda: server.sql(f"SELECT 1 {waiting}", name), "the writer waits")
            [(session,)] = server.sql(f"SELECT pid {waiting}", name)
            server.sql(f"SELECT pg_terminate_backend({session})")
            until(lambda: server.sql(f"SELECT 1 {waiting} AND pid <> {session}", name), "it waits again")
        pins.append(late.result(timeout=300))
    assert writer.snapshots("t") == pins
    writer.close()


def test_a_lost_question_about_a_lost_commit_is_asked_again(
    server: PostgresServer, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = PostgresMetadata(url)
    tables = LakeTables(tmp_path, metadata=metadata)
    pin = tables.write("t", pa.table({"n": [1]}))
    told = f"SELECT commit_extra_info FROM pickaxe.ducklake_snapshot_changes WHERE snapshot_id = {pin.snapshot_id}"
    [(record,)] = server.sql(told, url.rpartition("/")[2])
    made, cut = metadata._connection, list[int]()

    def connection(**settings: int) -> Any:
        asked = made(**settings)
        if not cut:
            cut.append(1)
            asked.close()
        return asked

    monkeypatch.setattr(metadata, "_connection", connection)
    assert metadata.snapshot_of(record) == pin.snapshot_id
    assert cut
    tables.close()


def test_young_leftovers_may_be_anothers_and_stay(url: str, tmp_path: Path) -> None:
    tables = LakeTables(tmp_path, metadata=PostgresMetadata(url))
    pin = tables.write("t", pa.table({"n": [1]}))
    young, old = (tmp_path / "tables" / "main" / f"{name}.parquet" for name in ("young", "old"))
    young.write_bytes(b"x")
    old.write_bytes(b"x")
    os.utime(old, (0, 0))
    assert tables.sweep() == 1
    assert (young.exists(), old.exists()) == (True, False)
    assert tables.read(pin).num_rows == 1
    tables.close()
