"""Group commit: nothing is acknowledged that is not written, and what comes together is written together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.errors import StorageFull, Unavailable
from pickaxe.serve.errors import Busy
from pickaxe.serve.journal import Journal
from tests.serve.fakes import MemoryStore


def fact(number: int) -> dict[str, object]:
    return {"kind": "trace", "subject": f"{number:032x}", "body": {}}


class Held(MemoryStore):
    """Its commits wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.writing, self.let_go = threading.Event(), threading.Event()

    def for_tenant(self, tenant_id: str, /) -> Held:
        return self

    def emit_many(self, facts: Sequence[Mapping[str, Any]], /) -> None:
        self.writing.set()
        self.let_go.wait()
        super().emit_many(facts)


def test_an_acknowledged_fact_is_in_the_store() -> None:
    store = MemoryStore()

    async def run() -> None:
        journal = Journal(store, max_waiting=10)
        journal.start()
        await journal.record(LOCAL_TENANT, fact(1))
        assert [event.subject for event in store.events(kind="trace")] == [f"{1:032x}"]
        journal.close()

    asyncio.run(run())


def test_facts_that_gather_during_a_commit_share_the_next() -> None:
    store = Held()

    async def run() -> None:
        journal = Journal(store, max_waiting=100)
        journal.start()
        first = asyncio.create_task(journal.record(LOCAL_TENANT, fact(0)))
        await asyncio.to_thread(store.writing.wait)
        others = [asyncio.create_task(journal.record(LOCAL_TENANT, fact(number))) for number in range(1, 41)]
        await asyncio.sleep(0)
        store.let_go.set()
        await asyncio.gather(first, *others)
        journal.close()

    asyncio.run(run())
    assert store.commits == [1, 40]
    assert [event.subject for event in store.events(kind="trace")] == [f"{number:032x}" for number in range(41)]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(StorageFull("no room"), StorageFull), (OSError("gone"), StorageFull), (ValueError("odd"), Unavailable)],
)
def test_a_failed_commit_reaches_everyone_in_it_and_the_next_goes_on(raised: Exception, expected: type[Exception]) -> None:
    store = MemoryStore()

    async def run() -> list[BaseException | None]:
        journal = Journal(store, max_waiting=100)
        journal.start()
        store.emit_error = raised
        failed = await asyncio.gather(
            *(journal.record(LOCAL_TENANT, fact(number)) for number in range(3)), return_exceptions=True
        )
        store.emit_error = None
        await journal.record(LOCAL_TENANT, fact(9))
        journal.close()
        return failed

    failed = asyncio.run(run())
    assert [type(error) for error in failed] == [expected] * 3
    assert [event.subject for event in store.events(kind="trace")] == [f"{9:032x}"]


def test_close_writes_what_waits_and_then_refuses() -> None:
    store = MemoryStore()
    store.emit_delay = 0.02

    async def run() -> None:
        journal = Journal(store, max_waiting=2000)
        journal.start()
        waiting = [asyncio.create_task(journal.record(LOCAL_TENANT, fact(number))) for number in range(1100)]
        await asyncio.sleep(0)
        await asyncio.to_thread(journal.close)
        await asyncio.gather(*waiting)
        with pytest.raises(Unavailable, match="shutting down"):
            await journal.record(LOCAL_TENANT, fact(0))

    asyncio.run(run())
    assert sum(store.commits) == 1100


def test_too_many_waiting_is_busy_not_memory() -> None:
    store = Held()

    async def run() -> list[BaseException | None]:
        journal = Journal(store, max_waiting=5)
        journal.start()
        first = asyncio.create_task(journal.record(LOCAL_TENANT, fact(0)))
        await asyncio.to_thread(store.writing.wait)
        rest = [asyncio.create_task(journal.record(LOCAL_TENANT, fact(number))) for number in range(1, 9)]
        await asyncio.sleep(0)
        store.let_go.set()
        ended = await asyncio.gather(*rest, return_exceptions=True)
        await first
        journal.close()
        return ended

    rest = asyncio.run(run())
    assert [type(error).__name__ for error in rest] == ["NoneType"] * 5 + ["Busy"] * 3
    assert isinstance(rest[-1], Busy)
    assert rest[-1].details["retry_after"] == 1


def test_a_request_that_gave_up_does_not_stop_the_others() -> None:
    store = MemoryStore()
    store.emit_delay = 0.03

    async def run() -> None:
        journal = Journal(store, max_waiting=10)
        journal.start()
        gone, stays = (
            asyncio.create_task(journal.record(LOCAL_TENANT, fact(1))),
            asyncio.create_task(journal.record(LOCAL_TENANT, fact(2))),
        )
        await asyncio.sleep(0.01)
        gone.cancel()
        await stays
        journal.close()

    asyncio.run(run())
    assert len(store.events(kind="trace")) == 2
