"""Signing in and out: by password here, or by an OpenID provider (see `pickaxe.server.openid`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from pickaxe.console.site import LANGUAGE_COOKIE
from pickaxe.console.words import chosen
from pickaxe.kernel.access import audit
from pickaxe.kernel.access.keys import SESSION
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import Caller
from pickaxe.kernel.errors import BadInput, PickaxeError
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import CALLER, needs, place_of
from pickaxe.serve.attempts import Attempts, TooMany
from pickaxe.serve.errors import UnsupportedMedia
from pickaxe.serve.http import read_body, trace_of
from pickaxe.server.authenticate import Cookies, same_site
from pickaxe.server.sign_in_page import Problem, page

if TYPE_CHECKING:
    from pickaxe.server.openid import OpenId

_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_AT_ONCE, _MOST_WAITING = 2, 40
"""Passwords are slow on purpose: a core each."""
_LARGEST_FORM, _FORM_SECONDS = 8192, 10.0


@dataclass(frozen=True)
class _Form:
    tenant: str
    name: str
    password: str
    next_path: str


def router(workspace: Workspace, cookies: Cookies, attempts: Attempts, openid: OpenId | None = None) -> APIRouter:
    """The routes ``/sign-in`` and ``/sign-out``."""
    routes = APIRouter(include_in_schema=False)
    access = Access.of(workspace.catalog)
    room = CapacityLimiter(_AT_ONCE)  # threads of their own: strangers who sign in hold up nobody who is in

    @routes.get("/sign-in", dependencies=[needs(None)])
    def form(request: Request) -> Response:
        if access.open:
            return RedirectResponse("/", status_code=303)
        asked = request.query_params
        tenant = asked.get("tenant", "local")[:63]
        return page(_language(request), next_path=local_path(asked.get("next")), tenant=tenant, openid=openid is not None)

    @routes.post("/sign-in", dependencies=[needs(None)])
    async def sign_in(request: Request) -> Response:
        same_site(request.headers)
        given = await _read_form(request)
        if room.statistics().tasks_waiting >= _MOST_WAITING:
            raise TooMany("too many people are signing in", remedy="try again in a moment", retry_after=5)
        return await to_thread.run_sync(_sign_in, request, given, limiter=room)

    def _sign_in(request: Request, given: _Form) -> Response:
        place, person = place_of(request.scope), f"{given.tenant}/{given.name}"
        try:
            attempts.begin(person, place)
            signed_in = access.sign_in(given.tenant, given.name, given.password)
        except TooMany as error:
            wait = int(error.details["retry_after"])
            response = _again(request, given, "too_many", error.status, minutes=-(-wait // 60))
            response.headers["retry-after"] = str(wait)
            return response
        if signed_in is None:
            _write_down(workspace, access, given, place, trace_of(request).trace_id)
            return _again(request, given, "wrong", 401)
        attempts.succeeded(person, place)
        return welcome(request, workspace, cookies, *signed_in, given.next_path)

    def _again(request: Request, given: _Form, problem: Problem, status: int, **values: object) -> Response:
        return page(
            _language(request),
            next_path=given.next_path,
            tenant=given.tenant,
            name=given.name,
            problem=problem,
            values=values,
            openid=openid is not None,
            status=status,
        )

    @routes.post("/sign-out", dependencies=[needs(None)])
    def sign_out(request: Request) -> Response:
        caller: Caller | None = request.scope.get(CALLER)
        if caller is not None and caller.kind == "person" and caller.key_id:
            access.keys.revoke(caller.tenant_id, caller.key_id)
        response = RedirectResponse("/sign-in", status_code=303)
        cookies.take_back(response)
        return response

    if openid is not None:
        routes.routes.extend(openid.router(workspace, cookies).routes)
    return routes


def welcome(request: Request, workspace: Workspace, cookies: Cookies, caller: Caller, token: str, next_path: str) -> Response:
    """The answer to somebody who got in: a session of its own, whatever cookie the browser came with."""
    before: Caller | None = request.scope.get(CALLER)
    if before is not None and before.kind == "person" and before.key_id:
        Access.of(workspace.catalog).keys.revoke(before.tenant_id, before.key_id)
    log = workspace.for_caller(caller).log
    audit.record(log, caller, "sign-in", caller.principal_id, 303, through="sign-in", origin=place_of(request.scope))
    response = RedirectResponse(next_path, status_code=303)
    cookies.give(response, token, int(SESSION.total_seconds()))
    return response


def refused(request: Request, error: PickaxeError) -> Response:
    """The form again, for somebody whom the provider could not bring in."""
    detail = f"{error.message}. {error.remedy or ''}".strip()
    return page(
        _language(request), next_path="/", tenant="local", problem="elsewhere", detail=detail, openid=True, status=error.status
    )


def local_path(asked: str | None) -> str:
    """Where to go on after signing in: a path of this server, whatever was asked for."""
    return asked if asked and len(asked) <= 2000 and _PATH.fullmatch(asked) else "/"


async def _read_form(request: Request) -> _Form:
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/x-www-form-urlencoded":
        raise UnsupportedMedia("this takes a form", expected="application/x-www-form-urlencoded", got=declared[:100] or "none")
    body = await read_body(request, most=_LARGEST_FORM, seconds=_FORM_SECONDS, what="form")
    try:
        given = {name: values[0] for name, values in parse_qs(body.decode("utf-8"), max_num_fields=10, errors="strict").items()}
    except ValueError:
        raise BadInput("the form cannot be read", expected="name, password and tenant, in UTF-8") from None
    if not given.get("name") or not given.get("password"):
        raise BadInput("the form is not complete", expected="name and password")
    return _Form(given.get("tenant", "local")[:63], given["name"][:120], given["password"][:1000], local_path(given.get("next")))


def _write_down(workspace: Workspace, access: Access, given: _Form, place: str, trace_id: str) -> None:
    """A failed sign-in, in the log of the tenant it was tried on. A name that nobody has may be a password typed in its place."""
    try:
        tenant = access.tenant(given.tenant)
        known = [person.id for person in access.people(tenant.id) if person.name == given.name]
    except PickaxeError:
        return
    log = workspace.for_tenant(tenant.id, "").log
    subject = known[0] if known else "nobody"
    audit.record(log, None, "sign-in refused", subject, 401, through="sign-in", origin=place, trace_id=trace_id)


def _language(request: Request) -> str:
    return chosen(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language"))
