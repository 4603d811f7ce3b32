"""Artifacts: names, versions and aliases over content that is somewhere else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import aliases, artifacts
from pickaxe.kernel.errors import BadInput, NotFound
from pickaxe.kernel.nearest import did_you_mean, nearest
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.paging import MANY, batched, cursor_of, distinct, newest_first
from pickaxe.kernel.system.clock import as_datetime
from pickaxe.kernel.system.retry import retried

_NO_VERSION = 2**31 - 1
"""More versions than any name has: stands for numbers that a database cannot hold."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*)*")


def checked_name(name: str) -> str:
    """`name` if it may name an artifact or a run; raises `BadInput`."""
    if not _NAME.fullmatch(name) or len(name) > 200 or ".." in name:
        raise BadInput(
            f"{name!r:.80} is not a usable name",
            expected="parts of a-z, 0-9, '_', '.', '-' joined by '/', 200 characters at most",
            remedy="choose another name, for example headlines/rows",
            reason="name_unusable",
            name=name[:80],
        )
    return name


def checked_kind(kind: str) -> str:
    """`kind`, when it is one; raises `BadInput`."""
    if not kind.isprintable():
        raise BadInput(f"{kind!r:.100} is no kind", expected="printable characters")
    return kind


def artifact_id(maker: str, output: str) -> str:
    """An artifact's id follows from what made it, so the same line run elsewhere gives the same ids (and row contents)."""
    return "art-" + hashlib.sha256(f"{maker}\n{output}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Stored:
    """Content that is safely in a store and waits for its catalog row: the snapshot first, the pin second."""

    kind: str
    digest: str
    stored: str
    pin: dict[str, Any]
    size: int
    meta: dict[str, Any] = field(default_factory=dict[str, Any])


class Artifacts:
    """Reads and writes artifact rows of one tenant."""

    def __init__(self, catalog: Catalog, tenant_id: str) -> None:
        self._catalog = catalog
        self._tenant_id = tenant_id

    def add(self, connection: sa.Connection, name: str, stored: Stored, *, id: str, run_id: str | None, at_ns: int) -> None:
        """Insert the next version of `name` inside the caller's transaction."""
        newest = sa.select(sa.func.coalesce(sa.func.max(artifacts.c.version), 0)).where(
            artifacts.c.tenant_id == self._tenant_id, artifacts.c.name == checked_name(name)
        )
        connection.execute(
            artifacts.insert().values(
                id=id,
                tenant_id=self._tenant_id,
                name=name,
                version=connection.execute(newest).scalar_one() + 1,
                run_id=run_id,
                created_ns=at_ns,
                **asdict(stored),
            )
        )

    @retried
    def get(self, reference: str) -> Artifact:
        """By id, ``name`` (newest version), ``name:3`` or ``name@alias``; raises `NotFound` with the nearest names."""
        with self._catalog.read() as connection:
            row = connection.execute(self._select(reference)).first()
            if row is None:
                raise self._not_found(connection, reference)
            return _artifacts(connection, [row])[0]

    @retried
    def find(self, *, id: str | None = None, digest: str | None = None, name: str | None = None) -> Artifact | None:
        """The newest artifact that matches every given property."""
        wanted = [artifacts.c.tenant_id == self._tenant_id]
        for column, value in ((artifacts.c.id, id), (artifacts.c.digest, digest), (artifacts.c.name, name)):
            if value is not None:
                wanted.append(column == value)
        query = sa.select(artifacts).where(*wanted).order_by(artifacts.c.created_ns.desc()).limit(1)
        with self._catalog.read() as connection:
            row = connection.execute(query).first()
            return _artifacts(connection, [row])[0] if row else None

    @retried
    def list(self, *, kind: str | None = None, prefix: str = "") -> list[Artifact]:
        """Every version, oldest first."""
        query = self._matching(kind, prefix).order_by(artifacts.c.created_ns, artifacts.c.id)
        with self._catalog.read() as connection:
            return _artifacts(connection, connection.execute(query).all())

    @retried
    def page(
        self,
        *,
        kind: str | None = None,
        prefix: str = "",
        name: str | None = None,
        run_id: str | None = None,
        digest: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[list[Artifact], str | None]:
        """Versions that match everything given, newest first, and the cursor (`after`) that goes on; None at the end."""
        query = self._matching(kind, prefix)
        for column, wanted in ((artifacts.c.name, name), (artifacts.c.run_id, run_id), (artifacts.c.digest, digest)):
            if wanted is not None:
                query = query.where(column == wanted)
        query = newest_first(query, artifacts, after).limit(limit + 1)
        with self._catalog.read() as connection:
            rows = connection.execute(query).all()
            return _artifacts(connection, rows[:limit]), cursor_of(rows, limit)

    @retried
    def many(self, ids: Sequence[str]) -> dict[str, Artifact]:
        """Those of the artifacts `ids` that the tenant has, by id. Looked up by id alone, as ids are the shorter way."""
        found: dict[str, Artifact] = {}
        with self._catalog.read() as connection:
            for some in batched(ids, MANY):
                rows = connection.execute(sa.select(artifacts).where(artifacts.c.id.in_(some))).all()
                ours = [row for row in rows if row.tenant_id == self._tenant_id]
                found |= {item.id: item for item in _artifacts(connection, ours)}
        return found

    def _matching(self, kind: str | None, prefix: str) -> sa.Select[Any]:
        query = sa.select(artifacts).where(artifacts.c.tenant_id == self._tenant_id)
        if kind:
            query = query.where(artifacts.c.kind == kind)
        if prefix:
            query = query.where(artifacts.c.name.startswith(prefix, autoescape=True))
        return query

    @retried
    def pin(self, artifact: Artifact) -> dict[str, Any]:
        """Where the content is, in the terms of its store. Raises `NotFound` for what is another tenant's."""
        with self._catalog.read() as connection:
            self.must_own(connection, [artifact.id])
            return connection.execute(sa.select(artifacts.c.pin).where(artifacts.c.id == artifact.id)).scalar_one()

    @retried
    def alias(self, artifact: Artifact, alias: str) -> None:
        """Point ``name@alias`` at this version, taking it from any other."""
        checked_name(alias)
        with self._catalog.write() as connection:
            self.must_own(connection, [artifact.id])
            here = (aliases.c.tenant_id == self._tenant_id) & (aliases.c.name == artifact.name) & (aliases.c.alias == alias)
            connection.execute(aliases.delete().where(here))
            connection.execute(
                aliases.insert().values(
                    tenant_id=self._tenant_id,
                    name=artifact.name,
                    alias=alias,
                    artifact_id=artifact.id,
                    set_ns=self._catalog.clock.now_ns(),
                )
            )

    def must_own(self, connection: sa.Connection, ids: Collection[str]) -> None:
        """Raises `NotFound` unless all of them are the tenant's."""
        query = sa.select(artifacts.c.id).where(artifacts.c.tenant_id == self._tenant_id, artifacts.c.id.in_(ids))
        if missing := set(ids) - set(connection.execute(query).scalars()):
            raise NotFound(f"no artifact {min(missing)!r:.120}", see="artifacts")

    def _select(self, reference: str) -> sa.Select[Any]:
        query = sa.select(artifacts).where(artifacts.c.tenant_id == self._tenant_id)
        if reference.startswith("art-"):
            return query.where(artifacts.c.id == reference)
        if "@" in reference:
            name, _, alias = reference.partition("@")
            pointed = sa.select(aliases.c.artifact_id).where(
                aliases.c.tenant_id == self._tenant_id, aliases.c.name == name, aliases.c.alias == alias
            )
            return query.where(artifacts.c.id == pointed.scalar_subquery())
        name, _, version = reference.partition(":")
        if version:
            if not (version.isascii() and version.isdecimal()):
                raise BadInput(f"{reference!r:.80} is not an artifact reference", expected="name, name:3, name@alias or an id")
            return query.where(
                artifacts.c.name == name, artifacts.c.version == (int(version) if len(version) < 10 else _NO_VERSION)
            )
        return query.where(artifacts.c.name == name).order_by(artifacts.c.version.desc()).limit(1)

    def _not_found(self, connection: sa.Connection, reference: str) -> NotFound:
        ours = artifacts.c.tenant_id == self._tenant_id
        name = re.split("[:@]", reference)[0]
        newest = connection.execute(sa.select(sa.func.max(artifacts.c.version)).where(ours, artifacts.c.name == name)).scalar()
        if newest is not None:
            given = aliases.c.tenant_id == self._tenant_id, aliases.c.name == name
            known = connection.execute(sa.select(aliases.c.alias).where(*given).order_by(aliases.c.alias)).scalars().all()
            also = f", or {', '.join(f'{name}@{alias}' for alias in known)}" if known else ""
            return NotFound(
                f"{name} has no {'alias' if '@' in reference else 'version'} {reference[len(name) + 1 :]!r:.60}",
                expected=f"{name}:1{f' to {name}:{newest}' if newest > 1 else ''}{also}",
                see="artifacts",
                reason="no_alias" if "@" in reference else "no_version",
                name=name,
                wanted=reference[len(name) + 1 :][:60],
            )
        names = connection.execute(distinct(artifacts.c.name, ours)).scalars().all()
        return NotFound(
            f"no artifact {reference!r:.120}",
            expected="name, name:3, name@alias or an id",
            remedy=did_you_mean(name, names),
            see="artifacts",
            reason="no_artifact",
            name=reference[:120],
            near=" / ".join(nearest(name, names)),
        )


def _artifacts(connection: sa.Connection, rows: Sequence[Any]) -> list[Artifact]:
    names: dict[str, list[str]] = {}
    for some in batched([row.id for row in rows], MANY):
        for row in connection.execute(sa.select(aliases).where(aliases.c.artifact_id.in_(some)).order_by(aliases.c.alias)):
            names.setdefault(row.artifact_id, []).append(row.alias)
    return [_artifact(row, names.get(row.id, [])) for row in rows]


def _artifact(row: Any, names: Sequence[str]) -> Artifact:
    return Artifact(
        id=row.id,
        name=row.name,
        version=row.version,
        kind=row.kind,
        digest=row.digest,
        stored=row.stored,
        size=row.size,
        created_at=as_datetime(row.created_ns),
        run_id=row.run_id,
        aliases=tuple(names),
        meta=row.meta,
    )
