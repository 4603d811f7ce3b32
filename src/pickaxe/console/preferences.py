"""Static files, and the reader's language and theme: cookies, set by a form so that they work without a script."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from pickaxe.console.forms import fields_of
from pickaxe.console.site import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Site
from pickaxe.console.words import LANGUAGES
from pickaxe.kernel.errors import BadInput

_YEAR = 365 * 86_400
_ALLOWED = {"language": (LANGUAGE_COOKIE, tuple(LANGUAGES)), "theme": (THEME_COOKIE, (*THEMES, "auto"))}


def router(site: Site) -> APIRouter:
    routes, public, own = APIRouter(), site.router(None), site.router()

    @public.get("/static/{digest}/{name}")
    async def static(digest: str, name: str, request: Request) -> Response:
        return await run_in_threadpool(site.assets.answer, digest, name, request.headers.get("accept-encoding", ""))

    @own.post("/preferences")
    async def preferences(request: Request) -> Response:
        """Set ``language`` or ``theme`` and go back to where the reader was."""
        fields = await fields_of(request)
        answer = RedirectResponse(_path_here(fields.get("back", "/")), status_code=303)
        for name, (cookie, allowed) in _ALLOWED.items():
            value = fields.get(name)
            if value is None:
                continue
            if value not in allowed:
                raise BadInput(f"no such {name}", expected=f"one of {', '.join(allowed)}", got=value[:40])
            answer.set_cookie(cookie, value, max_age=_YEAR, samesite="lax", httponly=True)
        return answer

    routes.routes.extend([*public.routes, *own.routes])
    return routes


def _path_here(address: str) -> str:
    """`address` if it is a path of this site, else the first page: nobody is sent elsewhere from here."""
    parts = urlsplit(address)
    here = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return address if here and address.isprintable() else "/"
