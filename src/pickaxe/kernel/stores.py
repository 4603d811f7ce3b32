"""The stores of one workspace in one process: opened once, shared by every tenant's view, closed once."""

from __future__ import annotations

import os
import platform
import shutil
import threading
import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.content import Content
from pickaxe.kernel.engine.engine import RunHandle
from pickaxe.kernel.engine.executor import Cores, Executor, LocalExecutor
from pickaxe.kernel.errors import Conflict, PickaxeError, StorageFull
from pickaxe.kernel.ledger.pools import Pools
from pickaxe.kernel.location import PRIVATE, Location, refuse_foreign
from pickaxe.kernel.peers import Peers
from pickaxe.kernel.places import Places
from pickaxe.kernel.registry import EXECUTORS, load_named
from pickaxe.kernel.runs import HEARTBEAT_EVERY, beat_under_way, interrupt_orphans
from pickaxe.kernel.system.lock import WriterLock
from pickaxe.kernel.system.process import scratch_name, sweep_scratch, this_process

if TYPE_CHECKING:
    from pickaxe.kernel.tables.lake import LakeTables

Mode = Literal["w", "r"]
T = TypeVar("T")


class Stores:
    """Catalog, tables, blobs, the writer's lock, and the pool of this machine's cores with its heart.

    On SQLite one process writes, by a lock on the folder; on PostgreSQL any number do, and look after what dead ones left.

    Raises `WriterBusy` when another process writes, `NewerWorkspace` when a newer version did, `NotFound` when a reader finds
    nothing there.
    """

    def __init__(self, location: Location, mode: Mode, *, cores: int | None = None, alive: bool = True) -> None:
        """With `alive` false a writer opens no pool, interrupts nothing and has no heart: for work on the stores themselves."""
        self.location = location
        self._alive = alive and mode == "w"
        self.path = location.folder
        self.mode: Mode = mode
        self.handles: weakref.WeakValueDictionary[str, RunHandle] = weakref.WeakValueDictionary()
        """Runs under way in this process, of every tenant."""
        self._kept: dict[type[Any], Any] = {}
        self._closing = threading.Event()
        self._making = threading.Lock()
        self._lock = self._acquire() if mode == "w" else None
        try:
            self.catalog = Catalog(location.catalog or self.path / "catalog.db", writable=mode == "w")
            self.places = Places(location, self.catalog)
            self.blobs = self.places.blobs
            self.pools = Pools(self.catalog)
            self.content = Content(lambda: self.tables, self.blobs, self.scratch)
            if self._alive:
                self._begin_life(cores or _usable_cores())
        except BaseException:
            self._release()
            raise

    @property
    def scratch(self) -> Path:
        scratch = self.places.working / "scratch"
        return scratch / scratch_name() if self.location.catalog else scratch

    @property
    def tables(self) -> LakeTables:
        """The lake; DuckDB is loaded when a table is first touched."""
        with self._making:
            return self._lake

    @cached_property
    def _lake(self) -> LakeTables:
        from pickaxe.kernel.tables.lake import LakeTables
        from pickaxe.kernel.tables.metadata import metadata_at

        lake = LakeTables(
            self.path,
            mode=self.mode,
            files=self.places.data_files(self.scratch),
            metadata=metadata_at(self.location),
            vault=self.places.vault,
        )
        if self.mode == "w":
            lake.sweep()  # files of a writer that was killed before its commit
        return lake

    def kept(self, make: type[T]) -> T:
        """The one `make` of this process: what a room folds from events once, for every tenant's view."""
        with self._making:
            if make not in self._kept:
                self._kept[make] = make()
            return self._kept[make]

    def announce(self, url: str) -> None:
        """Say in the writer's lock where this process can be reached: whoever finds the workspace held goes there."""
        if self._lock is not None:
            self._lock.tell(url=url)

    def close(self) -> None:
        """Close the pool's life, the stores and the lock. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        try:
            if self._alive:
                self._heart.join()
                self.executor.close()
                # On a full disk the pool stays open; the next writer ends it at its last heartbeat.
                with suppress(StorageFull):
                    self.pools.close(self.pool_id)
            if "_lake" in self.__dict__:
                self._lake.close()
        finally:
            self.catalog.close()
            self.places.close()
            self._release()

    def _acquire(self) -> WriterLock | None:
        if self.location.catalog is None:
            refuse_foreign(self.path)
        try:
            self.path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        except OSError as error:
            raise Conflict(f"cannot make the workspace {self.path} ({error.strerror})", remedy="choose another folder") from None
        return None if self.location.catalog else WriterLock(self.path / "writer.lock").acquire()

    def _begin_life(self, cores: int) -> None:
        self.peers = Peers(self.catalog, self.pools) if self.catalog.shared else None
        if self.peers is None:
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.interrupted = interrupt_orphans(self.catalog)
            self.pools.close_abandoned()
        else:
            sweep_scratch(self.scratch.parent)
            self.interrupted = self.peers.look(now=True)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.blobs.sweep()
        self.cores = Cores(cores)
        machine = {"host": platform.node(), "processor": platform.machine(), "cores": cores, **this_process()}
        self.pool_id = self.pools.open("cpu", cores, machine)
        self.executor = self._executor()
        self._heart = threading.Thread(target=self._beat, daemon=True, name="workspace-heart")
        self._heart.start()

    def _executor(self) -> Executor:
        if self.location.engine == "local":
            return LocalExecutor(self.cores, self.pool_id)
        scheme = self.location.engine.partition("://")[0]
        return load_named(EXECUTORS, scheme, what="engine")(self.location, self.pools)

    def _beat(self) -> None:
        while not self._closing.wait(HEARTBEAT_EVERY.total_seconds()):
            with suppress(PickaxeError):  # a full or busy disk costs a beat, not the heart
                self.pools.beat(self.pool_id)
                self.executor.beat()
                beat_under_way(self.catalog, [run_id for run_id, handle in list(self.handles.items()) if handle.under_way])
                if self.peers is not None:
                    self.peers.look()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()


def _usable_cores() -> int:
    """Cores this process may run on (Linux knows; elsewhere all of them)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
