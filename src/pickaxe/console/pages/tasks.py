"""Tasks: what each one came to, and one in full: its line, its gate, and what its models cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pickaxe.console.documents import document_of, documents_of
from pickaxe.console.site import Site
from pickaxe.flows.job_view import JobNow, newest_job
from pickaxe.flows.standing import Standing, standing, standings, tasks
from pickaxe.flows.task import MOST_ROUNDS
from pickaxe.kernel.browse import newest_versions, versions
from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.ledger.cost import Cost, cost_of
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import caller_of

PAGE = 6
SHOWN_MODELS = 6
_IN_A_VERDICT = ("passed", "statement", "models", "comparisons", "rules", "worst_errors")
METERS = ("human_ms", "cpu", "stored_bytes")
"""The meters that have a price of their own, the dearest first as a rule."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A model with its bill."""

    model: Artifact
    cost: Cost

    @property
    def other(self) -> int:
        """Marginal money for meters that are not named."""
        return self.cost.marginal - sum(self.cost.of_meter(meter, marginal=True) for meter in METERS)


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/tasks")
    def index(request: Request, after: Annotated[str, Query(max_length=200)] = "") -> Response:
        workspace = site.workspace_of(request)
        names, following = tasks(workspace, after=after, limit=PAGE)
        lines = standings(workspace, names)
        documents = documents_of(workspace, [_verdict(line.task) for line in lines], _IN_A_VERDICT)
        return site.page(
            request,
            "tasks.html",
            lines=lines,
            verdicts={line.task: documents.get(_verdict(line.task)) for line in lines},
            models=newest_versions(workspace, [_model(name) for name in names]),
            following=following,
            after=after,
            may_write=caller_of(request).may("write"),
        )

    @routes.get("/tasks/{task}")
    def one(request: Request, task: str) -> Response:
        workspace = site.workspace_of(request)
        found, job = standing(workspace, task), newest_job(workspace, task)
        if found is None and job is None:
            raise NotFound(f"no task {task!r:.80}", see="tasks", reason="no_task", name=task[:80])
        may_write = caller_of(request).may("write")
        models = versions(workspace, _model(task), limit=SHOWN_MODELS)
        return site.page(
            request,
            "task.html",
            found=found or Standing.to_come(task),
            now_job=job,
            fetching=_fetching(workspace, job) if job else None,
            again=_again(job) if job and may_write else {},
            may_write=may_write,
            verdict=verdict_of(workspace, task),
            models=models,
            priced=[Priced(model, cost_of(workspace, model)) for model in models[:2]],
            meters=METERS,
            endpoint=next((item for item in workspace.endpoints() if item.name == task), None),
        )

    return routes


def _again(now: JobNow) -> dict[str, dict[str, Any]]:
    """What may be started once the job has ended, as bodies of ``POST /v1/jobs``: the same, and after a success the next round."""
    if not now.job.ended_at:
        return {}
    spec = dict(now.job.spec)
    rounds = spec.get("rounds", 1) + 1
    more = {"next_round": {"kind": now.job.kind, "task": spec | {"rounds": rounds}}} if now.job.state == "succeeded" else {}
    return {"again": {"kind": now.job.kind, "task": spec}} | (more if rounds <= MOST_ROUNDS else {})


def _fetching(workspace: Workspace, now: JobNow) -> tuple[str, float] | None:
    """What the job is downloading, and how much of it is here."""
    told = workspace.log.list(kind="progress", subject=now.job.id, limit=1, newest_first=True)
    if not told or now.job.state != "running" or (told[0].value or 0.0) >= 1.0:
        return None
    return told[0].name.removeprefix("fetching "), told[0].value or 0.0


def verdict_of(workspace: Workspace, task: str) -> dict[str, Any] | None:
    """The document of the newest gate, None before there is one."""
    return document_of(workspace, _verdict(task), _IN_A_VERDICT)


def _model(task: str) -> str:
    return f"{task}/model"


def _verdict(task: str) -> str:
    return f"{task}/verdict"
