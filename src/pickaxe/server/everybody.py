"""For this process's own steps and tests: every request is the same caller's, once it shows the password of this server, if it has one."""

from __future__ import annotations

import base64
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pickaxe.kernel.access.scopes import LOCAL_TENANT, SCOPES, Caller, Role
from pickaxe.serve.access import CALLER, Unauthorised
from pickaxe.serve.http import TRACE, refusal

NAME = "inner"


def acting_for(tenant_id: str, principal_id: str) -> Caller:
    """Somebody who may do everything in one tenant, on this machine."""
    return Caller(tenant_id, principal_id, "local", Role.ADMIN, frozenset(SCOPES), "local")


class Everybody:
    """ASGI layer: every request is `caller`'s. With a `password`, those who do not show it (RFC 7617, in the URL) are refused."""

    def __init__(self, app: ASGIApp, caller: Caller | None = None, password: str | None = None) -> None:
        self._app = app
        self._caller = caller or acting_for(LOCAL_TENANT, "principal-local")
        self._shown = f"Basic {base64.b64encode(f'{NAME}:{password}'.encode()).decode()}" if password else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            shown = Headers(scope=scope).get("authorization", "")
            if self._shown is not None and not hmac.compare_digest(shown.encode(), self._shown.encode()):
                error = Unauthorised("this server answers the process that started it", remedy="start one for others: pickaxe up")
                await refusal(scope[TRACE].trace_id, error)(scope, receive, send)
                return
            scope[CALLER] = self._caller
        await self._app(scope, receive, send)
