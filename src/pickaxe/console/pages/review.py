"""Review: how far people agree, per annotator and class, and the items that divide them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pickaxe.console.site import Site
from pickaxe.data.label.queue import Queues
from pickaxe.data.label.review import review

_SHOWN = 100


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/review")
    def listed(request: Request) -> Response:
        workspace = site.workspace_of(request)
        found = [(queue, review(queue.answers())) for queue in Queues.of(workspace).list(workspace)]
        return site.page(request, "review.html", queues=[(queue, seen) for queue, seen in found if seen.items])

    @routes.get("/review/{name:path}")
    def one(request: Request, name: str) -> Response:
        workspace = site.workspace_of(request)
        queue = Queues.of(workspace).get(workspace, name)
        seen = review(queue.answers())
        return site.page(request, "review_queue.html", queue=queue, seen=seen, shown=seen.disagreements[:_SHOWN])

    return routes
