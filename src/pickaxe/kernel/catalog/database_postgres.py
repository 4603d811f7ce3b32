"""A schema of a PostgreSQL database below the catalog; any number of processes write at once.

Write transactions of one workspace take turns by an advisory lock that ends with the transaction, so that reading before writing
is as safe as in SQLite, and events become visible in the order of their numbers: who pages by number misses none. (Locks are let
go of after the commit is visible to others: `CommitTransaction` in PostgreSQL's ``xact.c``.)

Every write transaction leaves its number in a row of its connection's own (table ``commits``). A commit whose answer got lost is
looked up there, so a write is never done twice and never reported lost when it happened. (PostgreSQL's own transaction numbers,
`pg_xact_status`, do not serve: after a crash one that had not reached the disk is given out again.)
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from pickaxe.kernel.catalog.database_json import dumps, loads
from pickaxe.kernel.errors import NotFound, PickaxeError
from pickaxe.kernel.postgres import PostgresUrl, require_driver, translated
from pickaxe.kernel.system.retry import PATIENCE_SECONDS, NotDone, retried

_TURN_SECONDS = 15
_STALLED_SECONDS = 60
"""A writer that stops in the middle of a transaction (a frozen process, a lost machine) is rolled back after this long."""
_OPENING_SECONDS = 5.0
_SIGN = sa.text(
    "INSERT INTO commits VALUES (:id, :number, now()) ON CONFLICT (id) DO UPDATE SET number = excluded.number, at = excluded.at"
)
_SIGNED = sa.text("SELECT number FROM commits WHERE id = :id")


class PostgresDatabase:
    """Raises `Unavailable` when the server cannot be reached or refuses, after a few seconds' trying."""

    shared = True

    def __init__(self, url: str, *, writable: bool) -> None:
        require_driver()
        self.url = PostgresUrl.parse(url)
        self.what = self.url.shown
        self._writable = writable
        self._patience = _OPENING_SECONDS
        self._engine = sa.create_engine(
            self.url.for_sqlalchemy(),
            connect_args=self.url.session(
                lock_timeout=_TURN_SECONDS * 1000,
                idle_in_transaction_session_timeout=_STALLED_SECONDS * 1000,
                default_transaction_read_only="off" if writable else "on",
            ),
            json_serializer=dumps,
            json_deserializer=loads,
            pool_pre_ping=True,
            pool_size=4,
            max_overflow=12,
            pool_recycle=1800,
            hide_parameters=True,
        )
        self._lock_id = advisory_id(f"pickaxe catalog {self.url.schema}")
        self.now_ns()  # the first look: what is wrong with the address is said here
        self._patience = PATIENCE_SECONDS

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        connection = self._connection(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with self._ended(connection, f"reading {self.what}"):
            yield connection
            connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        connection = self._in_turn()
        with self._ended(connection, f"writing to {self.what}"):
            yield connection
            ours = self._sign(connection)
            try:
                connection.commit()
            except exc.DBAPIError as error:
                _give_up(connection)
                if not translated(error, self.url).passing or not self._came_through(*ours):
                    raise

    def now_ns(self) -> int:
        """The server's clock: every writer's time is measured against it."""
        return int(self._asked("SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint"))

    def up_since_ns(self) -> int:
        return int(self._asked("SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000000)::bigint"))

    def prepare(self, connection: sa.Connection) -> None:
        connection.execute(sa.text(f'CREATE SCHEMA IF NOT EXISTS "{self.url.schema}"'))
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS commits (id varchar PRIMARY KEY, number bigint, at timestamptz)"))

    def finish(self, connection: sa.Connection) -> None:
        """Texts are compared by their bytes, as in SQLite, whatever the language of the database."""
        columns = sa.text(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = :schema"
            " AND data_type = 'character varying' AND collation_name IS DISTINCT FROM 'C' AND table_name NOT LIKE 'ducklake%'"
        )
        for table, column in connection.execute(columns, {"schema": self.url.schema}).all():
            connection.execute(sa.text(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE varchar COLLATE "C"'))

    def numbers_taken(self, connection: sa.Connection) -> None:
        numbered = sa.text(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = :schema AND column_default LIKE 'nextval%' AND table_name NOT LIKE 'ducklake%'"
        )
        for table, column in connection.execute(numbered, {"schema": self.url.schema}).all():
            largest = sa.select(sa.func.max(sa.column(column))).select_from(sa.table(table)).scalar_subquery()
            sequence = sa.func.pg_get_serial_sequence(f'"{self.url.schema}"."{table}"', column)
            connection.execute(sa.select(sa.func.setval(sequence, largest)))

    def missing(self) -> NotFound:
        return NotFound(
            f"no workspace in {self.what}", remedy="open it once for writing: pickaxe produce … , or pickaxe.open(path)"
        )

    def close(self) -> None:
        self._engine.dispose()

    # -- connections

    def _in_turn(self) -> sa.Connection:
        """A connection in a transaction that holds the lock. A lost connection is replaced: nothing has happened on it yet."""
        deadline = time.monotonic() + self._patience
        while True:
            connection = self._connection(isolation_level="READ COMMITTED", postgresql_readonly=not self._writable)
            try:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:id)"), {"id": self._lock_id})
                return connection
            except exc.DBAPIError as error:
                _give_up(connection)
                connection.close()
                known = translated(error, self.url)
                if not known.passing or time.monotonic() > deadline:
                    raise known.error or error from error
            except BaseException:
                _give_up(connection)
                connection.close()
                raise

    def _connection(self, **options: Any) -> sa.Connection:
        """Try for a while: a server that restarts refuses connections for some seconds."""
        deadline, pause = time.monotonic() + self._patience, 0.05
        while True:
            try:
                return self._engine.connect().execution_options(**options)
            except (exc.DBAPIError, exc.TimeoutError) as error:
                known = translated(error, self.url)
                if not known.passing or time.monotonic() + pause > deadline:
                    raise _not_done(known.error) if known.passing and known.error else known.error or error from error
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _asked(self, query: str, **params: Any) -> Any:
        """The one value of a query that stands for itself, asked until somebody answers."""
        deadline = time.monotonic() + self._patience
        while True:
            connection = self._connection(isolation_level="AUTOCOMMIT")
            try:
                return connection.execute(sa.text(query), params).scalar()
            except exc.DBAPIError as error:
                connection.invalidate()
                known = translated(error, self.url)
                if not known.passing or time.monotonic() > deadline:
                    raise known.error or error from error
            finally:
                connection.close()

    def _sign(self, connection: sa.Connection) -> tuple[str, int]:
        """Leave this transaction's number in its connection's row; the two tell it from every other."""
        told = connection.info.setdefault("pickaxe", {"id": uuid.uuid4().hex, "transactions": 0})
        told["transactions"] += 1
        connection.execute(_SIGN, {"id": told["id"], "number": told["transactions"]})
        if told["transactions"] == 1:
            connection.execute(sa.text("DELETE FROM commits WHERE at < now() - interval '1 day'"))
        return told["id"], told["transactions"]

    @retried
    def _came_through(self, connection_id: str, number: int) -> bool:
        """Whether that transaction was committed. It has ended once we hold the lock that it held."""
        connection = self._in_turn()
        with self._ended(connection, f"looking up a write to {self.what}"):
            return connection.execute(_SIGNED, {"id": connection_id}).scalar() == number

    @contextmanager
    def _ended(self, connection: sa.Connection, doing: str) -> Iterator[None]:
        """Undo the transaction when the block fails; what the server said is raised in our words.

        A passing reason is raised as `NotDone`: whatever broke, PostgreSQL has undone a transaction that it did not commit.
        """
        try:
            yield
        except exc.DBAPIError as error:
            _give_up(connection)
            known = translated(error, self.url)
            if known.error is None:
                raise
            if not known.passing:
                raise known.error from error
            raise _not_done(known.error, f"{doing} was cut off; nothing of it happened") from error
        except BaseException:
            _give_up(connection)
            raise
        finally:
            connection.close()


def _not_done(error: PickaxeError, message: str | None = None) -> NotDone:
    return NotDone(message or error.message, got=error.got or error.message, remedy=error.remedy)


def _give_up(connection: sa.Connection) -> None:
    """End the transaction, whatever is left of the connection."""
    try:
        connection.rollback()
    except Exception:  # noqa: BLE001 - the error that brought us here is the one to tell
        connection.invalidate()


def advisory_id(name: str) -> int:
    """A 64-bit number for a lock by name (advisory locks are per database)."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
