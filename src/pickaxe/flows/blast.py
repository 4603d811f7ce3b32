"""Blast radius: everything that a row, a person's labels or an artifact touched, and what rebuilding it would cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.lineage import Edges, progeny
from pickaxe.kernel.nouns import Artifact, Endpoint
from pickaxe.kernel.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Blast:
    """What was touched, in the order it happened. `rebuild_nano` is what the same runs were charged, people's time left out."""

    target: str
    what: Literal["row", "answers", "artifact"]
    roots: tuple[Artifact, ...]
    artifacts: tuple[Artifact, ...]
    run_ids: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    answers: dict[str, int]
    """artifact id of a model -> texts it answered"""
    rebuild_nano: int

    @property
    def models(self) -> tuple[Artifact, ...]:
        return tuple(artifact for artifact in self.artifacts if artifact.kind == "model")


def blast(workspace: Workspace, target: str, *, annotator: str | None = None) -> Blast:
    """Follow `target` (a row key, or an artifact reference) downstream; with `annotator`, only that person's label of the row
    (or, with an empty target, every label the person gave).

    A table made row by row from touched tables is touched only if it holds the row itself; what a touched model made is touched
    whole. A report about a row (a profile, a verdict) is touched, and what quotes the report is not: nothing learned from it.
    Raises `NotFound` when nothing holds the row, the person or the artifact.
    """
    everything = workspace.artifacts.list()
    keys = _keys(workspace, everything, target, annotator)
    if keys is None:
        roots, holds = [workspace.artifact(target)], _everything
    else:
        holders = _Holders(workspace, keys)
        named = ("annotations",) if annotator else ()
        roots = [item for item in everything if holders(item) and (not named or item.kind in named)]
        holds = holders
    if not roots:
        raise NotFound(f"no table holds {target or annotator!r}", expected="a row key (16 hex digits), a person, or an artifact")
    graph = progeny(workspace, *(root.id for root in roots))
    touched, run_ids = _touched(graph, {item.id: item for item in everything}, roots, holds)
    ids = {artifact.id for artifact in touched}
    return Blast(
        target or str(annotator),
        "artifact" if keys is None else "answers" if annotator else "row",
        tuple(roots),
        tuple(touched),
        tuple(run_ids),
        tuple(endpoint for endpoint in workspace.endpoints() if any(route.artifact_id in ids for route in endpoint.routes)),
        _answers(workspace, {artifact.id for artifact in touched if artifact.kind == "model"}),
        sum(charge.nano or 0 for charge in workspace.ledger.charges(run_ids) if charge.meter != "human_ms"),
    )


def _keys(workspace: Workspace, everything: list[Artifact], target: str, annotator: str | None) -> set[str] | None:
    """The row keys meant, None when `target` is an artifact."""
    if annotator is None:
        is_row = not any(mark in target for mark in "/:@") and not target.startswith("art-")
        return {target} if is_row and not any(item.name == target for item in everything) else None
    keys: set[str] = set()
    for item in everything:
        if item.kind == "annotations":
            for row in workspace.read_table(item, ["row_key", "annotator"]).to_pylist():
                if row["annotator"] == annotator and target in ("", row["row_key"]):
                    keys.add(row["row_key"])
    return keys


class _Holders:
    """Tells whether an artifact is a table that holds one of the rows; each table is read once."""

    def __init__(self, workspace: Workspace, keys: set[str]) -> None:
        self._workspace = workspace
        self._keys = keys
        self._known: dict[str, bool] = {}

    def __call__(self, artifact: Artifact) -> bool:
        if artifact.stored != "table" or "row_key" not in artifact.meta.get("columns", ()):
            return False
        if artifact.digest not in self._known:
            column = self._workspace.read_table(artifact, ["row_key"])["row_key"]
            self._known[artifact.digest] = not self._keys.isdisjoint(column.to_pylist())
        return self._known[artifact.digest]


def _everything(_: Artifact) -> bool:
    return True


def _touched(
    graph: Edges, known: dict[str, Artifact], roots: list[Artifact], holds: Callable[[Artifact], bool]
) -> tuple[list[Artifact], list[str]]:
    """Breadth first from the roots; see `blast` for the rule."""
    touched: dict[str, Artifact] = {root.id: root for root in roots}
    runs: dict[str, None] = {}
    queue = list(roots)
    while queue:
        source = queue.pop(0)
        if source.stored == "json" and holds is not _everything:
            continue
        for run_id in graph.readers_of.get(source.id, []):
            row_by_row = source.stored == "table" and source.kind != "model"
            for output in (known[id] for id in graph.outputs_of.get(run_id, [])):
                keeps_rows = output.stored == "table" and "row_key" in output.meta.get("columns", ())
                if output.id in touched or (row_by_row and keeps_rows and not holds(output)):
                    continue
                touched[output.id] = output
                runs[run_id] = None
                queue.append(output)
    return sorted(touched.values(), key=lambda item: item.created_at), list(runs)


def _answers(workspace: Workspace, models: set[str]) -> dict[str, int]:
    """Texts answered by each of the models, from the traces."""
    counts: Counter[str] = Counter()
    for event in workspace.log.each("trace"):
        if event.body.get("artifact_id") in models:
            counts[event.body["artifact_id"]] += len(event.body.get("texts", ()))
    return dict(counts)
