"""How a refusal leaves the server: in the envelope to a program, as a page to somebody with a browser."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from pickaxe.kernel.errors import PickaxeError
from pickaxe.serve.http import TRACE, refusal
from pickaxe.server.declared import Declared

log = logging.getLogger(__name__)

Refuse = Callable[[Scope, PickaxeError], Response]
"""The answer to a request that is refused."""

_CHALLENGE = {"www-authenticate": 'Bearer realm="pickaxe"'}


def in_envelope(scope: Scope, error: PickaxeError, said: Mapping[str, str] | None = None) -> Response:
    """For programs; `said`: the same in the language of who sits in front of one."""
    response = refusal(scope[TRACE].trace_id, error, said)
    if error.status == 401:
        response.headers.update(_CHALLENGE)
    return response


class ForWhoReads:
    """A page for a browser that asks for one, a stranger led to sign in and back; the envelope at the API and for everybody else.

    Args:
        page: writes the page.
        words: says an error in another language than English, where there are words.
        routes: gives what the application declares; asked at the first refusal, when all routes are there.
    """

    def __init__(
        self,
        page: Callable[[Request, PickaxeError], Response],
        words: Callable[[Request, PickaxeError], Mapping[str, str]],
        routes: Callable[[], Iterable[Declared]],
    ) -> None:
        self._page = page
        self._words = words
        self._routes = routes
        self._api: frozenset[str] | None = None

    def __call__(self, scope: Scope, error: PickaxeError) -> Response:
        headers = Headers(scope=scope)
        if "text/html" not in headers.get("accept", ""):
            return in_envelope(scope, error, self._words(Request(scope), error))
        at_api = self._is_api(scope["path"])
        if error.status == 401 and (scope["method"] == "GET" or not at_api):
            return RedirectResponse("/sign-in?next=" + quote(_came_for(scope, headers), safe="/"), status_code=303)
        if at_api:
            return in_envelope(scope, error)
        try:
            return self._page(Request(scope), error)
        except Exception:  # whatever is wrong with the page, the refusal itself must arrive
            log.exception("trace %s: the page of an error failed", scope[TRACE].trace_id)
            return in_envelope(scope, error)

    def _is_api(self, path: str) -> bool:
        if self._api is None:
            self._api = frozenset({"openapi.json", *(_first_part(route.path) for route in self._routes() if route.in_schema)})
        return _first_part(path) in self._api


def _first_part(path: str) -> str:
    return path.strip("/").partition("/")[0]


def _came_for(scope: Scope, headers: Headers) -> str:
    """Where to go on after signing in: the page that was asked for, or the one whose form was sent."""
    if scope["method"] == "GET":
        return scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else "")
    sent_by = urlsplit(headers.get("referer", ""))
    if sent_by.netloc != headers.get("host"):
        return "/"
    return (sent_by.path or "/") + (f"?{sent_by.query}" if sent_by.query else "")
