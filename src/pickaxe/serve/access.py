"""Which scope a route asks for, and who is asking.

The server's outer layer finds out who calls and puts a `Caller` into the ASGI scope; every route declares what it needs with
`needs`, and the application refuses to start with a route that declares nothing.
"""

from __future__ import annotations

from typing import Any

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import Scope as AsgiScope

from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller, Scope
from pickaxe.serve.errors import Forbidden

CALLER = "pickaxe.caller"
"""Key in the ASGI scope under which the request's `Caller` is kept; absent for a stranger."""


class Unauthorised(Forbidden):
    """Nobody said who calls, or what they showed is not valid (any more)."""

    code, status = "unauthorised", 401


class Needs:
    """A dependency that lets a caller with `scope` pass; with None the route is public."""

    def __init__(self, scope: Scope | None) -> None:
        self.scope: Scope | None = scope

    async def __call__(self, request: Request) -> None:  # async, or each request would pay for a hop to a thread
        if self.scope is None:
            return
        caller = caller_of(request)
        if not caller.may(self.scope):
            raise Forbidden(
                f"{caller.name} may not do this",
                expected=f"the scope {self.scope!r}",
                got=", ".join(sorted(caller.scopes)) or "none",
                remedy="ask an admin of the tenant for another role, or use a key with this scope",
                reason="scope_wanted",
                name=caller.name,
                scope=self.scope,
            )


def needs(scope: Scope | None) -> Any:
    """What a route puts into its ``dependencies``: ``@routes.get("/v1/runs", dependencies=[needs("read")])``."""
    return Depends(Needs(scope))


def caller_of(request: Request) -> Caller:
    """Who calls. Raises `Unauthorised` for a stranger."""
    caller = request.scope.get(CALLER)
    if caller is None:
        raise Unauthorised(
            "this needs a sign-in or a key",
            expected="Authorization: Bearer KEY, or a signed-in session",
            remedy="sign in at /sign-in; a program or the command line shows a key, PICKAXE_API_KEY, made in the console's settings",
        )
    return caller


def operator_of(request: Request) -> Caller:
    """The caller, who runs this server. Raises `Forbidden` for other tenants: what concerns all is not for an admin of one."""
    caller = caller_of(request)
    if caller.tenant_id != LOCAL_TENANT:
        raise Forbidden("this concerns every tenant", expected="an admin of the tenant 'local'", got=caller.tenant_id)
    return caller


def place_of(scope: AsgiScope) -> str:
    """The address that a request comes from. What a proxy says of it is believed of one on this machine."""
    peer = (scope.get("client") or ("unknown", 0))[0]
    told = [part.strip() for each in Headers(scope=scope).getlist("x-forwarded-for") for part in each.split(",")]
    return told[-1][:60] if told and told[-1] and peer in ("127.0.0.1", "::1") else peer
