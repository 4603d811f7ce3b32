"""Tasks: what each one came to, and one in full: its line, its gate, and what its models cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pickaxe.console.documents import document_of
from pickaxe.console.site import Site
from pickaxe.flows.standing import standing, tasks
from pickaxe.kernel.browse import versions
from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.ledger.cost import Cost, cost_of
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace

PAGE = 6
SHOWN_MODELS = 6
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
        lines = [found for name in names if (found := standing(workspace, name))]
        verdicts = {line.task: verdict_of(workspace, line.task) for line in lines}
        return site.page(request, "tasks.html", lines=lines, verdicts=verdicts, following=following, after=after)

    @routes.get("/tasks/{task}")
    def one(request: Request, task: str) -> Response:
        workspace = site.workspace_of(request)
        found = standing(workspace, task)
        if found is None:
            raise NotFound(f"no task {task!r:.80}", see="tasks")
        models = versions(workspace, f"{task}/model", limit=SHOWN_MODELS)
        return site.page(
            request,
            "task.html",
            found=found,
            verdict=verdict_of(workspace, task),
            models=models,
            priced=[Priced(model, cost_of(workspace, model)) for model in models[:2]],
            meters=METERS,
            endpoint=next((item for item in workspace.endpoints() if item.name == task), None),
        )

    return routes


def verdict_of(workspace: Workspace, task: str) -> dict[str, Any] | None:
    """The document of the newest gate, None before there is one."""
    return document_of(workspace, f"{task}/verdict", ("passed", "statement", "models", "comparisons", "rules", "worst_errors"))
