"""Static files, and the reader's language and theme: cookies, set by a form so that they work without a script."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from pickaxe.console.site import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Site
from pickaxe.console.words import LANGUAGES
from pickaxe.kernel.errors import BadInput

_YEAR = 365 * 86_400
_LARGEST_FORM = 4_000
_ALLOWED = {"language": (LANGUAGE_COOKIE, tuple(LANGUAGES)), "theme": (THEME_COOKIE, (*THEMES, "auto"))}


def router(site: Site) -> APIRouter:
    routes, public, own = APIRouter(), site.router(None), site.router()

    @public.get("/static/{digest}/{name}")
    async def static(digest: str, name: str, request: Request) -> Response:
        return await run_in_threadpool(site.assets.answer, digest, name, request.headers.get("accept-encoding", ""))

    @own.post("/preferences")
    async def preferences(request: Request) -> Response:
        """Set ``language`` or ``theme`` and go back to where the reader was."""
        fields = await _form(request)
        answer = RedirectResponse(_path_here(fields.get("back", "/")), status_code=303)
        for name, (cookie, allowed) in _ALLOWED.items():
            value = fields.get(name)
            if value is None:
                continue
            if value not in allowed:
                raise BadInput(f"no such {name}", expected=f"one of {', '.join(allowed)}", got=value[:40])
            answer.set_cookie(cookie, value, max_age=_YEAR, samesite="lax", httponly=True)
        return answer

    routes.include_router(public)
    routes.include_router(own)
    return routes


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM:
            raise BadInput("the form is too large", expected=f"at most {_LARGEST_FORM} bytes")
    try:
        parsed = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError as error:
        raise BadInput("the form has too many fields", expected="at most 10", got=str(error)[:100]) from None
    return {name: values[0] for name, values in parsed.items()}


def _path_here(address: str) -> str:
    """`address` if it is a path of this site, else the first page: nobody is sent elsewhere from here."""
    parts = urlsplit(address)
    here = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return address if here and address.isprintable() else "/"
