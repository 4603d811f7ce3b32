"""Tenants and people: who may act, how they sign in, and the admin that every tenant keeps."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary, ref

import sqlalchemy as sa

from pickaxe.kernel.access.audit import Asked, Entries, page
from pickaxe.kernel.access.keys import Key, Keys, held
from pickaxe.kernel.access.passwords import hashed, matches
from pickaxe.kernel.access.scopes import Caller, Role
from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import keys, principals, tenants
from pickaxe.kernel.errors import BadInput, Conflict, NotFound
from pickaxe.kernel.events import Events
from pickaxe.kernel.nouns import Tenant
from pickaxe.kernel.system.clock import as_datetime

_TENANT_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may act for a tenant. `signs_in` with a ``password``, with ``openid`` elsewhere, or ``no``: by keys only."""

    id: str
    tenant_id: str
    name: str
    role: Role
    signs_in: Literal["password", "openid", "no"]
    created_at: datetime
    disabled_at: datetime | None = None


class Access:
    """The people and keys of a workspace, of all tenants. Every method that takes a `tenant_id` keeps to that tenant.

    Use `Access.of`: what one revokes, another must not remember.
    """

    _OF: ClassVar[WeakKeyDictionary[Catalog, Access]] = WeakKeyDictionary()

    @classmethod
    def of(cls, catalog: Catalog) -> Access:
        """The one of this catalog in this process."""
        return cls._OF.setdefault(catalog, cls(catalog))

    def __init__(self, catalog: Catalog) -> None:
        self._held = ref(catalog)
        self._asked = -1, True
        self.keys = Keys(catalog)

    @property
    def _catalog(self) -> Catalog:
        return held(self._held)

    # Tenants

    def tenants(self) -> list[Tenant]:
        with self._catalog.read() as connection:
            return [Tenant(row.id, row.name) for row in connection.execute(sa.select(tenants).order_by(tenants.c.name))]

    def tenant(self, name: str) -> Tenant:
        """Raises `NotFound`."""
        found = next((tenant for tenant in self.tenants() if tenant.name == name), None)
        if found is None:
            raise NotFound(f"no tenant {name!r:.80}", see="tenants")
        return found

    def add_tenant(self, name: str, *, admin: str, password: str) -> Tenant:
        """With the person who adds the others. Raises `BadInput` for what cannot be used, `Conflict` for a name that is taken."""
        if not _TENANT_NAME.fullmatch(name):
            raise BadInput(
                f"{name!r:.80} cannot name a tenant",
                expected="a-z, 0-9 and '-', 63 characters at most",
                reason="tenant_name",
                name=name[:80],
            )
        tenant = Tenant(f"tenant-{name}", name)
        values = self._checked(admin, Role.ADMIN, password, None) | {"tenant_id": tenant.id}
        with self._catalog.write() as connection:
            if connection.execute(sa.select(tenants.c.id).where(tenants.c.name == name)).first():
                raise Conflict(f"there is a tenant {name!r} already")
            connection.execute(tenants.insert().values(id=tenant.id, name=name))
            connection.execute(principals.insert().values(**values, **self._new_row()))
        self.keys.forget()
        return tenant

    # People

    def people(self, tenant_id: str) -> list[Person]:
        query = sa.select(principals).where(principals.c.tenant_id == tenant_id).order_by(principals.c.name)
        with self._catalog.read() as connection:
            return [_person(row) for row in connection.execute(query)]

    def person(self, tenant_id: str, name: str) -> Person:
        """By name or id; raises `NotFound`."""
        with self._catalog.read() as connection:
            return _person(self._row(connection, tenant_id, name))

    def add_person(
        self, tenant_id: str, name: str, role: Role, *, password: str | None = None, identity: str | None = None
    ) -> Person:
        """Somebody new, or a password for the account that opening the workspace made for whoever did so.

        The first to sign in to a tenant is its admin: from then on nobody acts without saying who they are. `identity` is who
        they are elsewhere (see `sign_in_elsewhere`). Raises `BadInput` and `Conflict`.
        """
        values = self._checked(name, role, password, identity)
        name = values["name"]
        with self._catalog.write() as connection:
            can_sign_in = password is not None or identity is not None
            if not (role is Role.ADMIN and can_sign_in) and not self._admins(connection, tenant_id):
                raise BadInput(
                    "the first person of a tenant is an admin who can sign in",
                    expected="the role 'admin' and a password",
                    got=f"the role {role.value!r}" + ("" if can_sign_in else " without a password"),
                    reason="first_is_admin",
                )
            tied = sa.select(principals.c.id).where(principals.c.identity == identity)
            if identity is not None and connection.execute(tied).first():
                raise Conflict("somebody else is tied to this identity")
            row = connection.execute(_named(tenant_id, name)).first()
            if row is None:
                connection.execute(principals.insert().values(**values, tenant_id=tenant_id, **self._new_row()))
            elif row.created_ns == 0 and row.secret is None and row.identity is None:
                connection.execute(
                    principals.update().where(principals.c.id == row.id).values(**values, created_ns=self._catalog.clock.now_ns())
                )
            else:
                raise Conflict(
                    f"there is a {name!r:.80} already",
                    remedy="choose another name, or change that person's role",
                    reason="person_taken",
                    name=name[:80],
                )
        self.keys.forget()
        return self.person(tenant_id, name)

    def _checked(self, name: str, role: Role, password: str | None, identity: str | None) -> dict[str, Any]:
        secret = hashed(password) if password is not None else None
        return {"name": _checked_person(name), "role": role.value, "secret": secret, "identity": identity}

    def _new_row(self) -> dict[str, Any]:
        return {"id": f"principal-{uuid.uuid4().hex[:24]}", "kind": "person", "created_ns": self._catalog.clock.now_ns()}

    def change_person(
        self, tenant_id: str, name: str, *, role: Role | None = None, password: str | None = None, disabled: bool | None = None
    ) -> Person:
        """All of it or nothing, in force at once. A new password ends the person's sessions; a disabled person's keys end too, and
        stay ended when the person is enabled again (`disabled` false).

        Raises `NotFound`, `BadInput` (see `passwords.hashed`), and `Conflict` when the tenant would be left without an admin.
        """
        now, values = self._catalog.clock.now_ns(), dict[str, Any]()
        if role is not None:
            values["role"] = role.value
        if password is not None:
            values["secret"] = hashed(password)
        if disabled is not None:
            values["disabled_ns"] = now if disabled else None
        ended = ("api", "session") if disabled else ("session",) if password is not None else ()
        with self._catalog.write() as connection:
            row = self._row(connection, tenant_id, name)
            if values:
                connection.execute(principals.update().where(principals.c.id == row.id).values(**values))
            theirs = (keys.c.principal_id == row.id) & keys.c.kind.in_(ended) & keys.c.revoked_ns.is_(None)
            connection.execute(keys.update().where(theirs).values(revoked_ns=now))
            if self._was_admin(row) and not self._admins(connection, tenant_id):
                raise Conflict(
                    f"{row.name} is the only admin who can sign in",
                    expected="another admin with a password, or one who signs in with an OpenID provider",
                    remedy=f"make somebody else admin first, then change {row.name}",
                    reason="last_admin",
                    name=row.name,
                )
        self.keys.forget()
        return self.person(tenant_id, row.id)

    # Signing in

    @property
    def open(self) -> bool:
        """Whether nobody was told to sign in: true until an admin who can sign in exists, in whatever tenant."""
        asked, answer = self._asked
        # In a shared catalog another process may add the admin; that there is one stays true, as the last admin stays.
        if answer and (self._catalog.shared or asked != self.keys.changes):
            now = self.keys.changes
            with self._catalog.read() as connection:
                answer = not self._admins(connection, None)
            self._asked = now, answer
        return answer

    def sign_in(self, tenant: str, name: str, password: str) -> tuple[Caller, str] | None:
        """Who it is and the secret of a new session, or None. An unknown name costs the same time as a wrong password."""
        row = None
        if name.isprintable() and tenant.isprintable():
            query = _named(f"tenant-{tenant}", unicodedata.normalize("NFC", name))
            with self._catalog.read() as connection:
                row = connection.execute(query.where(principals.c.disabled_ns.is_(None))).first()
        if not matches(password, row.secret if row else None) or row is None:
            return None
        return self.keys.begin_session(row)

    def knows(self, principal_id: str, password: str) -> bool:
        """Whether this is the person's password."""
        with self._catalog.read() as connection:
            secret = connection.execute(sa.select(principals.c.secret).where(principals.c.id == principal_id)).scalar()
        return matches(password, secret)

    def sign_in_elsewhere(self, identity: str) -> tuple[Caller, str] | None:
        """As `sign_in`, for somebody whom an OpenID provider vouches for; `identity` is issuer and subject."""
        query = sa.select(principals).where(principals.c.identity == identity, principals.c.disabled_ns.is_(None))
        with self._catalog.read() as connection:
            row = connection.execute(query).first()
        return self.keys.begin_session(row) if row else None

    def invited(self, tenant_id: str, name: str, identity: str) -> bool:
        """Tie `identity` to the person of that name who was added without a password; whether there was one."""
        waiting = (
            (principals.c.tenant_id == tenant_id)
            & (principals.c.name == name)
            & (principals.c.created_ns > 0)
            & principals.c.secret.is_(None)
            & principals.c.identity.is_(None)
            & principals.c.disabled_ns.is_(None)
        )
        with self._catalog.write() as connection:
            return connection.execute(principals.update().where(waiting).values(identity=identity)).rowcount == 1

    def _row(self, connection: sa.Connection, tenant_id: str, name: str) -> Any:
        theirs = sa.select(principals).where(principals.c.tenant_id == tenant_id)
        query = theirs.where((principals.c.name == unicodedata.normalize("NFC", name)) | (principals.c.id == name))
        row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"nobody here is called {name!r:.80}", see="people", reason="nobody_called", name=name[:80])
        return row

    def _admins(self, connection: sa.Connection, tenant_id: str | None) -> bool:
        """Whether somebody who can sign in is an admin."""
        can = principals.c.disabled_ns.is_(None) & (principals.c.secret.is_not(None) | principals.c.identity.is_not(None))
        query = sa.select(principals.c.id).where(principals.c.role == Role.ADMIN.value, can).limit(1)
        if tenant_id is not None:
            query = query.where(principals.c.tenant_id == tenant_id)
        return connection.execute(query).first() is not None

    def _was_admin(self, row: Any) -> bool:
        return row.role == Role.ADMIN.value and row.disabled_ns is None and (row.secret or row.identity) is not None


class Members:
    """The people and keys of one tenant: what `pickaxe user` and `pickaxe api-key` work on, here or behind a server."""

    def __init__(self, access: Access, tenant_id: str, principal_id: str) -> None:
        self._access = access
        self._tenant_id = tenant_id
        self._principal_id = principal_id

    def people(self) -> list[Person]:
        return self._access.people(self._tenant_id)

    def add_person(self, name: str, role: Role, *, password: str | None = None) -> Person:
        return self._access.add_person(self._tenant_id, name, role, password=password)

    def change_person(
        self, name: str, *, role: Role | None = None, password: str | None = None, disabled: bool | None = None
    ) -> Person:
        return self._access.change_person(self._tenant_id, name, role=role, password=password, disabled=disabled)

    def keys(self) -> Sequence[Key]:
        return self._access.keys.list(self._tenant_id)

    def create_key(
        self, name: str, scopes: Sequence[str], *, lasts: timedelta | None = None, person: str | None = None
    ) -> tuple[Key, str]:
        """The key and its secret, shown this once; whose it is: `person`, or whoever asks."""
        owner = self._access.person(self._tenant_id, person).id if person else self._principal_id
        return self._access.keys.create(self._tenant_id, owner, name, scopes, lasts=lasts)

    def revoke_key(self, key_id: str) -> None:
        self._access.keys.revoke(self._tenant_id, key_id)

    def changes(
        self, asked: Asked, *, who: str | None = None, after: int = 0, limit: int = 100, newest_first: bool = True
    ) -> Entries:
        """A page of the audit log; `who` is a name or id. Raises `NotFound` for nobody."""
        if who is not None:
            asked = replace(asked, who=self._access.person(self._tenant_id, who).id)
        log = Events(self._access._catalog, self._tenant_id)
        return page(log, asked, after=after, limit=limit, newest_first=newest_first)

    def tenants(self) -> list[Tenant]:
        return self._access.tenants()

    def add_tenant(self, name: str, *, admin: str, password: str) -> Tenant:
        return self._access.add_tenant(name, admin=admin, password=password)


def _person(row: Any) -> Person:
    signs_in = "password" if row.secret else "openid" if row.identity else "no"
    disabled_at = as_datetime(row.disabled_ns) if row.disabled_ns else None
    return Person(row.id, row.tenant_id, row.name, Role(row.role), signs_in, as_datetime(row.created_ns), disabled_at)


def _named(tenant_id: str, name: str) -> sa.Select[Any]:
    return sa.select(principals).where(principals.c.tenant_id == tenant_id, principals.c.name == name)


def _checked_person(name: str) -> str:
    name = unicodedata.normalize("NFC", name)
    if not name.isprintable() or name != name.strip() or not 1 <= len(name) <= 120 or name.startswith("principal-"):
        raise BadInput(
            f"{name!r:.80} cannot name a person",
            expected="1 to 120 printable characters, such as an e-mail address",
            reason="person_name",
            name=name[:80],
        )
    return name
