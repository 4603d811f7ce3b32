"""What there is to ask: every route in a line, for who has only an address and curl."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.responses import Response

from pickaxe.serve.http import reply
from pickaxe.wire.native.door import Door, declared


class RouteInfo(BaseModel):
    method: str
    path: str = Field(description="what stands in braces is yours to fill in")
    summary: str


_ROUTE = {"method": "POST", "path": "/v1/endpoints/{name}/predict", "summary": "Classify texts"}


def router(_door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["api"])

    @routes.get("", summary="Every route in a line", **declared("read", list[RouteInfo], [_ROUTE]))
    def index(request: Request) -> Response:
        """``/openapi.json`` has each of them in full: parameters, bodies, examples."""
        told = [
            {"method": method, "path": route.path, "summary": getattr(route, "summary", None) or ""}
            for route in iter_route_contexts(request.app.routes)
            if getattr(route, "include_in_schema", False)
            for method in sorted(route.methods or ())
        ]
        return reply(request, sorted(told, key=lambda item: (item["path"], item["method"])))

    return routes
