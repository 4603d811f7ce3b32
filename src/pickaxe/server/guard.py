"""What every request passes before any route: whose page sent it, which trace it is in, how it ended.

Loopback alone does not keep web pages out: a browser on this machine may be told to send a form here (cross-site request), or
to take this address for some site's own (DNS rebinding). The `Host` and `Origin` headers give both away.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pickaxe.kernel.errors import PickaxeError
from pickaxe.serve.errors import Forbidden
from pickaxe.serve.http import TRACE
from pickaxe.serve.tracecontext import trace_context
from pickaxe.server.refusing import Refuse

log = logging.getLogger(__name__)

Counted = Callable[[Scope, int, float], None]
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:@/\\\[\]\s]+)(?::\d{0,5})?")
_ELSEWHERE = frozenset({b"cross-site", b"same-site"})
"""What a browser says of a request that another origin's page makes (W3C Fetch Metadata). An image whose address is a long query
would make this server work for whoever puts it on a page."""


class Internal(PickaxeError):
    """A defect of ours. The details are in the server's log, under the trace id."""

    code = "internal"


class Guard:
    """Outermost ASGI layer: refuses other sites, names the trace, turns what escapes into a refusal, counts."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], counted: Counted, refuse: Refuse) -> None:
        self._app = app
        self._refuse = refuse
        self._hosts = frozenset(host.lower() for host in hosts)
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        context = scope[TRACE] = trace_context(headers.get(b"traceparent"))
        status = 0

        async def send_traced(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-trace-id", context.trace_id.encode()),
                    (b"traceparent", context.header.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cross-origin-resource-policy", b"same-origin"),
                ]
            await send(message)

        try:
            if refused := self._refused(scope["method"], headers):
                await self._refuse(scope, refused)(scope, receive, send_traced)
            else:
                await self._app(scope, receive, send_traced)
        except Exception:
            log.exception("trace %s: unexpected error on %r", context.trace_id, scope["path"])
            if status:  # the answer had begun; the connection is cut so that nobody takes it for a whole one
                raise
            error = Internal("unexpected error", remedy=f"look for trace {context.trace_id} in the server's log, and report it")
            await self._refuse(scope, error)(scope, receive, send_traced)
        finally:
            self._counted(scope, status, time.perf_counter() - start)

    def _refused(self, method: str, headers: dict[bytes, bytes]) -> Forbidden | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if _without_port(host) not in self._hosts:
            return Forbidden(
                "this server does not know itself by that name",
                expected="its address, or a name that it was given",
                got=host[:100] or "none",
                remedy="to be reached by another name as well: pickaxe up --name NAME",
            )
        if method in _READS:
            if headers.get(b"sec-fetch-site") in _ELSEWHERE and headers.get(b"sec-fetch-mode", b"navigate") != b"navigate":
                return Forbidden(
                    "another site's page may link to this one, and take nothing from it",
                    expected="a request of this server's own pages, or of a program",
                    got="Sec-Fetch-Site: " + headers[b"sec-fetch-site"].decode("latin-1"),
                )
            return None
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").lower() not in (f"http://{host}", f"https://{host}"):
            return Forbidden(
                "another site's page may not write here",
                expected=f"Origin: http://{host}, or none",
                got=repr(origin[:100].decode("latin-1")),
            )
        return None


def _without_port(host: str) -> str:
    """``localhost:8080`` -> ``localhost``, ``[::1]:8080`` -> ``[::1]``; empty for what is no host with or without a port."""
    found = _HOST.fullmatch(host)
    return found[1] if found else ""
