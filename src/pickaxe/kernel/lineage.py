"""The graph, both ways: what a thing was made from, and what it touched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pickaxe.kernel.catalog.schema import artifacts, edges, runs
from pickaxe.kernel.paging import MANY, batched

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Edges:
    """A part of one tenant's graph, in memory, for walks."""

    made_by: dict[str, str]
    """artifact id -> the run that made it (absent for imports)"""
    inputs_of: dict[str, list[str]]
    """run id -> artifact ids it read"""
    outputs_of: dict[str, list[str]]
    """run id -> artifact ids it made"""
    readers_of: dict[str, list[str]]
    """artifact id -> runs that read it"""


def ancestry(workspace: Workspace, *artifact_ids: str) -> Edges:
    """The edges of every run that the artifacts were made by, directly or not."""
    return _load(workspace, _above(list(artifact_ids)))


def progeny(workspace: Workspace, *artifact_ids: str) -> Edges:
    """The edges of every run that read the artifacts, or what was made from them."""
    return _load(workspace, _below(list(artifact_ids)))


def _above(start: list[str]) -> sa.CTE:
    """The runs that made `start`, that made what those read, and so on: the database walks, whatever the catalog's size.

    By the makers that artifacts name, not by edges: a source that thousands of runs read has as many edges, and one maker.
    """
    made = artifacts.c.run_id.is_not(None)
    walk = sa.select(artifacts.c.run_id).where(artifacts.c.id.in_(start), made).cte("walk", recursive=True)
    onward = (
        sa.select(artifacts.c.run_id)
        .select_from(walk)
        .join(edges, (edges.c.run_id == walk.c.run_id) & (edges.c.direction == "in"))
        .join(artifacts, artifacts.c.id == edges.c.artifact_id)
        .where(made)
    )
    return walk.union(onward)


def _below(start: list[str]) -> sa.CTE:
    """The runs that read `start`, that read what those made, and so on."""
    made, read = edges.alias("made"), edges.alias("read")
    walk = sa.select(edges.c.run_id).where(edges.c.direction == "in", edges.c.artifact_id.in_(start)).cte("walk", recursive=True)
    onward = (
        sa.select(read.c.run_id)
        .select_from(walk)
        .join(made, (made.c.run_id == walk.c.run_id) & (made.c.direction == "out"))
        .join(read, (read.c.artifact_id == made.c.artifact_id) & (read.c.direction == "in"))
    )
    return walk.union(onward)


def _load(workspace: Workspace, walk: sa.CTE) -> Edges:
    made_by: dict[str, str] = {}
    inputs_of: dict[str, list[str]] = {}
    outputs_of: dict[str, list[str]] = {}
    readers_of: dict[str, list[str]] = {}
    with workspace.catalog.read() as connection:
        found = connection.execute(sa.select(edges).select_from(walk).join(edges, edges.c.run_id == walk.c.run_id)).all()
        born = _births(connection, workspace.tenant_id, dict.fromkeys(edge.run_id for edge in found))
    ours = [edge for edge in found if edge.run_id in born]
    for edge in sorted(ours, key=lambda edge: (born[edge.run_id], edge.run_id, edge.role)):
        if edge.direction == "out":
            made_by[edge.artifact_id] = edge.run_id
            outputs_of.setdefault(edge.run_id, []).append(edge.artifact_id)
        else:
            inputs_of.setdefault(edge.run_id, []).append(edge.artifact_id)
            readers_of.setdefault(edge.artifact_id, []).append(edge.run_id)
    return Edges(made_by, inputs_of, outputs_of, readers_of)


def _births(connection: sa.Connection, tenant_id: str, run_ids: Iterable[str]) -> dict[str, int]:
    """run id -> when it was queued, of the tenant's. Looked up by id alone: a database may think a tenant's index the shorter way."""
    born: dict[str, int] = {}
    for some in batched(run_ids, MANY):
        rows = connection.execute(sa.select(runs.c.id, runs.c.tenant_id, runs.c.created_ns).where(runs.c.id.in_(some)))
        born |= {row.id: row.created_ns for row in rows if row.tenant_id == tenant_id}
    return born


def upstream(graph: Edges, artifact_id: str) -> tuple[list[str], list[str]]:
    """Runs and artifacts that `artifact_id` was made from, nearest first, itself included."""
    return _walk(
        artifact_id,
        runs_of=lambda artifact: [graph.made_by[artifact]] if artifact in graph.made_by else [],
        artifacts_of=lambda run: graph.inputs_of.get(run, []),
    )


def downstream(graph: Edges, artifact_id: str) -> tuple[list[str], list[str]]:
    """Runs that read `artifact_id` or anything made from it, and what they made; nearest first, itself included."""
    return _walk(
        artifact_id,
        runs_of=lambda artifact: graph.readers_of.get(artifact, []),
        artifacts_of=lambda run: graph.outputs_of.get(run, []),
    )


def _walk(
    start: str, *, runs_of: Callable[[str], list[str]], artifacts_of: Callable[[str], list[str]]
) -> tuple[list[str], list[str]]:
    """Breadth first, each run and artifact once."""
    seen_runs: dict[str, None] = {}
    seen_artifacts: dict[str, None] = {start: None}
    queue = deque([start])
    while queue:
        for run in runs_of(queue.popleft()):
            if run in seen_runs:
                continue
            seen_runs[run] = None
            for artifact in artifacts_of(run):
                if artifact not in seen_artifacts:
                    seen_artifacts[artifact] = None
                    queue.append(artifact)
    return list(seen_runs), list(seen_artifacts)
