"""Bulk tables with history: every write is a snapshot, and a pin says which one is meant.

`LakeTables` keeps them in DuckLake: Parquet files, and SQL metadata in an SQLite file. One process writes (see `lock`), any
number read without waiting and never see half a write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pickaxe.kernel.errors import BadInput, Conflict, NotFound
from pickaxe.kernel.system.disk import storage_errors
from pickaxe.kernel.system.retry import retried

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.encryption.vault import Vault
    from pickaxe.kernel.tables.connection import Lake
    from pickaxe.kernel.tables.files import DataFiles
    from pickaxe.kernel.tables.metadata import Metadata
    from pickaxe.kernel.tables.sql import SqlLimits
    from pickaxe.kernel.tables.streamed import Streamed

Mode = Literal["replace", "append"]

DATA = "tables"


@dataclass(frozen=True, slots=True)
class Pin:
    """A table as it was at one snapshot. Name and snapshot say which; `rows` and `bytes` (on disk) must then be so."""

    name: str
    snapshot_id: int
    rows: int
    bytes: int


class Tables(Protocol):
    """What a table store does."""

    def write(self, name: str, table: pa.Table, *, mode: Mode = "replace") -> Pin:
        """Save `table` as the new state of `name` (or add it at the end); durable when this returns, all of it or nothing.

        Raises `BadInput` (name, columns, types; an append whose schema differs), `StorageFull`, `Conflict` (opened to read).
        """
        ...

    def write_many(self, tables: Mapping[str, pa.Table], *, mode: Mode = "replace") -> dict[str, Pin]:
        """Save several tables in one snapshot: a reader sees all of them or none."""
        ...

    def read(self, pin: Pin, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows as they were written: order, names, types. Files are checked against their digests first.

        Raises `NotFound` (no such snapshot), `BadInput` (no such column), `Corrupted`.
        """
        ...

    def read_slice(self, pin: Pin, begin: int, count: int, columns: Sequence[str] | None = None) -> pa.Table:
        """At most `count` rows from the `begin`-th (0 is the first), without reading the others. Raises as `read` does."""
        ...

    def stream(self, pin: Pin) -> Streamed:
        """The rows for a query that reads of them what it needs. Raises as `read` does, of the files only while they are read."""
        ...

    def sql(
        self, query: str, pins: Mapping[str, Pin], params: Sequence[Any] = (), *, limits: SqlLimits | None = None
    ) -> pa.Table:
        """The answer to one read-only query over `pins`, each a view by its alias. See `pickaxe.kernel.tables.sql`."""
        ...

    def snapshots(self, name: str) -> list[Pin]:
        """Every state of the table, oldest first; empty when there is none."""
        ...

    def verify(self, pin: Pin) -> None:
        """Read every file of the pin from disk and compare digests; raises `Corrupted` or `NotFound`."""
        ...

    def look(self, pin: Pin) -> None:
        """Raises `Corrupted` or `NotFound` when a file of the pin is not there; none is read."""
        ...

    def close(self) -> None: ...


class LakeTables:
    """Tables in a DuckLake below `folder`: ``lake.db`` and ``tables/``.

    Attached at first use. Safe for threads, and for processes: writes take turns.
    """

    def __init__(
        self,
        folder: Path,
        mode: Literal["w", "r"] = "w",
        *,
        files: DataFiles | None = None,
        metadata: Metadata | None = None,
        vault: Vault | None = None,
        threads: int = 1,
        memory_limit: str = "1GB",
    ) -> None:
        """`files`: where the data files are, when not below ``tables/`` of the folder; `metadata`, when not ``lake.db`` in it.

        With a `vault` everything but the tables' names and row counts is sealed. DuckDB keeps the rows' order, so a second thread
        would mostly wait: on two cores it took twice the CPU time for three rows as for a million, and longer.
        """
        if mode not in ("w", "r"):
            raise BadInput("unknown mode", expected='"w" to write or "r" to read', got=repr(mode))
        self.folder = folder
        self.mode: Literal["w", "r"] = mode
        self._files = files
        self.threads = threads
        self.memory_limit = memory_limit
        self._metadata = metadata
        self._vault = vault
        self._lake: Lake | None = None
        self._lock = RLock()
        self._writing = Lock()

    def write(self, name: str, table: pa.Table, *, mode: Mode = "replace") -> Pin:
        return self.write_many({name: table}, mode=mode)[name]

    @retried
    def write_many(self, tables: Mapping[str, pa.Table], *, mode: Mode = "replace") -> dict[str, Pin]:
        from pickaxe.kernel.tables.write import commit

        if self.mode != "w":
            raise Conflict("these tables are open to read only", remedy='open the workspace with mode="w"')
        if mode not in ("replace", "append"):
            raise BadInput("unknown write mode", expected="replace or append", got=repr(mode))
        if not tables:
            return {}
        with self._turn():
            return commit(self._attached(), tables, append=mode == "append")

    @retried
    def read(self, pin: Pin, columns: Sequence[str] | None = None) -> pa.Table:
        from pickaxe.kernel.tables.read import read

        return read(self._lake_for(pin), pin, columns)

    @retried
    def read_slice(self, pin: Pin, begin: int, count: int, columns: Sequence[str] | None = None) -> pa.Table:
        from pickaxe.kernel.tables.read import read_slice

        return read_slice(self._lake_for(pin), pin, begin, count, columns)

    @retried
    def stream(self, pin: Pin) -> Streamed:
        from pickaxe.kernel.tables.scan import scan

        return scan(self._lake_for(pin), pin)

    def sql(
        self, query: str, pins: Mapping[str, Pin], params: Sequence[Any] = (), *, limits: SqlLimits | None = None
    ) -> pa.Table:
        from pickaxe.kernel.tables.sql import SqlLimits, answer

        return answer(query, {alias: self.stream(pin) for alias, pin in pins.items()}, params, limits or SqlLimits())

    @retried
    def snapshots(self, name: str) -> list[Pin]:
        from pickaxe.kernel.tables.read import snapshots

        lake = self._attached_if_there()
        return snapshots(lake, name) if lake else []

    @retried
    def verify(self, pin: Pin) -> None:
        from pickaxe.kernel.tables.read import state_at

        lake = self._lake_for(pin)
        for file in state_at(lake, pin).files:
            lake.files.local(file, afresh=True)

    @retried
    def look(self, pin: Pin) -> None:
        from pickaxe.kernel.tables.read import state_at

        lake = self._lake_for(pin)
        for file in state_at(lake, pin).files:
            lake.files.look(file)

    @retried
    def sweep(self) -> int:
        """Remove data files that no snapshot knows (a writer was killed before its commit); how many went."""
        from pickaxe.kernel.tables.write import sweep

        if self.mode != "w":
            raise Conflict("these tables are open to read only", remedy='open the workspace with mode="w"')
        with self._turn():
            lake = self._attached_if_there()
            return sweep(lake) if lake else 0

    def close(self) -> None:
        with self._lock:
            if self._lake is not None:
                self._lake.close()
                self._lake = None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One write at a time: of this object's threads, and of all processes. The order of steps in `pickaxe.kernel.tables.write` relies on it."""
        with self._writing, storage_errors(self.folder), self._its_metadata().turn():
            yield

    def _attached(self) -> Lake:
        from pickaxe.kernel.tables.connection import Lake

        with self._lock:
            if self._lake is None or not self._lake.usable:
                self._lake = Lake(
                    self.folder,
                    self._data_files(),
                    self._its_metadata(),
                    self._vault,
                    read_only=self.mode == "r",
                    threads=self.threads,
                    memory_limit=self.memory_limit,
                )
            return self._lake

    def _data_files(self) -> DataFiles:
        from pickaxe.kernel.tables.files import FolderFiles

        if self._files is None:
            self._files = FolderFiles(self.folder.absolute() / DATA)
        return self._files

    def _its_metadata(self) -> Metadata:
        from pickaxe.kernel.tables.metadata import SqliteMetadata

        if self._metadata is None:
            self._metadata = SqliteMetadata(self.folder.absolute())
        return self._metadata

    def _attached_if_there(self) -> Lake | None:
        from pickaxe.kernel.tables.connection import LakeNotMade, lake_exists

        # A reader must not make a lake, and a lake may appear while it looks on.
        try:
            there = self._lake is not None or lake_exists(self._its_metadata(), self._data_files())
            return self._attached() if there else None
        except LakeNotMade:
            return None

    def _lake_for(self, pin: Pin) -> Lake:
        lake = self._attached_if_there()
        if lake is None:
            raise NotFound(f"no table {pin.name!r}", got="an empty workspace")
        return lake
