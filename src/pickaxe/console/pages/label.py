"""Labelling: the queues, the desk where one item after the other is answered, and a form that makes a queue."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from pickaxe.console.forms import fields_of
from pickaxe.console.site import Site, link
from pickaxe.data.label.forms import COLUMNS, FORMS
from pickaxe.data.label.queue import Queues, create_queue
from pickaxe.kernel import browse
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import caller_of
from pickaxe.serve.auditing import note

_LARGEST_FORM = 40_000
_TABLES_OFFERED = 100


async def _new_queue(request: Request) -> dict[str, str]:
    return await fields_of(request, largest=_LARGEST_FORM)


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    reading, labelling, writing = site.router(), site.router("label"), site.router("write")

    @reading.get("/label")
    def listed(request: Request) -> Response:
        workspace, caller = site.workspace_of(request), caller_of(request)
        found = [(queue, queue.counts()) for queue in Queues.of(workspace).list(workspace)]
        return site.page(
            request,
            "label.html",
            queues=found,
            me=caller.name,
            may_label=caller.may("label"),
            may_write=caller.may("write"),
            tables=_askable(workspace) if caller.may("write") else [],
            forms=FORMS,
        )

    @writing.post("/label")
    def create(request: Request, fields: Annotated[dict[str, str], Depends(_new_queue)]) -> Response:
        workspace, name = site.workspace_of(request), fields.get("name", "").strip()
        labels = [label.strip() for label in fields.get("labels", "").replace("\n", ",").split(",")]
        note(request, name, queue=name)
        overlap = fields.get("overlap", "1")
        if not overlap.isdecimal():
            raise BadInput("overlap is not a number", expected="1 to 20", got=overlap[:20])
        create_queue(
            workspace,
            name,
            workspace.artifact(fields.get("rows", "")),
            form=fields.get("form", "choice"),
            labels=[label for label in labels if label],
            guidelines=fields.get("guidelines", ""),
            overlap=int(overlap),
            prelabels=workspace.artifact(fields["prelabels"]).id if fields.get("prelabels") else None,
            blind="blind" in fields,
        )
        return RedirectResponse(link("label", name), status_code=303)

    @labelling.get("/label/{name:path}")
    def desk(request: Request, name: str) -> Response:
        workspace = site.workspace_of(request)
        queue = Queues.of(workspace).get(workspace, name)
        return site.page(request, "label_desk.html", queue=queue, counts=queue.counts(), me=caller_of(request).name)

    for part in (reading, writing, labelling):
        routes.include_router(part)
    return routes


def _askable(workspace: Workspace) -> list[Artifact]:
    """Newest versions of tables that have what a question needs, the newest first."""
    needed = set(COLUMNS["choice"])
    fit = (
        item for item in browse.tables(workspace, limit=3 * _TABLES_OFFERED) if needed <= set(item.meta.get("columns", needed))
    )
    return list(islice(fit, _TABLES_OFFERED))
