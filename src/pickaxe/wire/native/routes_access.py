"""Who may act: people, keys, tenants, and the log of what they changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pickaxe.kernel.access import audit
from pickaxe.kernel.access.keys import Key
from pickaxe.kernel.access.passwords import LONGEST, SHORTEST
from pickaxe.kernel.access.principals import Access, Person
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller, Role, Scope
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.paging import keyed
from pickaxe.serve.access import caller_of, operator_of, place_of
from pickaxe.serve.auditing import note
from pickaxe.serve.errors import Forbidden
from pickaxe.serve.http import RequestBody, reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import After, Door, Instant, Limit, declared, page_reply
from pickaxe.wire.native.live import sequence
from pickaxe.wire.native.nouns import EventInfo, Page, event_json

RoleName = Literal["viewer", "labeller", "editor", "admin"]
ChangeKind = Literal["people", "signing", "labelling", "lines", "things", "commands"]
NewSecret = Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST)]
Named = Annotated[str, Path(max_length=200, description="name or id")]


class CallerInfo(BaseModel):
    """Who asks, and what they may do."""

    tenant_id: str
    principal_id: str
    name: str
    role: RoleName
    scopes: list[Scope]
    kind: Literal["person", "key", "local"]


class PersonInfo(BaseModel):
    id: str
    tenant_id: str
    name: str
    role: RoleName
    signs_in: Literal["password", "openid", "no"]
    created_at: datetime
    disabled_at: datetime | None = None


class KeyInfo(BaseModel):
    """What is known of a key; its secret is not."""

    id: str
    tenant_id: str
    principal_id: str
    name: str
    kind: Literal["api"]
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class MadeKey(BaseModel):
    key: KeyInfo
    secret: str = Field(description="shown this once: Authorization: Bearer SECRET")


class TenantInfo(BaseModel):
    id: str
    name: str


class NewPerson(RequestBody):
    name: str = Field(min_length=1, max_length=120)
    role: RoleName
    password: NewSecret | None = Field(default=None, description="null: signs in with an OpenID provider, or uses keys only")


class PersonChange(RequestBody):
    """One change, or several."""

    role: RoleName | None = None
    password: NewSecret | None = None
    disabled: bool | None = Field(
        default=None, description="true: keys and sessions end at once; false: may sign in again, the keys stay ended"
    )


class NewPassword(RequestBody):
    old: str = Field(max_length=256)
    new: NewSecret


class NewKey(RequestBody):
    name: str = Field(min_length=1, max_length=100)
    scopes: list[Scope] = Field(min_length=1, max_length=5)
    days: float | None = Field(default=None, gt=0, le=3650, description="until it expires; null: never")
    person: str | None = Field(default=None, max_length=200, description="whose it is; null: yours")


class NewTenant(RequestBody):
    name: str = Field(min_length=1, max_length=63)
    admin: str = Field(min_length=1, max_length=120, description="name of its first admin")
    password: NewSecret


_ME = {
    "tenant_id": "tenant-local",
    "principal_id": "principal-1a2b3c",
    "name": "ada",
    "role": "editor",
    "scopes": ["label", "predict", "read", "write"],
    "kind": "person",
}
_CHANGE = {
    "seq": 4711,
    "at": examples.AT,
    "kind": audit.KIND,
    "subject": "principal-1a2b3c",
    "name": "PATCH /v1/people/{name}",
    "value": 200.0,
    "step": None,
    "body": {
        "principal_id": "principal-9f8e7d",
        "who": "grace",
        "as": "person",
        "through": "console",
        "origin": "127.0.0.1",
        "changed": ["role"],
        "role": "editor",
    },
}
_PERSON = {
    "id": "principal-1a2b3c",
    "tenant_id": "tenant-local",
    "name": "ada",
    "role": "editor",
    "signs_in": "password",
    "created_at": examples.AT,
    "disabled_at": None,
}
_KEY = {
    "id": "key-0011223344556677",
    "tenant_id": "tenant-local",
    "principal_id": "principal-1a2b3c",
    "name": "nightly job",
    "kind": "api",
    "scopes": ["predict", "read"],
    "created_at": examples.AT,
    "expires_at": None,
    "revoked_at": None,
}
_TENANT = {"id": "tenant-acme", "name": "acme"}
_NEW_PERSON = {"name": "ada", "role": "editor", "password": "a long password"}
_NEW_KEY = {"name": "nightly job", "scopes": ["read", "predict"], "days": 90}


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["access"])
    access = Access.of(door.workspace.catalog)

    @routes.get("/me", summary="Who asks", **declared("read", CallerInfo, _ME))
    def me(request: Request) -> Response:
        caller = caller_of(request)
        names = ("tenant_id", "principal_id", "name", "role", "kind")
        return reply(request, {name: getattr(caller, name) for name in names} | {"scopes": sorted(caller.scopes)})

    secrets = {"old": "the old password, in words", "new": "another one, in more words"}

    @routes.post(
        "/me/password",
        summary="Change your password",
        **declared("read", PersonInfo, _PERSON, form=NewPassword, body_example=secrets),
    )
    def change_password(request: Request, given: NewPassword = door.body(NewPassword)) -> Response:
        """Your sessions end, this one too. 429 after five wrong ones in a quarter of an hour, as at the sign-in."""
        caller = caller_of(request)
        if caller.kind != "person":
            raise Forbidden("a password is changed by the person it belongs to", expected="a signed-in session")
        note(request, caller.principal_id, change="password")
        person, place = f"{caller.tenant_id}/{caller.principal_id}", place_of(request.scope)
        door.attempts.begin(person, place)
        if not access.knows(caller.principal_id, given.old):
            raise Forbidden("the old password is another one")
        door.attempts.succeeded(person, place)
        return reply(request, _person(access.change_person(caller.tenant_id, caller.principal_id, password=given.new)))

    @routes.get("/people", summary="People of the tenant", **declared("admin", Page[PersonInfo], examples.page(_PERSON)))
    def people(request: Request, after: After = None, limit: Limit = 100) -> Response:
        found, following = keyed(access.people(caller_of(request).tenant_id), lambda person: person.name, after, limit)
        return page_reply(request, [_person(person) for person in found], following)

    @routes.post(
        "/people",
        summary="Add somebody",
        **declared("admin", PersonInfo, _PERSON, status=201, form=NewPerson, body_example=_NEW_PERSON),
    )
    def add_person(request: Request, given: NewPerson = door.body(NewPerson)) -> Response:
        """The first one is an admin with a password: from then on everybody has to sign in."""
        tenant_id = caller_of(request).tenant_id
        person = access.add_person(tenant_id, given.name, Role(given.role), password=given.password)
        note(request, person.id, person=person.name, role=given.role)
        return reply(request, _person(person), status=201)

    @routes.patch(
        "/people/{name}",
        summary="Change somebody's role, set a password, disable them or let them in again",
        **declared("admin", PersonInfo, _PERSON, form=PersonChange, body_example={"role": "viewer"}),
    )
    def change_person(name: Named, request: Request, given: PersonChange = door.body(PersonChange)) -> Response:
        tenant_id = caller_of(request).tenant_id
        person = access.person(tenant_id, name)
        changed = sorted(given.model_dump(exclude_none=True))
        note(request, person.id, person=person.name, changed=changed, role=given.role, disabled=given.disabled)
        if not changed:
            raise BadInput("nothing to change", expected="role, password or disabled")
        role = Role(given.role) if given.role else None
        person = access.change_person(tenant_id, person.id, role=role, password=given.password, disabled=given.disabled)
        return reply(request, _person(person))

    @routes.get("/keys", summary="Your keys, or for an admin everybody's", **declared("read", Page[KeyInfo], examples.page(_KEY)))
    def keys(request: Request, after: After = None, limit: Limit = 100) -> Response:
        """The newest first."""
        caller = caller_of(request)
        everything = access.keys.list(caller.tenant_id, principal_id=_whose(caller))
        found, following = keyed(
            everything, lambda key: f"{key.created_at:%Y%m%dT%H%M%S.%f} {key.id}", after, limit, last_first=True
        )
        return page_reply(request, [_key(key) for key in found], following)

    @routes.post(
        "/keys",
        summary="Make a key",
        **declared("read", MadeKey, {"key": _KEY, "secret": "pickaxe_…"}, status=201, form=NewKey, body_example=_NEW_KEY),
    )
    def make_key(request: Request, given: NewKey = door.body(NewKey)) -> Response:
        """It may do what you may do, at most. A key makes other keys only with the scope admin, or a lost one would never die."""
        caller = caller_of(request)
        owner = caller.principal_id if given.person is None else access.person(caller.tenant_id, given.person).id
        if not caller.may("admin") and (owner != caller.principal_id or caller.kind == "key"):
            raise Forbidden("this key would not be yours to make", expected="a session of the owner, or the scope 'admin'")
        if beyond := set(given.scopes) - caller.scopes:
            raise Forbidden(f"you may not give away {', '.join(sorted(beyond))}", got=", ".join(sorted(caller.scopes)))
        lasts = timedelta(days=given.days) if given.days is not None else None
        key, secret = access.keys.create(caller.tenant_id, owner, given.name, given.scopes, lasts=lasts)
        note(request, key.id, key=key.name, scopes=list(key.scopes), owner=owner)
        return reply(request, {"key": _key(key), "secret": secret}, status=201)

    @routes.delete("/keys/{id}", summary="Revoke a key, at once", **declared("read", KeyInfo, _KEY))
    def revoke(id: Named, request: Request) -> Response:
        """Your own, or for an admin anybody's. A key revokes itself only, unless it has the scope admin."""
        caller = caller_of(request)
        note(request, id)
        if caller.kind == "key" and not caller.may("admin") and id != caller.key_id:
            raise Forbidden("a key revokes itself only", expected="a session of the owner, or the scope 'admin'")
        whose = _whose(caller)
        access.keys.revoke(caller.tenant_id, id, principal_id=whose)
        found = next(key for key in access.keys.list(caller.tenant_id, principal_id=whose) if key.id == id)
        return reply(request, _key(found))

    @routes.get("/tenants", summary="Tenants", **declared("admin", Page[TenantInfo], examples.page(_TENANT)))
    def tenants(request: Request, after: After = None, limit: Limit = 100) -> Response:
        """All of them for an admin of the tenant `local`, who runs the server; for others their own."""
        caller = caller_of(request)
        theirs = [item for item in access.tenants() if caller.tenant_id in (LOCAL_TENANT, item.id)]
        found, following = keyed(theirs, lambda item: item.name, after, limit)
        return page_reply(request, [{"id": item.id, "name": item.name} for item in found], following)

    @routes.post(
        "/tenants",
        summary="Add a tenant with its first admin",
        **declared(
            "admin",
            TenantInfo,
            _TENANT,
            status=201,
            form=NewTenant,
            body_example={"name": "acme", "admin": "ada", "password": "a long password"},
        ),
    )
    def add_tenant(request: Request, given: NewTenant = door.body(NewTenant)) -> Response:
        operator_of(request)
        tenant = access.add_tenant(given.name, admin=given.admin, password=given.password)
        note(request, tenant.id, admin=given.admin)
        return reply(request, {"id": tenant.id, "name": tenant.name}, status=201)

    @routes.get("/audit", summary="Who changed what", **declared("admin", Page[EventInfo], examples.page(_CHANGE)))
    def audit_log(
        request: Request,
        who: Annotated[str | None, Query(max_length=200, description="only by this person: name or id")] = None,
        kind: Annotated[ChangeKind | None, Query(description="only of this kind")] = None,
        since: Annotated[Instant | None, Query(description="from this instant on")] = None,
        until: Annotated[Instant | None, Query(description="before this instant")] = None,
        routine: Annotated[bool, Query(description="with what happens all the time: items taken, questions in SQL")] = True,
        after: After = None,
        limit: Limit = 100,
        newest_first: bool = True,
    ) -> Response:
        """A page may be short, even empty, while `next` is not null: for somebody who did little, the log is read part by part."""
        asked = audit.Asked(kind=kind or "", routine=routine, since=since, until=until)
        page = door.seen(request).members.changes(asked, who=who, after=sequence(after), limit=limit, newest_first=newest_first)
        return page_reply(
            request, [event_json(event) for event in page.events], None if page.following is None else str(page.following)
        )

    return routes


def _whose(caller: Caller) -> str | None:
    return None if caller.may("admin") else caller.principal_id


def _person(person: Person) -> dict[str, Any]:
    return {name: getattr(person, name) for name in PersonInfo.model_fields}


def _key(key: Key) -> dict[str, Any]:
    return {name: getattr(key, name) for name in KeyInfo.model_fields}
