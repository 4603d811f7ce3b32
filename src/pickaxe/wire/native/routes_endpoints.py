"""Publishing: which artifact versions answer under a name. Asking and listing are serving's own routes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.paging import keyed
from pickaxe.serve.auditing import note
from pickaxe.serve.http import RequestBody, reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import After, Door, Limit, declared, page_reply
from pickaxe.wire.native.nouns import EndpointNoun, Page, endpoint_json


class NewRoute(RequestBody):
    artifact: str = Field(min_length=1, max_length=300, description="id, name, name:3 or name@alias of a model")
    weight: float = Field(default=1.0, ge=0, le=1e6)


class Publication(RequestBody):
    """Models and their shares of the traffic."""

    name: str = Field(min_length=1, max_length=200)
    routes: list[NewRoute] = Field(min_length=1, max_length=20)
    meta: dict[str, Any] = Field(default={})


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["endpoints"])

    @routes.post(
        "/endpoints",
        summary="Publish models",
        **declared(
            "write",
            EndpointNoun,
            examples.ENDPOINT,
            status=201,
            form=Publication,
            body_example={"name": "headlines", "routes": [{"artifact": "headlines/model@production", "weight": 1.0}], "meta": {}},
        ),
    )
    def publish(request: Request, given: Publication = door.body(Publication)) -> Response:
        """Create the endpoint, or move it to other models; requests under way end with the models they began with."""
        workspace = door.seen(request)
        note(request, given.name, endpoint=given.name, models=[route.artifact for route in given.routes][:20])
        chosen: list[Route] = []
        for route in given.routes:
            artifact = workspace.artifact(route.artifact)
            if artifact.kind != "model":
                raise BadInput(f"{artifact.ref} cannot be served", expected="an artifact of kind model", got=artifact.kind)
            chosen.append(Route(artifact.id, route.weight))
        return reply(request, endpoint_json(workspace.publish(given.name, chosen, given.meta)), status=201)

    @routes.get(
        "/published", summary="What is published", **declared("read", Page[EndpointNoun], examples.page(examples.ENDPOINT))
    )
    def published(request: Request, after: After = None, limit: Limit = 100) -> Response:
        """By name, as they were published. Whether its models are loaded in this server stands in ``GET /v1/endpoints``."""
        found, following = keyed(door.seen(request).endpoints(), lambda endpoint: endpoint.name, after, limit)
        return page_reply(request, [endpoint_json(endpoint) for endpoint in found], following)

    @routes.get("/published/{name}", summary="One endpoint as published", **declared("read", EndpointNoun, examples.ENDPOINT))
    def one(name: str, request: Request) -> Response:
        return reply(request, endpoint_json(door.seen(request).endpoint(name)))

    return routes
