"""Finding by a part of a name or the beginning of an id. Each look is by an index, so the size of the workspace does not matter.

A part of a name is looked for among the different names, the first `MANY_NAMES` of them in order: names are few, however many runs
and versions there are of each. Beyond that many, what begins with the part is found still.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pickaxe.kernel.catalog.schema import artifacts, events, runs
from pickaxe.kernel.nouns import Artifact, Run
from pickaxe.kernel.paging import MANY_NAMES, beginning, distinct

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace


def run_names(workspace: Workspace, words: Iterable[str], *, limit: int = MANY_NAMES) -> list[str]:
    """Names of runs that hold every one of `words`, the likeliest first."""
    return _names(workspace, runs, list(words), limit)


def run_scopes(workspace: Workspace, words: Iterable[str], *, limit: int) -> list[str]:
    """First parts of names of runs that hold every one of `words`, the likeliest first."""
    wanted = list(words)
    scopes = {name.partition("/")[0] for name in _different(workspace, runs, wanted, limit) if "/" in name}
    return likeliest(scopes, wanted)[:limit]


def artifact_names(workspace: Workspace, words: Iterable[str], *, limit: int) -> list[str]:
    """Names of artifacts that hold every one of `words`, the likeliest first."""
    return _names(workspace, artifacts, list(words), limit)


def likeliest(names: Iterable[str], words: list[str]) -> list[str]:
    """Those of `names` that hold every word: whole names first, then beginnings of names, of their parts, and the rest."""
    folded = [word.casefold() for word in words]

    def rank(name: str) -> tuple[int, int, str]:
        low, first = name.casefold(), folded[0]
        place = 0 if low == first else 1 if low.startswith(first) else 2 if _begins_a_word(low, first) else 3
        return place, len(name), name

    return sorted((name for name in names if all(word in name.casefold() for word in folded)), key=rank)


def runs_by_id(workspace: Workspace, begin: str, *, limit: int) -> list[Run]:
    """Runs whose id begins with `begin`, in order of their ids."""
    found = workspace.runs.many(_ids(workspace, runs, begin, limit))
    return [found[id] for id in sorted(found)]


def artifacts_by_id(workspace: Workspace, begin: str, *, limit: int) -> list[Artifact]:
    """Artifacts whose id begins with `begin`, in order of their ids."""
    found = workspace.artifacts.many(_ids(workspace, artifacts, begin, limit))
    return [found[id] for id in sorted(found)]


def subjects(workspace: Workspace, kind: str, begin: str, *, limit: int) -> list[str]:
    """What events of a kind are about (a trace, a job), where that begins with `begin`; in order."""
    ours = events.c.tenant_id == workspace.tenant_id
    with workspace.catalog.read() as connection:
        near = connection.execute(distinct(events.c.subject, ours, begin=begin, most=4 * limit)).scalars().all()
        of_kind = sa.select(events.c.subject).where(ours, events.c.subject.in_(near), events.c.kind == kind).distinct()
        return sorted(connection.execute(of_kind).scalars())[:limit] if near else []


def _names(workspace: Workspace, table: sa.Table, words: list[str], limit: int) -> list[str]:
    return likeliest(_different(workspace, table, words, limit), words)[:limit]


def _different(workspace: Workspace, table: sa.Table, words: list[str], limit: int) -> list[str]:
    """The names that are looked through."""
    ours = table.c.tenant_id == workspace.tenant_id
    with workspace.catalog.read() as connection:
        names = connection.execute(distinct(table.c.name, ours)).scalars().all()
        if len(names) == MANY_NAMES:
            names = [*names, *connection.execute(distinct(table.c.name, ours, begin=words[0].lower(), most=limit)).scalars()]
    return list(dict.fromkeys(names))


def _ids(workspace: Workspace, table: sa.Table, begin: str, limit: int) -> list[str]:
    # Not by the tenant, which has an index too and would be read as a whole; so the tenant is compared as a value.
    ours = sa.func.coalesce(table.c.tenant_id, "") == workspace.tenant_id
    query = sa.select(table.c.id).where(*beginning(table.c.id, begin), ours).order_by(table.c.id).limit(limit)
    with workspace.catalog.read() as connection:
        return list(connection.execute(query).scalars())


def _begins_a_word(name: str, word: str) -> bool:
    return any(f"{joint}{word}" in name for joint in "/_.-")
