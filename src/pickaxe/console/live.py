"""Live updates: one stream per open page that says *something changed*; the page then fetches itself and swaps its live parts.

One task per tenant looks at the catalog once a second while somebody listens, whatever the number of open pages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from pickaxe.console.site import Site
from pickaxe.console.state import state_of
from pickaxe.kernel.errors import PickaxeError
from pickaxe.kernel.workspace import Workspace

EVERY_SECONDS = 1.0
LIFE_SECONDS = 10.0
"""A stream ends by itself after this long and the browser opens the next one: a server that drains is not held up."""


def router(site: Site) -> APIRouter:
    routes, pulses = site.router(), Pulses()

    @routes.get("/live")
    async def live(request: Request) -> Response:
        """Server-sent events: ``data: <state>`` at once and at every change."""
        workspace = site.workspace_of(request)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(pulses.of(workspace).listen(), media_type="text/event-stream", headers=headers)

    site.on_drain.append(pulses.stop)
    return routes


class Pulses:
    """The pulse of each tenant."""

    def __init__(self) -> None:
        self._by_tenant: dict[str, Pulse] = {}
        self._stopping = False

    def of(self, workspace: Workspace) -> Pulse:
        """When all is stopped already, one that beats no more."""
        pulse = self._by_tenant.setdefault(workspace.tenant_id, Pulse(workspace))
        if self._stopping:
            pulse.stop()
        return pulse

    def stop(self) -> None:
        """End every stream now, and those that are still asked for."""
        self._stopping = True
        for pulse in self._by_tenant.values():
            pulse.stop()


class Pulse:
    """What changes in one tenant's workspace, told to everybody who listens. Lives on one event loop."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._state = ""
        self._changed = asyncio.Event()
        self._listeners = 0
        self._looking: asyncio.Task[None] | None = None
        self._stopping = False

    def stop(self) -> None:
        """End every stream now."""
        self._stopping = True
        self._changed.set()

    async def listen(self) -> AsyncIterator[bytes]:
        self._listeners += 1
        try:
            if self._looking is None or self._looking.done():
                self._state = await run_in_threadpool(state_of, self._workspace)
                self._looking = asyncio.create_task(self._look())
            ends, told = time.monotonic() + LIFE_SECONDS, None
            while not self._stopping and (left := ends - time.monotonic()) > 0:
                changed = self._changed
                if told != self._state:
                    told = self._state
                    yield f"retry: 500\ndata: {told}\n\n".encode()
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), left)
        finally:
            self._listeners -= 1

    async def _look(self) -> None:
        while self._listeners and not self._stopping:
            await asyncio.sleep(EVERY_SECONDS)
            with suppress(PickaxeError):  # a busy or closing catalog: look again, or be ended with the server
                state = await run_in_threadpool(state_of, self._workspace)
                if state != self._state:
                    self._state = state
                    self._changed.set()
                    self._changed = asyncio.Event()
