"""Who may do what: roles, scopes, and the caller that every request is answered for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

from pickaxe.kernel.errors import BadInput

Scope = Literal["read", "label", "predict", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


class Role(StrEnum):
    """What a person is in a tenant. A key has the scopes it was given, and never more than the role of its owner."""

    VIEWER = "viewer"
    LABELLER = "labeller"
    EDITOR = "editor"
    ADMIN = "admin"

    @property
    def scopes(self) -> frozenset[Scope]:
        return _SCOPES[self]


_SCOPES: dict[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({"read"}),
    Role.LABELLER: frozenset({"read", "label"}),
    Role.EDITOR: frozenset({"read", "label", "predict", "write"}),
    Role.ADMIN: frozenset(SCOPES),
}

LOCAL_TENANT = "tenant-local"
"""The tenant of a workspace that nobody signs in to; the first one of any workspace."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody acting for a tenant.

    Attributes:
        kind: ``person`` (signed in), ``key`` (an API key) or ``local`` (a loopback server without sign-in).
        key_id: the key or session shown.
    """

    tenant_id: str
    principal_id: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    kind: Literal["person", "key", "local"]
    key_id: str | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes


def checked_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """The named scopes; raises `BadInput` for one that does not exist."""
    wanted = list(names)
    unknown = [name for name in wanted if name not in SCOPES]
    if unknown:
        raise BadInput(f"unknown scope {unknown[0]!r:.40}", expected=f"some of {', '.join(SCOPES)}")
    return frozenset(scope for scope in SCOPES if scope in wanted)
