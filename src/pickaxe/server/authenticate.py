"""Who calls: a key, a signed-in session, or whoever sits at this machine while nobody was told to sign in.

An ASGI layer inside the guard. With sign-in on it refuses a stranger before any route is tried, but for the public ones, and it
writes every change into the audit log before the answer leaves.

A browser sends a session's cookie along with whatever another site's page makes it send. The cookie is ``SameSite=Lax``; beyond
that, a request that changes something and comes with a cookie must say where it comes from (``Origin``, which the guard compares
with the host, or ``Sec-Fetch-Site``), as every browser since 2020 does. A key is never sent by a browser on its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pickaxe.kernel.access import audit
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller
from pickaxe.kernel.errors import Conflict, PickaxeError
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import CALLER, Unauthorised, place_of
from pickaxe.serve.auditing import NOTE
from pickaxe.serve.errors import Forbidden
from pickaxe.serve.http import TRACE
from pickaxe.server.declared import Declared
from pickaxe.server.everybody import acting_for
from pickaxe.server.refusing import Refuse

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOK_AGAIN_SECONDS = 0.1
"""Of a stream, between two looks at who follows it where that is asked of a catalog that servers share; else every message is one."""


class _NoLonger(Exception):
    """A stream was ended, because who follows it lost a key, a session or a role."""


@dataclass(frozen=True)
class Cookies:
    """How the session's cookie is written. Over https its name keeps subdomains from setting it (RFC 6265bis, ``__Host-``)."""

    secure: bool = False

    @property
    def name(self) -> str:
        return "__Host-pickaxe-session" if self.secure else "pickaxe-session"

    def of(self, headers: Headers) -> str | None:
        return cookie_parser("; ".join(headers.getlist("cookie"))).get(self.name)

    def give(self, response: Response, token: str, seconds: int) -> None:
        response.set_cookie(self.name, token, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax")

    def take_back(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="lax")


class Authenticate:
    """Puts the `Caller` into the ASGI scope, or refuses.

    Args:
        workspace: whose people and keys; its audit log is written.
        loopback: whether only this machine can reach the server. Only then, and only while nobody can sign in, is a stranger
            the local admin.
        routes: gives what the application declares; asked at the first request, when all routes are there.
        refuse: how a refusal leaves.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        workspace: Workspace,
        loopback: bool,
        cookies: Cookies,
        routes: Callable[[], Iterable[Declared]],
        refuse: Refuse,
    ) -> None:
        self._app = app
        self._workspace = workspace
        self._access = Access.of(workspace.catalog)
        self._local = acting_for(LOCAL_TENANT, workspace.principal_id) if loopback else None
        self._cookies = cookies
        self._routes = routes
        self._refuse = refuse
        self._public: list[Declared] | None = None
        self._unaudited: set[Any] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            caller = await self._caller(headers)
            changes = scope["method"] not in _READS
            if caller is not None and caller.kind == "person" and changes:
                same_site(headers)
            if caller is None and not self._is_public(scope):
                raise Unauthorised(
                    "this needs a sign-in or a key",
                    expected="Authorization: Bearer KEY, or a signed-in session",
                    remedy="sign in at /sign-in; a program or the command line shows a key, PICKAXE_API_KEY, made in the console's settings",
                )
        except PickaxeError as error:
            await self._refuse(scope, error)(scope, receive, send)
            return
        if caller is not None:
            scope[CALLER] = caller
            send = self._kept_private(self._still_allowed(headers, caller, send))
            if changes:
                send = self._audited(scope, caller, send)
        with suppress(_NoLonger):
            await self._app(scope, receive, send)

    async def _caller(self, headers: Headers) -> Caller | None:
        shown = headers.getlist("authorization")
        if shown:
            kind, _, token = shown[0].partition(" ")
            caller = await self._known(token.strip(), "api") if kind.lower() == "bearer" and len(shown) == 1 else None
            if caller is None:
                raise Unauthorised(
                    "this key does not open anything",
                    expected="one header Authorization: Bearer KEY, with a key that is neither revoked nor expired",
                    remedy="make another: pickaxe api-key create",
                )
            return caller
        session = self._cookies.of(headers)
        caller = await self._known(session, "session") if session else None
        if caller is None and self._local is not None and not _forwarded(headers) and self._access.open:
            return self._local
        return caller

    async def _known(self, token: str, kind: Literal["api", "session"]) -> Caller | None:
        if self._access.keys.remembers(token):
            return self._access.keys.caller(token, kind=kind)
        return await run_in_threadpool(self._access.keys.caller, token, kind=kind)

    def _is_public(self, scope: Scope) -> bool:
        self._learn()
        method, path = scope["method"], scope["path"]
        return any(route.pattern.match(path) and method in route.methods for route in self._public or ())

    def _learn(self) -> None:
        if self._public is None:
            routes = list(self._routes())
            # An answer is on record as a trace, with who asked; it changes nothing else.
            self._unaudited = {route.endpoint for route in routes if route.scope == "predict"}
            self._public = [route for route in routes if route.scope is None]

    def _kept_private(self, send: Send) -> Send:
        async def private(message: Message) -> None:
            if message["type"] == "http.response.start" and not any(name == b"cache-control" for name, _ in message["headers"]):
                message["headers"] = [*message["headers"], (b"cache-control", b"private, no-store")]
            await send(message)

        return private

    def _still_allowed(self, headers: Headers, caller: Caller, send: Send) -> Send:
        """`send` that ends a stream of events when who follows it may not any more: before it says the next thing, an event or, within a
        quarter of a minute, that it is still here."""
        live, looked = False, time.monotonic()
        apart = _LOOK_AGAIN_SECONDS if self._workspace.catalog.shared else 0.0  # who alone writes remembers who shows what

        async def allowed(message: Message) -> None:
            nonlocal live, looked
            if message["type"] == "http.response.start":
                live = Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
            elif live and time.monotonic() - looked >= apart:
                looked = time.monotonic()
                if await self._now(headers) != caller:
                    await send({"type": "http.response.body", "body": b""})
                    raise _NoLonger
            await send(message)

        return allowed

    async def _now(self, headers: Headers) -> Caller | None:
        try:
            return await self._caller(headers)
        except PickaxeError:
            return None

    def _audited(self, scope: Scope, caller: Caller, send: Send) -> Send:
        """`send` that writes the log first: an answer that cannot be written down is not given."""
        self._learn()
        lost = False

        async def written(message: Message) -> None:
            nonlocal lost
            if message["type"] == "http.response.start" and scope.get("endpoint") not in self._unaudited:
                try:
                    await run_in_threadpool(self._record, scope, caller, message["status"])
                except PickaxeError as error:
                    lost = True
                    await self._refuse(scope, error)(scope, _nothing, send)
            if not lost:
                await send(message)

        return written

    def _record(self, scope: Scope, caller: Caller, status: int) -> None:
        note: dict[str, Any] = scope.get(NOTE, {})
        path = getattr(scope.get("route"), "path", None) or scope["path"]
        audit.record(
            self._workspace.for_caller(caller).log,
            caller,
            f"{scope['method']} {path}",
            str(note.get("on") or scope["path"]),
            status,
            through="api" if path.startswith("/v1/") else "console",
            origin=place_of(scope),
            trace_id=scope[TRACE].trace_id,
            **{name: value for name, value in note.items() if name != "on"},
        )


def ready_for_strangers(workspace: Workspace) -> None:
    """Raises `Conflict` unless somebody can sign in: what other machines reach must not be open."""
    if Access.of(workspace.catalog).open:
        raise Conflict(
            "nobody can sign in to this workspace, so it is served on this machine only",
            expected="an admin, before the server listens on anything but loopback",
            remedy="pickaxe user add NAME --role admin",
        )


def _forwarded(headers: Headers) -> bool:
    """Whether a proxy brought the request here: then it is not known to be this machine's user."""
    return any(name in headers for name in ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"))


def same_site(headers: Headers) -> None:
    """Raises `Forbidden` unless a browser says that the request comes from a page of this server."""
    # The guard has compared Origin with Host by now, so it is enough that there is one.
    if "origin" not in headers and headers.get("sec-fetch-site") not in ("same-origin", "none"):
        raise Forbidden(
            "a signed-in browser must say which page asks",
            expected="the header Origin, or Sec-Fetch-Site: same-origin",
            remedy="a program uses a key instead of a session: pickaxe api-key create",
        )


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
