"""How much one person may have under way: a request that takes long holds a thread, and there are not many.

An ASGI layer inside the one that finds out who calls. Predictions have limits of their own (`pickaxe.serve.config`); whoever sits
at this machine has none.
"""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pickaxe.kernel.access.scopes import Caller
from pickaxe.serve.access import CALLER
from pickaxe.serve.attempts import TooMany
from pickaxe.server.refusing import Refuse

MOST_REQUESTS = 24
"""Of one person or that person's keys at once: below the threads of the server, so that others go on."""
MOST_STREAMS = 32
"""Open pages and programs that follow what happens."""


class _Ended(Exception):
    """The refusal has left; nothing of the answer shall."""


class Crowd:
    """Refuses what is one too many."""

    def __init__(self, app: ASGIApp, *, refuse: Refuse) -> None:
        self._app = app
        self._refuse = refuse
        self._requests, self._streams = Counter[str](), Counter[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller | None = scope.get(CALLER) if scope["type"] == "http" else None
        if caller is None or caller.kind == "local" or scope["path"].endswith("/predict"):
            await self._app(scope, receive, send)
            return
        who, counted = caller.principal_id, self._requests
        if counted[who] >= MOST_REQUESTS:
            await self._refuse(scope, _too_many("requests", MOST_REQUESTS))(scope, receive, send)
            return
        counted[who] += 1

        async def watched(message: Message) -> None:
            nonlocal counted
            if message["type"] == "http.response.start" and _is_stream(message):
                if self._streams[who] >= MOST_STREAMS:
                    await self._refuse(scope, _too_many("streams", MOST_STREAMS))(scope, receive, send)
                    raise _Ended
                self._requests -= Counter([who])
                counted = self._streams
                counted[who] += 1
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except _Ended:
            pass
        finally:
            counted -= Counter([who])  # what has come to nothing is forgotten


def _is_stream(message: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in message["headers"])


def _too_many(what: str, most: int) -> TooMany:
    return TooMany(
        f"too many {what} of yours are under way", expected=f"at most {most} at once", remedy="let some of them end first"
    )
