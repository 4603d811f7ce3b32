"""Where nobody can sign in, and only this process's own steps ask: every request is the same caller's."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from pickaxe.kernel.access import LOCAL_TENANT, SCOPES, Caller, Role
from pickaxe.serve.access import CALLER

_LOCAL = Caller(LOCAL_TENANT, "principal-local", "local", Role.ADMIN, frozenset(SCOPES), "local")


class Everybody:
    """ASGI layer: every request is the local user's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[CALLER] = _LOCAL
        await self._app(scope, receive, send)
