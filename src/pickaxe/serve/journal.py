"""Group commit: an answer leaves only after its trace is on record, and answers of the same moment share one transaction.

One thread writes. While it commits, further answers gather and go together in the next commit (DeWitt et al. 1984, "group
commit"), so that the price of durability falls as traffic rises and the event loop never waits for the database.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from pickaxe.kernel.errors import PickaxeError, StorageFull, Unavailable
from pickaxe.serve.backend import ServingStore
from pickaxe.serve.errors import Busy

Fact = Mapping[str, Any]
_MAX_GROUP = 512


class _Waiting(NamedTuple):
    tenant_id: str
    fact: Fact
    written: asyncio.Future[None]


class Journal:
    """Writes events for the coroutines of one event loop. `start` and `record` are called on that loop."""

    def __init__(self, store: ServingStore, *, max_waiting: int) -> None:
        self._store = store
        self._max_waiting = max_waiting
        self._waiting: list[_Waiting] = []
        self._wake = threading.Condition()
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """Facts not yet handed to the database."""
        return len(self._waiting)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write_groups, name="pickaxe-journal", daemon=True)
        self._thread.start()

    async def record(self, tenant_id: str, fact: Fact) -> None:
        """Return once `fact` survives a killed process, in the log of its tenant.

        Raises `Busy` when too many wait already, `StorageFull` or another `PickaxeError` when it could not be written.
        """
        if self._loop is None:
            raise RuntimeError("the journal was not started")
        written: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            if self._closing:
                raise Unavailable("the server is shutting down", remedy="ask again in a moment")
            if len(self._waiting) >= self._max_waiting:
                raise Busy(
                    f"{len(self._waiting)} answers wait for their trace to be written", remedy="send fewer requests at once"
                )
            self._waiting.append(_Waiting(tenant_id, fact, written))
            first = len(self._waiting) == 1
        if first:
            # After the requests that are ready now: woken at once, the writer would commit nearly every trace by itself.
            self._loop.call_soon(self._wake_writer)
        await written

    def close(self) -> None:
        """Write what waits, then stop. Blocks; call it after the last request."""
        with self._wake:
            self._closing = True
        self._wake_writer()
        if self._thread is not None:
            self._thread.join()

    def _wake_writer(self) -> None:
        with self._wake:
            self._wake.notify()

    def _write_groups(self) -> None:
        while (group := self._next_group()) is not None:
            for tenant_id in dict.fromkeys(each.tenant_id for each in group):
                self._write(tenant_id, [each for each in group if each.tenant_id == tenant_id])

    def _write(self, tenant_id: str, group: list[_Waiting]) -> None:
        error: Exception | None = None
        try:
            self._store.for_tenant(tenant_id).emit_many([each.fact for each in group])
        except Exception as caught:  # noqa: BLE001 - handed to every request of the group
            error = caught if isinstance(caught, PickaxeError) else _unwritten(caught)
        self._report([each.written for each in group], error)

    def _next_group(self) -> list[_Waiting] | None:
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            group = self._waiting[:_MAX_GROUP]
            del self._waiting[:_MAX_GROUP]
            return group or None

    def _report(self, written: list[asyncio.Future[None]], error: Exception | None) -> None:
        if self._loop is None or self._loop.is_closed():
            return  # nobody is left to hear it; the facts themselves are on record
        self._loop.call_soon_threadsafe(_settle, written, error)


def _settle(written: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in written:
        if future.done():  # its request was cancelled meanwhile
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _unwritten(error: Exception) -> PickaxeError:
    if isinstance(error, OSError):
        return StorageFull("the trace could not be written, so the answer was withheld", got=str(error)[:200])
    return Unavailable(
        "the trace could not be written, so the answer was withheld", got=f"{type(error).__name__}: {error!s:.200}"
    )
