"""People and keys of a tenant behind a server; the other side is `pickaxe.wire.native.routes_access`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pickaxe.kernel.access.audit import Asked, Entries
from pickaxe.kernel.access.keys import Key
from pickaxe.kernel.access.principals import Person
from pickaxe.kernel.access.scopes import Role
from pickaxe.kernel.nouns import Tenant
from pickaxe.wire.native.api import PAGE, Api
from pickaxe.wire.native.nouns import EventInfo


class RemoteMembers:
    """The same methods as `pickaxe.kernel.access.principals.Members`, over HTTP."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def people(self) -> list[Person]:
        return [_person(told) for told in self._api.pages("/v1/people", limit=PAGE)]

    def add_person(self, name: str, role: Role, *, password: str | None = None) -> Person:
        return _person(self._api.post("/v1/people", {"name": name, "role": role, "password": password}))

    def change_person(
        self, name: str, *, role: Role | None = None, password: str | None = None, disabled: bool | None = None
    ) -> Person:
        change = {"role": role, "password": password, "disabled": disabled}
        known = next((person.id for person in self.people() if person.name == name), name)
        return _person(self._api.patch(f"/v1/people/{known}", change))

    def keys(self) -> Sequence[Key]:
        return [_key(told) for told in self._api.pages("/v1/keys", limit=PAGE)]

    def create_key(
        self, name: str, scopes: Sequence[str], *, lasts: timedelta | None = None, person: str | None = None
    ) -> tuple[Key, str]:
        days = lasts / timedelta(days=1) if lasts else None
        made = self._api.post("/v1/keys", {"name": name, "scopes": list(scopes), "days": days, "person": person})
        return _key(made["key"]), made["secret"]

    def revoke_key(self, key_id: str) -> None:
        self._api.delete(f"/v1/keys/{key_id}")

    def changes(
        self, asked: Asked, *, who: str | None = None, after: int = 0, limit: int = 100, newest_first: bool = True
    ) -> Entries:
        page = self._api.get(
            "/v1/audit",
            who=who or asked.who,
            kind=asked.kind,
            routine=asked.routine,
            since=asked.since and asked.since.isoformat(),
            until=asked.until and asked.until.isoformat(),
            after=str(after) if after else None,
            limit=limit,
            newest_first=newest_first,
        )
        events = [EventInfo.model_validate(item).noun() for item in page["items"]]
        return Entries(events, None if page["next"] is None else int(page["next"]))

    def tenants(self) -> list[Tenant]:
        return [Tenant(told["id"], told["name"]) for told in self._api.pages("/v1/tenants", limit=PAGE)]

    def add_tenant(self, name: str, *, admin: str, password: str) -> Tenant:
        told = self._api.post("/v1/tenants", {"name": name, "admin": admin, "password": password})
        return Tenant(told["id"], told["name"])


def _person(told: Any) -> Person:
    times = {name: _time(told[name]) for name in ("created_at", "disabled_at")}
    return Person(**{**told, **times, "role": Role(told["role"])})


def _key(told: Any) -> Key:
    times = {name: _time(told[name]) for name in ("created_at", "expires_at", "revoked_at")}
    return Key(**{**told, **times, "scopes": tuple(told["scopes"])})


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
