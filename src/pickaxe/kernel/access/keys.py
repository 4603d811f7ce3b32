"""Keys and sessions: secrets that say who calls.

A secret leaves once, when it is made; the catalog keeps its SHA-256. It has 256 random bits, so a fast hash is enough (a slow
one protects what people choose). ``pickaxe_<id>_<secret>``: the id is public and finds the row, the hash decides.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from weakref import ref

import sqlalchemy as sa

from pickaxe.kernel.access.scopes import Caller, Role, Scope, checked_scopes
from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import keys, principals
from pickaxe.kernel.errors import BadInput, Conflict, NotFound
from pickaxe.kernel.system.clock import SECOND, as_datetime

SESSION = timedelta(hours=12)
MOST_KEYS = 100
"""Of one person, revoked and expired ones left out."""
_TOKEN = re.compile(r"pickaxe_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of an API key or a session; never the secret."""

    id: str
    tenant_id: str
    principal_id: str
    name: str
    kind: Literal["api", "session"]
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


class Keys:
    """The keys and sessions of a workspace, of all tenants."""

    def __init__(self, catalog: Catalog) -> None:
        self._held = ref(catalog)
        self._lock = threading.Lock()
        self.changes = 0
        """Grows with every change to people and keys that this process makes."""
        self._known: OrderedDict[str, tuple[Caller, int | None]] = OrderedDict()

    def create(
        self, tenant_id: str, principal_id: str, name: str, scopes: Iterable[str], *, lasts: timedelta | None = None
    ) -> tuple[Key, str]:
        """An API key and its secret, which nobody can read again. Raises `BadInput` for scopes beyond the owner's role, `Conflict` for one key too many."""
        wanted = checked_scopes(scopes)
        if not name.strip() or len(name) > 100 or not name.isprintable():
            raise BadInput("a key needs a name", expected="1 to 100 printable characters, to know it by later", reason="key_name")
        if not wanted:
            raise BadInput(
                "a key needs scopes", expected="one or more of read, label, predict, write, admin", reason="key_scopes"
            )
        if lasts is not None and not timedelta(seconds=1) <= lasts <= timedelta(days=3660):
            raise BadInput("a key cannot last that long", expected="a second to ten years", got=str(lasts), reason="key_lasts")
        with self._catalog.read() as connection:
            theirs = sa.select(principals).where(principals.c.tenant_id == tenant_id, principals.c.id == principal_id)
            row = connection.execute(theirs).first()
        if row is None:
            raise NotFound(f"nobody here has the id {principal_id!r:.80}")
        beyond = wanted - Role(row.role).scopes
        if beyond:
            raise BadInput(
                f"{row.name} may not give away {', '.join(sorted(beyond))}",
                expected=f"some of {', '.join(sorted(Role(row.role).scopes))}, which the role {row.role} has",
                reason="key_beyond",
                name=row.name,
                beyond=", ".join(sorted(beyond)),
                scopes=", ".join(sorted(Role(row.role).scopes)),
                role=row.role,
            )
        if row.disabled_ns is not None:
            raise Conflict(f"{row.name} is disabled", reason="person_disabled", name=row.name)
        self._refuse_many(row)
        return self._make(row, "api", name, wanted, lasts)

    def _refuse_many(self, owner: Any) -> None:
        alive = keys.c.revoked_ns.is_(None) & (keys.c.expires_ns.is_(None) | (keys.c.expires_ns > self._catalog.clock.now_ns()))
        theirs = (keys.c.principal_id == owner.id) & (keys.c.kind == "api") & alive
        with self._catalog.read() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(keys).where(theirs)).scalar_one()
        if count >= MOST_KEYS:
            raise Conflict(
                f"{owner.name} has {count} keys already", expected=f"fewer than {MOST_KEYS}", remedy="revoke what nobody uses"
            )

    def begin_session(self, row: Any) -> tuple[Caller, str]:
        """Who signed in (a row of `principals`), and the secret of a new session."""
        key, token = self._make(row, "session", "session", Role(row.role).scopes, SESSION)
        return _caller(row, key.id, "session", key.scopes), token

    def list(self, tenant_id: str, *, principal_id: str | None = None) -> Sequence[Key]:
        """API keys, newest first, revoked ones too."""
        query = sa.select(keys).where(keys.c.tenant_id == tenant_id, keys.c.kind == "api").order_by(keys.c.created_ns.desc())
        if principal_id is not None:
            query = query.where(keys.c.principal_id == principal_id)
        with self._catalog.read() as connection:
            return [_key(row) for row in connection.execute(query)]

    def revoke(self, tenant_id: str, key_id: str, *, principal_id: str | None = None) -> None:
        """From now on the key (or session) opens nothing. Raises `NotFound`."""
        here = (keys.c.id == key_id) & (keys.c.tenant_id == tenant_id)
        if principal_id is not None:
            here &= keys.c.principal_id == principal_id
        with self._catalog.write() as connection:
            now = sa.func.coalesce(keys.c.revoked_ns, self._catalog.clock.now_ns())
            if connection.execute(keys.update().where(here).values(revoked_ns=now)).rowcount == 0:
                raise NotFound(f"no key {key_id!r:.80}", see="keys")
        self.forget()

    def caller(self, token: str, *, kind: Literal["api", "session"]) -> Caller | None:
        """Who shows this secret; None when it is unknown, revoked, expired, of another kind, or its owner is disabled."""
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            return None
        digest = _digest(token)
        if (known := self._known.get(digest)) is None:
            before = self.changes
            known = self._look_up(f"key-{parts[1]}", digest, kind)
            if known is None:
                return None
            self._remember(digest, known, before)
        caller, expires_ns = known
        if expires_ns is not None and self._catalog.clock.now_ns() >= expires_ns:
            return None
        return caller if (caller.kind == "person") == (kind == "session") else None

    def remembers(self, token: str) -> bool:
        """Whether `caller` answers without asking the database."""
        return _digest(token) in self._known

    def _look_up(self, key_id: str, digest: str, kind: str) -> tuple[Caller, int | None] | None:
        query = (
            sa.select(principals, *(keys.c[name].label(f"key_{name}") for name in ("hash", "scopes", "expires_ns", "revoked_ns")))
            .join(keys, keys.c.principal_id == principals.c.id)
            .where(keys.c.id == key_id, keys.c.kind == kind)
        )
        with self._catalog.read() as connection:
            row = connection.execute(query).first()
        if row is None or not hmac.compare_digest(row.key_hash, digest):
            return None
        if row.key_revoked_ns is not None or row.disabled_ns is not None:
            return None
        return _caller(row, key_id, kind, row.key_scopes), row.key_expires_ns

    def _remember(self, digest: str, known: tuple[Caller, int | None], before: int) -> None:
        # In a shared catalog another process may revoke it, so only the one writer of a file remembers; and nobody remembers
        # what was read before a change that is in force by now.
        with self._lock:
            if not self._catalog.shared and before == self.changes:
                self._known[digest] = known
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)

    def _make(
        self, owner: Any, kind: Literal["api", "session"], name: str, scopes: Iterable[Scope], lasts: timedelta | None
    ) -> tuple[Key, str]:
        public, now = secrets.token_hex(8), self._catalog.clock.now_ns()
        token = f"pickaxe_{public}_{secrets.token_urlsafe(32)}"
        values = {
            "id": f"key-{public}",
            "tenant_id": owner.tenant_id,
            "principal_id": owner.id,
            "name": name,
            "kind": kind,
            "scopes": sorted(scopes),
            "created_ns": now,
            "expires_ns": now + int(lasts.total_seconds() * SECOND) if lasts else None,
        }
        with self._catalog.write() as connection:
            connection.execute(keys.insert().values(**values, hash=_digest(token)))
            row = connection.execute(sa.select(keys).where(keys.c.id == values["id"])).one()
        return _key(row), token

    def forget(self) -> None:
        """Something changed: whoever comes next is looked up again."""
        with self._lock:
            self.changes += 1
            self._known.clear()

    @property
    def _catalog(self) -> Catalog:
        return held(self._held)


def held(reference: ref[Catalog]) -> Catalog:
    """The catalog, which is not kept alive by those who remember its keys."""
    catalog = reference()
    if catalog is None:
        raise RuntimeError("the workspace is gone")
    return catalog


def _caller(row: Any, key_id: str, kind: str, scopes: Sequence[Scope]) -> Caller:
    role = Role(row.role)
    allowed = role.scopes if kind == "session" else role.scopes & frozenset(scopes)
    return Caller(row.tenant_id, row.id, row.name, role, allowed, "person" if kind == "session" else "key", key_id)


def _key(row: Any) -> Key:
    return Key(
        row.id,
        row.tenant_id,
        row.principal_id,
        row.name,
        row.kind,
        tuple(row.scopes),
        as_datetime(row.created_ns),
        as_datetime(row.expires_ns) if row.expires_ns else None,
        as_datetime(row.revoked_ns) if row.revoked_ns else None,
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
