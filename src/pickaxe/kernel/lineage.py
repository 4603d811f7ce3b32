"""The graph, both ways: what a thing was made from, and what it touched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from pickaxe.kernel.catalog import Catalog
from pickaxe.kernel.schema import edges, runs


@dataclass(frozen=True, slots=True)
class Edges:
    """Every edge of the workspace, in memory, for walks. A million edges take a few hundred MB: fine for one workspace."""

    made_by: dict[str, str]
    """artifact id -> the run that made it (absent for imports)"""
    inputs_of: dict[str, list[str]]
    """run id -> artifact ids it read"""
    outputs_of: dict[str, list[str]]
    """run id -> artifact ids it made"""
    readers_of: dict[str, list[str]]
    """artifact id -> runs that read it"""


def load_edges(catalog: Catalog) -> Edges:
    made_by: dict[str, str] = {}
    inputs_of: dict[str, list[str]] = {}
    outputs_of: dict[str, list[str]] = {}
    readers_of: dict[str, list[str]] = {}
    query = sa.select(edges).join(runs).order_by(runs.c.created_ns, edges.c.role)
    with catalog.read() as connection:
        for edge in connection.execute(query):
            if edge.direction == "out":
                made_by[edge.artifact_id] = edge.run_id
                outputs_of.setdefault(edge.run_id, []).append(edge.artifact_id)
            else:
                inputs_of.setdefault(edge.run_id, []).append(edge.artifact_id)
                readers_of.setdefault(edge.artifact_id, []).append(edge.run_id)
    return Edges(made_by, inputs_of, outputs_of, readers_of)


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
