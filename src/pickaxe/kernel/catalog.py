"""The catalog: one transactional database for nouns, edges, events and the ledger.

SQLite in WAL mode by default: one writer at a time, readers never wait. The SQL is SQLAlchemy Core and keeps to what
PostgreSQL has too; what differs is in this file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc

from pickaxe.kernel.clock import Clock
from pickaxe.kernel.errors import Conflict, Corrupted, NewerWorkspace, NotFound, PickaxeError, StorageFull, WriterBusy
from pickaxe.kernel.schema import HEAD, events, pools, principals, runs, tenants

_BUSY_TIMEOUT_MS = 15_000


class Catalog:
    """A connection pool with the workspace's rules: explicit transactions, an up-to-date schema, one clock.

    Raises `NewerWorkspace` for a schema this version does not know, `NotFound` when a reader opens what is not there.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        if not writable and not path.exists():
            raise _no_workspace(path)
        self.path = path
        self.writable = writable
        self.engine = _sqlite_engine(path, writable=writable)
        with _explained(path):
            self._check_schema()
            self.clock = Clock(self._latest_ns())

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent snapshot."""
        with _explained(self.path), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its start: all of it happens, or nothing."""
        if not self.writable:
            raise Conflict("this workspace was opened for reading", remedy='open it with pickaxe.open(path, mode="w")')
        with _explained(self.path), self.engine.connect().execution_options(pickaxe_write=True) as connection, connection.begin():
            yield connection

    def identity(self, tenant: str, principal: str) -> tuple[str, str]:
        """Ids of the tenant and of the person acting for it; both are made when new."""
        ids = f"tenant-{tenant}", f"principal-{tenant}-{principal}"
        with self.write() as connection:
            for table, row in (
                (tenants, {"id": ids[0], "name": tenant}),
                (principals, {"id": ids[1], "tenant_id": ids[0], "name": principal, "kind": "person"}),
            ):
                if connection.execute(sa.select(table.c.id).where(table.c.id == row["id"])).first() is None:
                    connection.execute(table.insert().values(row))
        return ids

    def close(self) -> None:
        self.engine.dispose()

    def _check_schema(self) -> None:
        found = self._revision()
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise NewerWorkspace(
                f"the workspace {self.path.parent} was written by a newer Pickaxe",
                expected=f"schema {HEAD} or older",
                got=f"schema {found}",
                remedy="upgrade Pickaxe: pip install --upgrade pickaxe. Nothing was changed.",
            )
        if found is None and not self.writable:  # its first writer is making it this very moment, or was killed while it did
            raise _no_workspace(self.path)
        if not self.writable:
            raise Conflict(
                f"the workspace {self.path.parent} has an older schema",
                expected=f"schema {HEAD}",
                got=f"schema {found}",
                remedy="open it once for writing; it is upgraded then",
            )
        self._upgrade()

    def _revision(self) -> str | None:
        with self.engine.begin() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()

    def _upgrade(self) -> None:
        from alembic import command
        from alembic.config import Config as AlembicConfig

        settings = AlembicConfig()
        settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.write() as connection:
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")

    def _latest_ns(self) -> int:
        """The latest instant on record: time goes on from there (see `Clock`)."""
        latest = (
            sa.select(sa.func.max(pools.c.heartbeat_ns)).scalar_subquery(),
            sa.select(sa.func.max(runs.c.heartbeat_ns)).scalar_subquery(),
            sa.select(events.c.at_ns).order_by(events.c.seq.desc()).limit(1).scalar_subquery(),
        )
        with self.engine.begin() as connection:
            return max(value or 0 for value in connection.execute(sa.select(*latest)).one())


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


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the database's own complaints into ours, each with a remedy."""
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error) as error:
        translated = _translated(getattr(error, "orig", error), path)
        if translated is None:
            raise
        raise translated from error


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


def _no_workspace(path: Path) -> NotFound:
    return NotFound(f"no workspace at {path.parent}", remedy="create one: pickaxe produce … , or pickaxe.open(path)")
