"""The database below the catalog: how to connect, what a transaction is, and what its complaints mean.

Two of them: an SQLite file (`SqliteDatabase`, one writing process) and a schema of a PostgreSQL database (`PostgresDatabase`, any
number of them). In both, write transactions take turns: one that reads before it writes sees what the one before it wrote.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import event, exc

from pickaxe.kernel.errors import Conflict, Corrupted, NotFound, NoWorkspace, PickaxeError, StorageFull, WriterBusy
from pickaxe.kernel.location import inner_workspace

_BUSY_TIMEOUT_MS = 15_000


class Database(Protocol):
    """What the catalog asks of a database."""

    what: str
    """Its name for people, without a password."""
    shared: bool
    """Whether several processes may write at once."""

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that sees one consistent state and writes nothing. Raises `NotDone` when the connection broke."""
        ...

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that has its turn to write from its start, and is durable when the block has ended.

        Raises `NotDone` when none of it happened for a passing reason, `WriterBusy` when its turn did not come, `StorageFull`.
        """
        ...

    def now_ns(self) -> int:
        """The database's own clock where it has one that every writer shares, otherwise this machine's."""
        ...

    def up_since_ns(self) -> int:
        """Since when it can be reached, by its own clock; 0 where nothing runs that could stop."""
        ...

    def prepare(self, connection: sa.Connection) -> None:
        """Before the first migration, in its transaction."""
        ...

    def finish(self, connection: sa.Connection) -> None:
        """After the migrations, in their transaction."""
        ...

    def numbers_taken(self, connection: sa.Connection) -> None:
        """Let automatic numbers go on after the largest there is."""
        ...

    def missing(self) -> NotFound:
        """The error for a reader who finds no workspace here."""
        ...

    def close(self) -> None: ...


class SqliteDatabase:
    """An SQLite file in WAL mode: readers never wait."""

    shared = False

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self.what = str(path)
        if not writable and not path.exists():
            raise self.missing()
        self._engine = _sqlite_engine(path, writable=writable)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self._explained(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        with (
            self._explained(),
            self._engine.connect().execution_options(pickaxe_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def now_ns(self) -> int:
        return time.time_ns()

    def up_since_ns(self) -> int:
        return 0

    def prepare(self, connection: sa.Connection) -> None:
        """Nothing: the file is there."""

    def finish(self, connection: sa.Connection) -> None:
        """Nothing: the migrations said it all."""

    def numbers_taken(self, connection: sa.Connection) -> None:
        """Nothing: SQLite looks at the largest number itself."""

    def missing(self) -> NotFound:
        folder = self.path.parent
        remedy = inner_workspace(folder) or "create one: pickaxe produce … , or pickaxe.open(path)"
        return NoWorkspace(f"no workspace at {folder}", remedy=remedy)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the database's own complaints into ours, each with a remedy."""
        try:
            yield
        except (exc.DBAPIError, sqlite3.Error) as error:
            translated = _translated(getattr(error, "orig", error), self.path)
            if translated is None:
                raise
            raise translated from error


def _sqlite_engine(path: Path, *, writable: bool) -> sa.Engine:
    uri = f"file:{_quoted(path)}?mode={'rwc' if writable else 'ro'}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        if writable:
            # NORMAL in WAL mode: a committed write survives any death of the process; only a power cut may take the last ones.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.QueuePool, pool_size=8, max_overflow=32)

    # The driver's own transaction handling starts too late and too weakly; BEGIN is ours (SQLAlchemy's documented recipe).
    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        wants_write = connection.get_execution_options().get("pickaxe_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if wants_write else "BEGIN")

    return engine


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.absolute()))


def _translated(error: Any, path: Path) -> PickaxeError | None:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL") or "disk is full" in str(error) or name in ("SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"):
        return StorageFull(f"no room left for {path}", remedy="free some disk space and run the same command again")
    if name.startswith("SQLITE_BUSY"):
        return WriterBusy(f"{path} is being written by another process", remedy="wait for it to end, or stop it")
    if name in ("SQLITE_CORRUPT", "SQLITE_NOTADB"):
        return Corrupted(f"{path} is damaged ({error})", remedy="restore the workspace folder from a backup")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
        return Conflict(f"{path} cannot be opened ({error})", remedy="check that the folder exists and that you may write there")
    return None
