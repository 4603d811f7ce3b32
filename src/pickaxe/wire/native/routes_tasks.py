"""Tasks: where each production line stands, what its gate said, and what model N cost beside model N-1."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pickaxe.flows.standing import Standing, standing, standings, tasks
from pickaxe.kernel.browse import newest_versions
from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.http import reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import After, Door, declared, page_reply
from pickaxe.wire.native.nouns import Page

_MODELS = 2


class StageInfo(BaseModel):
    """A stage and its newest run; money in nano, of all its attempts."""

    stage: str
    run_id: str
    state: RunState
    started_at: datetime | None = None
    ended_at: datetime | None = None
    rows: int | None = Field(default=None, description="null where rows are not what it makes")
    nano: int


class PhaseInfo(BaseModel):
    name: str
    state: RunState | None = Field(default=None, description="null before its first stage has started")
    stages: list[StageInfo]


class TaskInfo(BaseModel):
    """A line as it stands."""

    name: str
    phases: list[PhaseInfo]
    nano: int = Field(description="what the newest run of every stage was charged")


class ModelInfo(BaseModel):
    """A published model and its bill."""

    artifact_id: str
    ref: str
    full: int
    marginal: int


class TaskDetail(TaskInfo):
    verdict: dict[str, Any] | None = Field(default=None, description="the document of the newest gate")
    models: list[ModelInfo] = Field(description="the newest model and the one before it")


_TASK = {
    "name": "headlines",
    "phases": [
        {
            "name": "gate",
            "state": "succeeded",
            "stages": [
                {"stage": "gate", "run_id": examples.RUN["id"], "state": "succeeded", "started_at": examples.AT}
                | {"ended_at": examples.AT, "rows": None, "nano": 33_333}
            ],
        }
    ],
    "nano": 33_333,
}
_MODEL = {"artifact_id": examples.ARTIFACT["id"], "ref": "headlines/model:2", "full": 9_500_000_000, "marginal": 1_700_000_000}


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1/tasks", tags=["tasks"])

    @routes.get("", summary="Tasks by name", **declared("read", Page[TaskInfo], examples.page(_TASK)))
    def index(request: Request, after: After = None, limit: Annotated[int, Query(ge=1, le=50)] = 12) -> Response:
        workspace = door.seen(request)
        names, following = tasks(workspace, after=after or "", limit=limit)
        return page_reply(request, [_line(found) for found in standings(workspace, names)], following)

    @routes.get(
        "/{name}",
        summary="One task in full",
        **declared("read", TaskDetail, _TASK | {"verdict": {"passed": True}, "models": [_MODEL]}),
    )
    def one(name: str, request: Request) -> Response:
        workspace = door.seen(request)
        found = standing(workspace, name)
        if found is None:
            raise NotFound(f"no task {name!r:.80}", see="tasks")
        return reply(request, _line(found) | {"verdict": _verdict(workspace, name), "models": _models(workspace, name)})

    return routes


def _line(found: Standing) -> dict[str, Any]:
    phases = [(phase.name, phase.state, phase.stages) for phase in found.phases]
    if found.others:
        phases.append(("other", None, found.others))
    shown = [
        {
            "name": name,
            "state": state,
            "stages": [
                {"stage": item.stage, "run_id": item.run.id, "state": item.run.state, "started_at": item.run.started_at}
                | {"ended_at": item.run.ended_at, "rows": item.rows, "nano": item.nano}
                for item in stages
            ],
        }
        for name, state, stages in phases
    ]
    return {"name": found.task, "phases": shown, "nano": found.nano}


def _verdict(workspace: Workspace, task: str) -> dict[str, Any] | None:
    """The newest document that a run made: what anybody imported under the name is no verdict."""
    name = f"{task}/verdict"
    found = newest_versions(workspace, [name], made=True).get(name)
    said = workspace.read_json(found) if found and found.stored == "json" else None
    return said if isinstance(said, dict) else None


def _models(workspace: Workspace, task: str) -> list[dict[str, Any]]:
    models, _ = workspace.artifacts.page(name=f"{task}/model", limit=_MODELS)
    costs = [workspace.cost(model) for model in models]
    return [
        {"artifact_id": item.artifact.id, "ref": item.artifact.ref, "full": item.full, "marginal": item.marginal}
        for item in costs
    ]
