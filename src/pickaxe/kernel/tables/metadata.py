"""Where the lake's metadata is: an SQLite file beside the tables, or the workspace's schema in PostgreSQL.

Whoever writes tables holds the lake's turn from its first data file to its commit, so a file that no snapshot knows is either the
turn holder's or left by somebody who died.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pickaxe.kernel.catalog.database_postgres import advisory_id
from pickaxe.kernel.errors import Unavailable
from pickaxe.kernel.location import Location
from pickaxe.kernel.postgres import PostgresUrl, require_driver, translated
from pickaxe.kernel.system.disk import storage_errors
from pickaxe.kernel.system.lock import WriterLock
from pickaxe.kernel.system.retry import PATIENCE_SECONDS, retried
from pickaxe.kernel.tables.errors import ConnectionLost
from pickaxe.kernel.tables.extensions import literal

if TYPE_CHECKING:
    import duckdb
    import psycopg

FILE = "lake.db"
LOCK = "lake.lock"
ATTACHED_AS = "__ducklake_metadata_lake"
_TURN_SECONDS = 60.0


class Metadata(Protocol):
    """What the lake asks of the place of its metadata."""

    extension: str
    """DuckDB's extension that reads it."""
    what: str
    """For people."""
    tables: str
    """The qualified schema of DuckLake's tables, once attached."""
    shared: bool
    """Whether other processes may write tables too."""
    holds_files: bool
    """Whether a reader's open transaction keeps side files in being (see `Lake.hold`)."""

    def address(self, connection: duckdb.DuckDBPyConnection) -> str:
        """What follows ``ducklake:`` in ATTACH; secrets it needs are put into `connection` first."""
        ...

    def options(self, *, read_only: bool) -> dict[str, str]:
        """Options of ATTACH."""
        ...

    def exists(self) -> bool:
        """Whether somebody has begun to make the lake."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """The right to write tables, waited for; raises `WriterBusy`."""
        ...

    def check_turn(self) -> None:
        """Raises `ConnectionLost` when the turn went away under its holder: others may be writing by now."""
        ...

    def snapshot_of(self, record: str) -> int | None:
        """The snapshot whose commit says `record`, None when there certainly is none: asked after a lost connection."""
        ...


class SqliteMetadata:
    """``lake.db`` in the workspace's folder."""

    extension = "sqlite_scanner"
    shared = False
    tables = ATTACHED_AS
    holds_files = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / FILE
        self.what = str(self._file)

    def address(self, connection: duckdb.DuckDBPyConnection) -> str:
        return f"sqlite:{self._file}"

    def options(self, *, read_only: bool) -> dict[str, str]:
        # Readers go on while the writer commits, and the other way round.
        return {"META_BUSY_TIMEOUT": "10000"} | ({} if read_only else {"META_JOURNAL_MODE": "'WAL'"})

    def exists(self) -> bool:
        return any(file.is_file() and file.stat().st_size for file in (self._file, self._folder / f"{FILE}-wal"))

    @contextmanager
    def turn(self) -> Iterator[None]:
        # SQLite would let a second writer fail half-way.
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with WriterLock(self._folder / LOCK).acquire(wait=_TURN_SECONDS):
                yield

    def check_turn(self) -> None:
        """A file's lock lasts as long as its holder."""

    def snapshot_of(self, record: str) -> int | None:
        raise NotImplementedError("a file has no connection to lose")


class PostgresMetadata:
    """The tables named ``ducklake_…`` in the catalog's schema."""

    extension = "postgres_scanner"
    shared = True
    holds_files = False

    def __init__(self, url: str) -> None:
        require_driver()
        self._url = PostgresUrl.parse(url)
        self.what = self._url.shown
        self.tables = f'{ATTACHED_AS}."{self._url.schema}"'
        self._lock_id = advisory_id(f"pickaxe lake {self._url.schema}")
        self._turn: psycopg.Connection[Any] | None = None
        self._session = f"pickaxe lake {uuid.uuid4().hex[:16]}"

    def address(self, connection: duckdb.DuckDBPyConnection) -> str:
        # The password goes in as a secret of this connection, in memory: DuckDB quotes addresses in its messages.
        told = self._url.parts()
        named = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "DATABASE"}
        secret = ", ".join(f"{name} {literal(told.pop(key))}" for key, name in named.items() if key in told)
        connection.execute(f"CREATE OR REPLACE SECRET lake_metadata (TYPE postgres, {secret})")
        limits = "-c lock_timeout=60000 -c idle_in_transaction_session_timeout=300000"
        session = self._url.session() | told | {"options": limits, "application_name": self._session}
        return "postgres:" + " ".join(f"{key}={_quoted(str(value))}" for key, value in session.items())

    def options(self, *, read_only: bool) -> dict[str, str]:
        schema = literal(self._url.schema)
        return {"METADATA_SCHEMA": schema, "META_SCHEMA": schema, "META_SECRET": "'lake_metadata'"}

    def exists(self) -> bool:
        with self._connected() as connection:
            row = connection.execute("SELECT to_regclass(%s)", [f"{self._url.schema}.ducklake_metadata"]).fetchone()
        return bool(row and row[0])

    @contextmanager
    def turn(self) -> Iterator[None]:
        # Held by a session, as files are written before any transaction begins; the server lets go of it when the session ends.
        with self._connected(lock_timeout=int(_TURN_SECONDS * 1000)) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [self._lock_id])
            self._turn = connection
            yield

    def check_turn(self) -> None:
        import psycopg

        try:
            assert self._turn is not None
            self._turn.execute("SELECT 1")
        except psycopg.Error as error:
            raise ConnectionLost(f"the turn to write to {self.what} was lost", got=str(error), remedy="do it again") from error

    @retried
    def snapshot_of(self, record: str) -> int | None:
        with self._connected() as connection:
            # The server may still be at work on what the lost connection had asked for.
            ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND xact_start IS NOT NULL"
            deadline = time.monotonic() + PATIENCE_SECONDS
            while connection.execute(ours, [self._session]).fetchone() != (0,):
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"{self.what} does not say whether a write came through", remedy="look before you repeat it"
                    )
                time.sleep(0.1)
            said = "SELECT snapshot_id FROM ducklake_snapshot_changes WHERE commit_extra_info = %s"
            row = connection.execute(said, [record]).fetchone()
        return int(row[0]) if row else None

    @contextmanager
    def _connected(self, **settings: int) -> Iterator[psycopg.Connection[Any]]:
        """A connection for what only reads or waits: `ConnectionLost` when it breaks, as it may be done again."""
        import psycopg

        connection = self._connection(**settings)
        try:
            yield connection
        except psycopg.Error as error:
            known = translated(error, self._url)
            if known.error is None:
                raise
            if not known.passing:
                raise known.error from error
            raise ConnectionLost(known.error.message, got=known.error.got, remedy=known.error.remedy) from error
        finally:
            connection.close()

    def _connection(self, **settings: int) -> psycopg.Connection[Any]:
        import psycopg

        deadline = time.monotonic() + PATIENCE_SECONDS
        arguments: dict[str, Any] = self._url.parts() | self._url.session(**settings)
        while True:
            try:
                return psycopg.connect(autocommit=True, **arguments)
            except psycopg.Error as error:
                known = translated(error, self._url)
                if not known.passing or time.monotonic() > deadline:
                    raise known.error or error from error
            time.sleep(0.2)


def metadata_at(location: Location) -> Metadata:
    """Where this workspace's is."""
    return PostgresMetadata(location.catalog) if location.catalog else SqliteMetadata(location.folder)


def _quoted(value: str) -> str:
    """libpq's quoting of a value."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
