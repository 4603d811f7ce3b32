"""The first page: what needs a person, and where each task's line stands."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pickaxe.console.site import Site
from pickaxe.flows.attention import attention
from pickaxe.flows.job_view import jobs_under_way, recent_facts
from pickaxe.flows.standing import standings, tasks
from pickaxe.serve.access import caller_of

SHOWN_TASKS = 4
SHOWN_RUNS = 8


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/")
    def overview(request: Request) -> Response:
        workspace = site.workspace_of(request)
        names, more = tasks(workspace, limit=SHOWN_TASKS)
        lines = standings(workspace, names)
        newest, _ = workspace.runs.page(limit=SHOWN_RUNS)
        recent = recent_facts(workspace)
        return site.page(
            request,
            "overview.html",
            matters=attention(workspace, recent),
            jobs=jobs_under_way(recent),
            may_write=caller_of(request).may("write"),
            lines=sorted(lines, key=lambda line: line.newest.created_at, reverse=True),
            more=more,
            newest=newest,
            endpoints=workspace.endpoints(),
        )

    return routes
