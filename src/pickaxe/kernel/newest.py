"""The newest run of each name: of some names, or of all under a scope. The index is asked for each, and the older runs are not read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pickaxe.kernel.browse import AFTER_SLASH
from pickaxe.kernel.catalog.schema import runs
from pickaxe.kernel.nouns import Run

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace


def newest_run_ids(workspace: Workspace, names: Collection[str]) -> dict[str, str]:
    """name -> the id of its newest run, of those few names that have one; the older runs are not read."""
    if not names:
        return {}
    each = sa.union_all(*(sa.select(sa.literal(name).label("name")) for name in dict.fromkeys(names))).cte("each")
    of_name = sa.select(runs.c.id).where(runs.c.tenant_id == workspace.tenant_id, runs.c.name == each.c.name)
    newest = of_name.order_by(runs.c.created_ns.desc(), runs.c.id.desc()).limit(1).correlate(each).scalar_subquery()
    with workspace.catalog.read() as connection:
        rows = connection.execute(sa.select(each.c.name, newest.label("id"))).all()
    return {row.name: row.id for row in rows if row.id is not None}


def newest_of_each_name(workspace: Workspace, scope: str, *, most: int = 100) -> list[Run]:
    """The newest run of every name under ``scope/``, up to `most` names, by name.

    From each name the index is asked for the next one, and for the newest of each: the older runs are not read.
    """
    return newest_by_scope(workspace, [scope], most=most)[scope]


def newest_by_scope(workspace: Workspace, scopes: Sequence[str], *, most: int = 100) -> dict[str, list[Run]]:
    """The same of several scopes, by scope."""
    ids: dict[str, list[str]] = {}
    with workspace.catalog.read() as connection:
        for scope in scopes:
            ids[scope] = list(connection.execute(_newest_under(workspace, scope, most)).scalars())
    known = workspace.runs.many([id for of_scope in ids.values() for id in of_scope])
    return {scope: sorted((known[id] for id in of_scope), key=lambda run: run.name) for scope, of_scope in ids.items()}


def _newest_under(workspace: Workspace, scope: str, most: int) -> sa.Select[str]:
    """Ids of runs."""
    ours = runs.c.tenant_id == workspace.tenant_id
    first = sa.select(sa.func.min(runs.c.name).label("name")).where(ours, runs.c.name >= f"{scope}/")
    each = first.where(runs.c.name < f"{scope}{AFTER_SLASH}").cte("each", recursive=True)
    following = sa.select(sa.func.min(runs.c.name)).where(ours, runs.c.name > each.c.name, runs.c.name < f"{scope}{AFTER_SLASH}")
    each = each.union_all(sa.select(following.correlate(each).scalar_subquery()).where(each.c.name.is_not(None)))
    newest = sa.select(runs.c.id).where(ours, runs.c.name == each.c.name).order_by(runs.c.created_ns.desc(), runs.c.id.desc())
    return sa.select(newest.limit(1).correlate(each).scalar_subquery()).where(each.c.name.is_not(None)).limit(most)
