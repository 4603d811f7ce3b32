"""Live updates: server-sent events over the log of events (WHATWG HTML, section "Server-sent events").

An event's number is its SSE id, so a client that lost the connection says ``Last-Event-ID`` and misses nothing. One task asks
the catalog what the newest event is; a stream reads a page of its own only when there is something new. A slow client holds up
nobody: its stream reads the next page when the last one has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nouns import Event
from pickaxe.wire.native.nouns import event_json

_POLL_SECONDS = 0.25
_QUIET_SECONDS = 15.0
_PAGE = 500

Read = Callable[[int], list[Event]]
"""Events after a number, oldest first, one page."""


class Live:
    """Wakes the streams of one process. `newest` tells the number of the newest event; called in a thread."""

    def __init__(self, newest: Callable[[], int]) -> None:
        self._newest = newest
        self._seen = 0
        self._changed = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._streams = 0
        self.stopping = False

    def stop(self) -> None:
        """End every stream; called on the event loop when the server drains."""
        self.stopping = True
        self._changed.set()

    async def beyond(self, seq: int, seconds: float) -> int:
        """The newest number once it is greater than `seq`; `seq` itself when nothing came within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while self._seen <= seq and not self.stopping:
                    await self._changed.wait()
        except TimeoutError:
            return seq
        return max(seq, self._seen)

    async def stream(self, read: Read, after: int, ended: Callable[[], str | None] | None = None) -> AsyncIterator[bytes]:
        """Lines of an event stream: what is there after `after`, then what comes.

        `ended` is asked whenever there is nothing more to read; what it says (a state) is the last event, ``event: end``.
        """
        self._enter()
        try:
            yield b"retry: 1000\n\n"
            while not self.stopping:
                newest = self._seen
                final = await run_in_threadpool(ended) if ended else None
                page = await run_in_threadpool(read, after)
                for event in page:
                    yield sse(event)
                after = max(page[-1].seq if page else 0, after)
                if len(page) == _PAGE:
                    continue
                if final is not None:  # it had ended before the page was read, so the page was the last
                    yield b"event: end\ndata: " + orjson.dumps({"state": final}) + b"\n\n"
                    return
                after = max(after, newest)
                if await self.beyond(after, 1.0 if ended else _QUIET_SECONDS) == after and not self.stopping:
                    yield b": still here\n\n"
        finally:
            self._leave()

    def _enter(self) -> None:
        self._streams += 1
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())

    def _leave(self) -> None:
        self._streams -= 1
        if not self._streams and self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _ask(self) -> None:
        while not self.stopping:
            newest = await run_in_threadpool(self._newest)
            if newest > self._seen:
                self._seen = newest
                self._changed.set()
                self._changed.clear()  # whoever waited was woken
            await asyncio.sleep(_POLL_SECONDS)


def sse(event: Event) -> bytes:
    """One event of the stream."""
    data = orjson.dumps(event_json(event), default=str)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.kind.encode().replace(b"\n", b" "), data)


def streamed(lines: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(
        lines, media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
    )


def wants_stream(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


def resumed_after(request: Request, after: str | None) -> int:
    """Where to go on: ``Last-Event-ID`` (a browser sends it when it reconnects), else the parameter `after`, else the beginning."""
    return sequence(request.headers.get("last-event-id") or after)


def sequence(cursor: str | None) -> int:
    """The event number that a cursor means; raises `BadInput`."""
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise BadInput(f"{cursor!r:.40} is not a place in the log", expected="the number of an event")
    return int(cursor)
