"""The graph: what something was made from, what it touched, and the evidence of an answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.lineage import Edges, ancestry, downstream, progeny, upstream
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.http import reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import Door, declared
from pickaxe.wire.native.nouns import ArtifactInfo, EndpointNoun, artifact_json, endpoint_json

if TYPE_CHECKING:
    from pickaxe.flows.explain import Evidence


class RunNode(BaseModel):
    """A run of the graph: what it read and what it made, as artifact ids."""

    id: str
    inputs: list[str]
    outputs: list[str]


class Graph(BaseModel):
    """Artifacts and runs on the way, nearest first."""

    artifact: str
    direction: Literal["upstream", "downstream"]
    artifacts: list[ArtifactInfo]
    runs: list[RunNode]

    def edges(self) -> Edges:
        """As the kernel has it, for walks."""
        edges = Edges({}, {}, {}, {})
        for run in self.runs:
            if run.inputs:
                edges.inputs_of[run.id] = run.inputs
            if run.outputs:
                edges.outputs_of[run.id] = run.outputs
            edges.made_by.update(dict.fromkeys(run.outputs, run.id))
            for id in run.inputs:
                edges.readers_of.setdefault(id, []).append(run.id)
        return edges


class BlastInfo(BaseModel):
    """What was touched, in the order it happened; `rebuild_nano` leaves out people's time."""

    target: str
    what: Literal["row", "answers", "artifact"] = Field(description="what the target is")
    roots: list[ArtifactInfo]
    artifacts: list[ArtifactInfo]
    run_ids: list[str]
    endpoints: list[EndpointNoun]
    answers: dict[str, int] = Field(description="artifact id of a model -> texts it answered")
    rebuild_nano: int


class EvidenceRow(BaseModel):
    """A training row near to the text (similarity, not causation) and who gave its label."""

    row: dict[str, Any]
    labelled_by: list[str]


class EvidenceInfo(BaseModel):
    trace_id: str
    text: str
    answer: dict[str, Any]
    model: ArtifactInfo
    evidence: list[EvidenceRow]
    people: list[EvidenceRow]
    """The nearest of the rows that people labelled."""


_GRAPH = {
    "artifact": examples.ARTIFACT["id"],
    "direction": "upstream",
    "artifacts": [examples.ARTIFACT],
    "runs": [{"id": examples.RUN["id"], "inputs": [], "outputs": [examples.ARTIFACT["id"]]}],
}
_BLAST = {
    "target": "ada",
    "what": "answers",
    "roots": [examples.ARTIFACT],
    "artifacts": [examples.ARTIFACT],
    "run_ids": [examples.RUN["id"]],
    "endpoints": [examples.ENDPOINT],
    "answers": {examples.ARTIFACT["id"]: 512},
    "rebuild_nano": 33333,
}
_EVIDENCE = {
    "trace_id": examples.TRACE,
    "text": "Area man naps",
    "answer": {"label": "sarcastic", "probs": [0.1, 0.9], "at": examples.AT},
    "model": examples.ARTIFACT,
    "evidence": [{"row": {"row_key": "00f067aa0ba902b7", "text": "Area man wins nap"}, "labelled_by": ["headlines/onnx:1"]}],
    "people": [{"row": {"row_key": "a1b2c3d4e5f60718", "text": "Man naps in area"}, "labelled_by": ["ada"]}],
}


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["graph"])

    @routes.get(
        "/lineage/{ref:path}", summary="What it was made from, or what was made from it", **declared("read", Graph, _GRAPH)
    )
    def lineage(ref: str, request: Request, direction: Literal["upstream", "downstream"] = "upstream") -> Response:
        workspace = door.seen(request)
        return reply(request, _graph(workspace, workspace.artifact(ref).id, direction))

    @routes.get("/blast", summary="What a row, a person's labels or an artifact touched", **declared("read", BlastInfo, _BLAST))
    def touched(
        request: Request,
        target: Annotated[str, Query(max_length=300, description="row key or artifact")] = "",
        by: Annotated[
            str | None, Query(max_length=300, description="a person: of the row, or of all that the person labelled")
        ] = None,
    ) -> Response:
        from pickaxe.flows.blast import blast

        if not target and not by:
            raise BadInput("nothing to look for", expected="target (a row key, an artifact), by (a person), or both")
        found = blast(door.seen(request), target, annotator=by)
        data = {
            "target": found.target,
            "what": found.what,
            "roots": [artifact_json(item) for item in found.roots],
            "artifacts": [artifact_json(item) for item in found.artifacts],
            "run_ids": found.run_ids,
            "endpoints": [endpoint_json(item) for item in found.endpoints],
            "answers": found.answers,
            "rebuild_nano": found.rebuild_nano,
        }
        return reply(request, data)

    @routes.get("/evidence/{trace_id}", summary="Why an answer was given", **declared("read", EvidenceInfo, _EVIDENCE))
    def evidence(
        trace_id: str,
        request: Request,
        index: Annotated[int, Query(ge=0, le=1_000_000, description="which text of the request")] = 0,
        count: Annotated[int, Query(ge=1, le=100)] = 5,
    ) -> Response:
        """The model, and the training rows nearest to the text with who labelled them: of all rows, and of those that people labelled."""
        from pickaxe.flows.explain import explain

        found = explain(door.seen(request), trace_id, index=index, count=count)
        data = {
            "trace_id": found.trace_id,
            "text": found.text,
            "answer": dict(found.answer),
            "model": artifact_json(found.model),
            "evidence": _evidence(found.evidence),
            "people": _evidence(found.people),
        }
        return reply(request, data)

    return routes


def _evidence(rows: Iterable[Evidence]) -> list[dict[str, Any]]:
    return [{"row": item.row._asdict(), "labelled_by": item.labelled_by} for item in rows]


def _graph(workspace: Workspace, artifact_id: str, direction: Literal["upstream", "downstream"]) -> dict[str, Any]:
    if direction == "upstream":
        edges = ancestry(workspace, artifact_id)
        run_ids, artifact_ids = upstream(edges, artifact_id)
    else:
        edges = progeny(workspace, artifact_id)
        run_ids, artifact_ids = downstream(edges, artifact_id)
    known = workspace.artifacts.many(artifact_ids)
    return {
        "artifact": artifact_id,
        "direction": direction,
        "artifacts": [artifact_json(known[id]) for id in artifact_ids if id in known],
        "runs": [{"id": id, "inputs": edges.inputs_of.get(id, []), "outputs": edges.outputs_of.get(id, [])} for id in run_ids],
    }
