"""The catalog: one transactional database for nouns, edges, events and the ledger.

The SQL is SQLAlchemy Core and keeps to what SQLite and PostgreSQL both have; what differs is in `database` and
`database_postgres`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from pickaxe.kernel.catalog.database import Database, SqliteDatabase
from pickaxe.kernel.catalog.schema import HEAD, events, pools, principals, runs, tenants
from pickaxe.kernel.errors import Conflict, NewerWorkspace
from pickaxe.kernel.system.clock import SECOND, Clock
from pickaxe.kernel.system.retry import retried


class Catalog:
    """A connection pool with the workspace's rules: explicit transactions, an up-to-date schema, one clock.

    `place` is an SQLite file, or the URL of a PostgreSQL database. Raises `NewerWorkspace` for a schema this version does not know,
    `NotFound` when a reader opens what is not there, `Unavailable` when the database cannot be reached.
    """

    def __init__(self, place: Path | str, *, writable: bool) -> None:
        self.writable = writable
        self._instant: sa.Connection | None = None
        self._database = _database(place, writable=writable)
        try:
            self._check_schema()
            self.clock = Clock(self._latest_ns(), self._database.now_ns())
        except BaseException:
            self.close()
            raise

    @property
    def shared(self) -> bool:
        """Whether other processes may write at the same time."""
        return self._database.shared

    def silent_since_ns(self, patience: timedelta) -> int:
        """The instant that every living writer's heart has beaten after, by now. While the database was away none could."""
        longest, now = int(patience.total_seconds() * SECOND), self.clock.now_ns()
        return now - longest if now - self._database.up_since_ns() > longest else 0

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent snapshot."""
        if self._instant is not None:
            yield self._instant
            return
        with self._database.reading() as connection:
            yield connection

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """One snapshot for everything that is read in the block, by the one thread that uses this catalog."""
        with self._database.reading() as connection:
            self._instant = connection
            try:
                yield
            finally:
                self._instant = None

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its start: all of it happens, or nothing."""
        if not self.writable:
            raise Conflict("this workspace was opened for reading", remedy='open it with pickaxe.open(path, mode="w")')
        with self._database.writing() as connection:
            yield connection

    @retried
    def identity(self, tenant: str, principal: str) -> tuple[str, str]:
        """Ids of the tenant and of the person acting for it; both are made when new."""
        tenant_id, principal_id = f"tenant-{tenant}", f"principal-{tenant}-{principal}"
        with self.write() as connection:
            if connection.execute(sa.select(tenants.c.id).where(tenants.c.id == tenant_id)).first() is None:
                connection.execute(tenants.insert().values(id=tenant_id, name=tenant))
            named = sa.select(principals.c.id).where(principals.c.tenant_id == tenant_id, principals.c.name == principal)
            known = connection.execute(named).scalar()
            if known is None:
                row = {"id": principal_id, "tenant_id": tenant_id, "name": principal, "kind": "person"}
                connection.execute(principals.insert().values(row))
        return tenant_id, known or principal_id

    def tenant_ids(self) -> list[str]:
        """Every tenant there is."""
        with self.read() as connection:
            return list(connection.execute(sa.select(tenants.c.id).order_by(tenants.c.id)).scalars())

    def numbers_taken(self, connection: sa.Connection) -> None:
        """Rows came with numbers of their own: the next ones go on after them."""
        self._database.numbers_taken(connection)

    def close(self) -> None:
        self._database.close()

    def _check_schema(self) -> None:
        with self.read() as connection:
            found = _revision(connection)
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise NewerWorkspace(
                f"the workspace in {self._database.what} was written by a newer Pickaxe",
                expected=f"schema {HEAD} or older",
                got=f"schema {found}",
                remedy="upgrade Pickaxe: pip install --upgrade pickaxe. Nothing was changed.",
            )
        if found is None and not self.writable:  # its first writer is making it this very moment, or was killed while it did
            raise self._database.missing()
        if not self.writable:
            raise Conflict(
                f"the workspace in {self._database.what} has an older schema",
                expected=f"schema {HEAD}",
                got=f"schema {found}",
                remedy="open it once for writing; it is upgraded then",
            )
        self._upgrade()

    @retried
    def _upgrade(self) -> None:
        from alembic import command
        from alembic.config import Config as AlembicConfig

        settings = AlembicConfig()
        settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.write() as connection:  # another process may have been quicker; then this finds nothing to do
            self._database.prepare(connection)
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
            self._database.finish(connection)

    @retried
    def _latest_ns(self) -> int:
        """The latest instant on record: time goes on from there (see `Clock`)."""
        latest = (
            sa.select(sa.func.max(pools.c.heartbeat_ns)).scalar_subquery(),
            sa.select(sa.func.max(runs.c.heartbeat_ns)).scalar_subquery(),
            sa.select(events.c.at_ns).order_by(events.c.seq.desc()).limit(1).scalar_subquery(),
        )
        with self.read() as connection:
            return max(value or 0 for value in connection.execute(sa.select(*latest)).one())


def _database(place: Path | str, *, writable: bool) -> Database:
    if isinstance(place, Path):
        return SqliteDatabase(place, writable=writable)
    from pickaxe.kernel.catalog.database_postgres import PostgresDatabase

    return PostgresDatabase(place, writable=writable)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
