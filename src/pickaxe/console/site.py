"""What every page shares: the caller's workspace, templates in the reader's language, headers, errors as pages."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Coroutine, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from pickaxe.console import findings, problems, show
from pickaxe.console.assets import Assets
from pickaxe.console.menu import MENU
from pickaxe.console.state import state_of
from pickaxe.console.words import LANGUAGES, Translate, chosen, name_of, translator
from pickaxe.kernel.access.scopes import Caller, Scope
from pickaxe.kernel.errors import PickaxeError
from pickaxe.kernel.listed import LISTED
from pickaxe.kernel.nearest import nearest
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import CALLER, caller_of, needs
from pickaxe.serve.http import invalid, trace_of

LANGUAGE_COOKIE, THEME_COOKIE = "pickaxe-language", "pickaxe-theme"
THEMES = ("light", "dark")

# Nothing inline runs, nothing is evaluated, nothing is fetched from elsewhere, and no other site frames a page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie, Accept-Language, Accept-Encoding",
}
_WORTH_ZIPPING = 2_000


class Absent(jinja2.StrictUndefined):
    """A name that a page forgot to pass is an error; a member that a stored document lacks is nothing."""

    def __new__(cls, hint: str | None = None, obj: Any = None, name: str | None = None, exc: Any = jinja2.UndefinedError) -> Any:
        if isinstance(obj, Mapping):
            return jinja2.Undefined(hint, obj, name, exc)
        return super().__new__(cls)


class Site:
    """The console over one workspace.

    Args:
        shown: pages that the navigation leads to.
    """

    def __init__(self, workspace: Workspace, shown: Collection[str], assets: Assets | None = None) -> None:
        self._workspace = workspace
        self.assets = assets or Assets()
        self.on_drain: list[Callable[[], None]] = []
        self._menu = [item for item in MENU if item.name in shown]

    def workspace_of(self, request: Request) -> Workspace:
        """The workspace as the caller's tenant sees it."""
        return self._workspace.for_caller(caller_of(request))

    def router(self, scope: Scope | None = "read") -> APIRouter:
        """A router for pages: they need `scope` (None: public), and their errors are pages too."""
        site = self

        class PageRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                return partial(site._answer, super().get_route_handler())

        return APIRouter(route_class=PageRoute, dependencies=[needs(scope)], include_in_schema=False)

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """Render `template` with `values` for who asked."""
        language = self.language_of(request)
        theme = request.cookies.get(THEME_COOKIE)
        markup = (
            _templates()
            .get_template(template)
            .render(
                values,
                asset=self.assets.path,
                imports=self.assets.imports,
                menu=self._menu,
                t=translator(language),
                word=partial(name_of, language),
                language=language,
                theme=theme if theme in THEMES else None,
                here=request.url.path,
                stands=getattr(request.state, "stands", ""),
                address=_address(request),
                reader=request.scope.get(CALLER),
                now=datetime.now(UTC),
            )
        )
        content, headers = markup.encode("utf-8", "replace"), dict(HEADERS)
        if len(content) > _WORTH_ZIPPING and "gzip" in request.headers.get("accept-encoding", ""):
            content, headers["Content-Encoding"] = gzip.compress(content, 5, mtime=0), "gzip"
        return Response(content, status_code=status, headers=headers, media_type="text/html")

    def language_of(self, request: Request) -> str:
        return chosen(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language"))

    def words_of(self, request: Request) -> Translate:
        """The reader's language, for words that stand in charts."""
        return translator(self.language_of(request))

    async def _answer(self, handler: Callable[[Request], Coroutine[Any, Any, Response]], request: Request) -> Response:
        try:
            await self._note_state(request)
            return await handler(request)
        except RequestValidationError as error:
            return self.error(request, invalid([{**one, "loc": one["loc"][1:] or one["loc"]} for one in error.errors()]))
        except PickaxeError as error:
            return self.error(request, error)

    async def _note_state(self, request: Request) -> None:
        """Before anything is read for the page: what changes from now on, the page's live stream tells of."""
        caller: Caller | None = request.scope.get(CALLER)
        if caller and caller.may("read") and request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            request.state.stands = await run_in_threadpool(state_of, self.workspace_of(request))

    def error(self, request: Request, error: PickaxeError) -> Response:
        """A page that says what is wrong and where to go on."""
        if error.code == "unauthorised" and request.method == "GET":
            return RedirectResponse("/sign-in?next=" + quote(_address(request), safe="/"), status_code=303)
        see = error.details.get("see")
        listed = LISTED.get(str(see))
        section = next((item for item in MENU[1:] if request.url.path.startswith(item.path)), None)
        meant = nearest(request.url.path.strip("/"), (item.path[1:] for item in MENU)) if see == "routes" else []
        answer = self.page(
            request,
            "error.html",
            status=error.status,
            error=error,
            trace_id=trace_of(request).trace_id,
            listed=None if listed is None else (see, listed.page),
            section=section if listed is None and see != "routes" else None,
            meant=[item for item in MENU if item.path[1:] in meant and item.path != "/"],
        )
        if retry_after := error.details.get("retry_after"):
            answer.headers["Retry-After"] = str(retry_after)
        return answer


@cache
def _templates() -> jinja2.Environment:
    """Compiled when first asked for, once per process; what they share whoever reads is in their globals."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pickaxe.console"),
        autoescape=True,
        undefined=Absent,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(languages=LANGUAGES, show=show, link=link, findings=findings, problems=problems)
    return environment


def _address(request: Request) -> str:
    """The page's own address, for links to it; two slashes at its beginning would make a host's name of what follows."""
    return "/" + request.url.path.lstrip("/\\") + (f"?{request.url.query}" if request.url.query else "")


def link(*parts: object, **query: object) -> str:
    """An address on this site: parts are quoted, empty parameters left out. ``link("runs", id, after=3)`` -> ``/runs/…?after=3``."""
    path = "/" + "/".join(quote(str(part), safe="/:@") for part in parts)
    asked = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value not in (None, ""))
    return f"{path}?{asked}" if asked else path
