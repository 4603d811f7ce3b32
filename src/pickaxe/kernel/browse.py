"""Reads for whoever looks around: names with their newest versions, neighbours in the graph, counts.

Each touches about as many rows as it shows (by an index where the catalog has one), so it stays quick in a workspace of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import sqlalchemy as sa

from pickaxe.kernel.catalog.schema import artifacts, edges, runs
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.paging import MANY, MANY_NAMES, batched, distinct

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace


class Named(NamedTuple):
    """A name, its newest version, and how many versions there are."""

    newest: Artifact
    versions: int


def names(
    workspace: Workspace, *, kind: str | None = None, contains: str = "", after: str | None = None, limit: int = 50
) -> tuple[list[Named], str | None]:
    """Names that hold every word of `contains` and whose newest version is of `kind`, in order, with that version.

    `after` is the last name of the page before. Returns the page and its cursor, None at the end.
    """
    words, found = contains.lower().split(), list[Any]()
    for row in _newest_of_each(workspace, after or ""):
        if (kind is None or row.kind == kind) and all(word in row.name for word in words):
            found.append(row)
        if len(found) > limit:
            break
    page = found[:limit]
    known = workspace.artifacts.many([row.id for row in page])
    counts = _versions_of(workspace, [row.name for row in page])
    return [Named(known[row.id], counts[row.name]) for row in page], page[-1].name if len(found) > limit else None


def _newest_of_each(workspace: Workspace, after: str = "") -> Iterator[Any]:
    """`id`, `name` and `kind` of the newest version of every name beyond `after`, in order: a look into the index for each name."""
    while True:
        ours = artifacts.c.tenant_id == workspace.tenant_id
        each = distinct(artifacts.c.name, ours, beyond=after).subquery()
        newest = sa.select(artifacts.c.id).where(ours, artifacts.c.name == each.c.value).order_by(artifacts.c.version.desc())
        ids = sa.select(newest.limit(1).correlate(each).scalar_subquery()).select_from(each)
        query = sa.select(artifacts.c.id, artifacts.c.name, artifacts.c.kind).where(artifacts.c.id.in_(ids))
        with workspace.catalog.read() as connection:
            rows = connection.execute(query.order_by(artifacts.c.name)).all()
        yield from rows
        if len(rows) < MANY_NAMES:
            return
        after = rows[-1].name


def _versions_of(workspace: Workspace, names: Sequence[str]) -> dict[str, int]:
    query = sa.select(artifacts.c.name, sa.func.count().label("versions")).group_by(artifacts.c.name)
    query = query.where(artifacts.c.tenant_id == workspace.tenant_id, artifacts.c.name.in_(names))
    with workspace.catalog.read() as connection:
        return {row.name: row.versions for row in connection.execute(query)}


def tables(workspace: Workspace, *, contains: str = "", limit: int = 50) -> list[Artifact]:
    """The newest version of each table whose name contains `contains`, the newest first."""
    columns = artifacts.c.name, sa.func.max(artifacts.c.version).label("version"), sa.func.count().label("versions")
    query = sa.select(*columns).where(artifacts.c.tenant_id == workspace.tenant_id, artifacts.c.stored == "table")
    if contains:
        query = query.where(artifacts.c.name.contains(contains, autoescape=True))
    newest_first = query.group_by(artifacts.c.name).order_by(sa.func.max(artifacts.c.created_ns).desc()).limit(limit)
    found = [item.newest for item in _named(workspace, newest_first)]
    return sorted(found, key=lambda item: item.created_at, reverse=True)


def _named(workspace: Workspace, query: sa.Select[Any, Any, int]) -> list[Named]:
    """The artifacts that rows of `name`, `version` and `versions` mean, in no order."""
    named = query.subquery()
    same = sa.and_(
        artifacts.c.tenant_id == workspace.tenant_id,
        artifacts.c.name == named.c.name,
        artifacts.c.version == named.c.version,
    )
    with workspace.catalog.read() as connection:
        rows = connection.execute(sa.select(artifacts.c.id, named.c.versions).select_from(named.join(artifacts, same))).all()
    known = workspace.artifacts.many([row.id for row in rows])
    return [Named(known[row.id], int(row.versions)) for row in rows]


def versions(workspace: Workspace, name: str, *, limit: int = 20) -> list[Artifact]:
    """The newest versions of a name, newest first; empty when there is none. By number, as the index of names has them."""
    of_name = sa.select(artifacts.c.id).where(artifacts.c.tenant_id == workspace.tenant_id, artifacts.c.name == name)
    with workspace.catalog.read() as connection:
        ids = connection.execute(of_name.order_by(artifacts.c.version.desc()).limit(limit)).scalars().all()
    found = workspace.artifacts.many(ids)
    return [found[id] for id in ids]


def newest_versions(workspace: Workspace, names: Sequence[str], *, made: bool = False) -> dict[str, Artifact]:
    """name -> its newest version, of those names that have one; with `made` of the versions that a run made, not of imports."""
    columns = artifacts.c.name, sa.func.max(artifacts.c.version).label("version"), sa.func.count().label("versions")
    query = sa.select(*columns).where(artifacts.c.tenant_id == workspace.tenant_id, artifacts.c.name.in_(names))
    if made:
        query = query.where(artifacts.c.run_id.is_not(None))
    return {item.newest.name: item.newest for item in _named(workspace, query.group_by(artifacts.c.name))} if names else {}


def kinds(workspace: Workspace) -> list[str]:
    """Every kind that the newest version of a name is of."""
    return sorted({row.kind for row in _newest_of_each(workspace)})


def run_names(workspace: Workspace, ids: Iterable[str]) -> dict[str, str]:
    """run id -> name, of those that the tenant has."""
    wanted = sa.select(runs.c.id, runs.c.tenant_id, runs.c.name)
    found: dict[str, str] = {}
    with workspace.catalog.read() as connection:
        for some in batched(ids, MANY):
            rows = connection.execute(wanted.where(runs.c.id.in_(some)))
            found |= {row.id: row.name for row in rows if row.tenant_id == workspace.tenant_id}
    return found


def run_counts(workspace: Workspace) -> dict[str, int]:
    """How many runs are in each state, as stored."""
    query = sa.select(runs.c.state, sa.func.count()).where(runs.c.tenant_id == workspace.tenant_id).group_by(runs.c.state)
    with workspace.catalog.read() as connection:
        return dict(connection.execute(query).tuples().all())


def scopes(workspace: Workspace, *, after: str = "", limit: int = 50) -> list[str]:
    """First parts of the names of runs that have several (``headlines`` of ``headlines/gate``), in order, beyond `after`.

    One look into the index of names for each, however many runs there are of it.
    """
    found: list[str] = []
    beyond = f"{after}{AFTER_SLASH}" if after else ""
    with workspace.catalog.read() as connection:
        while len(found) < limit:
            name = connection.execute(_first_name(workspace, beyond)).scalar()
            if name is None:
                break
            scope, slash, _ = name.partition("/")
            if slash:
                found.append(scope)
            beyond = scope + (AFTER_SLASH if slash else "/")  # what has this name and more parts comes right after it
    return found


AFTER_SLASH = chr(ord("/") + 1)
"""What has a scope's name and a slash is before its name and this."""


def _first_name(workspace: Workspace, at_least: str) -> sa.Select[Any]:
    """In the index's own order: a minimum over all that is beyond would read all of it."""
    beyond = sa.and_(runs.c.name >= at_least, runs.c.tenant_id == workspace.tenant_id)
    return sa.select(runs.c.name).where(beyond).order_by(runs.c.name).limit(1)


@dataclass
class Neighbourhood:
    """Part of the graph around an artifact. `more` are the artifacts whose further neighbours were left out."""

    artifact_ids: dict[str, int] = field(default_factory=dict[str, int])
    """artifact id -> how many runs lie between it and the centre: negative upstream, positive downstream"""
    run_ids: dict[str, None] = field(default_factory=dict[str, None])
    links: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """(artifact id, run id) for what a run read, (run id, artifact id) for what it made"""
    more: dict[str, int] = field(default_factory=dict[str, int])


def around(workspace: Workspace, artifact_id: str, *, up: int = 4, down: int = 2, most: int = 120) -> Neighbourhood:
    """Walk `up` runs towards the data and `down` runs towards what was made from it, to `most` artifacts in all.

    Each level is a query or two over the edges of its artifacts, so the size of the workspace does not matter. What does not fit is
    counted in `more`: artifact id -> neighbours that are not shown.
    """
    found = Neighbourhood({artifact_id: 0})
    for direction, steps in (("up", up), ("down", down)):
        level: list[str] = [artifact_id]
        for step in range(1, steps + 1):
            level = _next_level(workspace, found, level, direction, step, most)
            if not level:
                break
        else:
            _count_rest(workspace, found, level, direction)
    return found


def _next_level(
    workspace: Workspace, found: Neighbourhood, level: Sequence[str], direction: str, step: int, most: int
) -> list[str]:
    """Take up the artifacts one run further on; returns those that are new."""
    towards: tuple[Literal["in", "out"], Literal["in", "out"]] = ("out", "in") if direction == "up" else ("in", "out")
    with workspace.catalog.read() as connection:
        first = _edges(connection, edges.c.artifact_id, level, towards[0])
        then = _edges(connection, edges.c.run_id, [edge.run_id for edge in first], towards[1])
    place, fresh, left_out = (-step if direction == "up" else step), list[str](), dict[str, int]()
    of_run: dict[str, list[str]] = {}
    for edge in then:
        of_run.setdefault(edge.run_id, []).append(edge.artifact_id)
    for edge in first:
        new = [id for id in of_run.get(edge.run_id, []) if id not in found.artifact_ids]
        if len(found.artifact_ids) + len(new) > most:
            left_out[edge.artifact_id] = left_out.get(edge.artifact_id, 0) + len(new)
            continue
        for id in new:
            found.artifact_ids[id] = place
            fresh.append(id)
        found.run_ids[edge.run_id] = None
    for edge in (*first, *then):
        if edge.run_id in found.run_ids and edge.artifact_id in found.artifact_ids:
            link = (edge.artifact_id, edge.run_id) if edge.direction == "in" else (edge.run_id, edge.artifact_id)
            if link not in found.links:
                found.links.append(link)
    for id, number in left_out.items():
        found.more[id] = found.more.get(id, 0) + number
    return fresh


def _count_rest(workspace: Workspace, found: Neighbourhood, level: Sequence[str], direction: str) -> None:
    """Say at the rim how many runs go on from there."""
    with workspace.catalog.read() as connection:
        for edge in _edges(connection, edges.c.artifact_id, level, "out" if direction == "up" else "in"):
            if edge.run_id not in found.run_ids:
                found.more[edge.artifact_id] = found.more.get(edge.artifact_id, 0) + 1


def _edges(connection: sa.Connection, column: sa.ColumnElement[str], ids: Iterable[str], direction: str) -> list[Any]:
    found: list[Any] = []
    for part in batched(dict.fromkeys(ids), MANY):
        query = sa.select(edges).where(column.in_(part), edges.c.direction == direction).order_by(edges.c.run_id, edges.c.role)
        found += connection.execute(query).all()
    return found
