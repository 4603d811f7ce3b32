"""What the jump box finds: tasks, runs, artifacts, endpoints, and a trace by its id."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from pickaxe.console.site import Site, link
from pickaxe.flows.standing import tasks
from pickaxe.kernel.browse import names
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.tracecontext import TRACE_ID

MOST = 6
"""Of each sort."""
_LOOKED_AT = 50


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/search")
    def search(request: Request, q: Annotated[str, Query(min_length=1, max_length=200)]) -> Response:
        """``[{"name", "href", "kind"}]``; `kind` in the reader's language."""
        t = site.words_of(request)
        found = [
            {"name": name, "href": href, "kind": t(f"layout.{kind}")}
            for kind, name, href in _found(site.workspace_of(request), q)
        ]
        return JSONResponse(found, headers={"Cache-Control": "private, no-store"})

    return routes


def _found(workspace: Workspace, wanted: str) -> list[tuple[str, str, str]]:
    """(page, name, address); by an id only what has it."""
    wanted = wanted.strip().lower()
    if TRACE_ID.fullmatch(wanted):
        known = workspace.log.list(kind="trace", subject=wanted, limit=1)
        return [("traces", wanted, link("traces", wanted))] if known else []
    shown_tasks = [name for name in tasks(workspace, limit=_LOOKED_AT)[0] if wanted in name]
    serving = [endpoint.name for endpoint in workspace.endpoints() if wanted in endpoint.name]
    runs = {run.name: run for run in workspace.runs.page(prefix=wanted, limit=_LOOKED_AT)[0][::-1]}
    return [
        *(("tasks", name, link("tasks", name)) for name in shown_tasks[:MOST]),
        *(("endpoints", name, link("endpoints", name)) for name in serving[:MOST]),
        *(
            ("artifacts", item.newest.ref, link("artifacts", item.newest.id))
            for item in names(workspace, contains=wanted, limit=MOST)[0]
        ),
        *(("runs", run.name, link("runs", run.id)) for run in list(runs.values())[::-1][:MOST]),
    ]
