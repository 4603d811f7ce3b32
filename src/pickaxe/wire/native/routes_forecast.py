"""What serving an endpoint takes on this machine, from its own traffic."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pickaxe.compute.planner.here.serving import forecast_endpoint, forecast_server
from pickaxe.serve.http import reply
from pickaxe.wire.native.door import Door, declared


class ForeseenInfo(BaseModel):
    """A reading before it is read: nine of ten lie between `low` and `high`; `runs` it rests on."""

    low: float
    middle: float
    high: float
    runs: int


class ServingForecastInfo(BaseModel):
    """Meters end with their unit: microseconds (us), an hour, billionths of a dollar (nano), bytes. A meter that nothing is known of is left out."""

    step: str
    endpoint: str
    calls_s: float | None = Field(description="answers a second of the model alone, as it was timed when a server loaded it")
    by_traces: list[str] = Field(
        description="meters that rest on the last day's answers instead of on earlier windows of serving"
    )
    meters: dict[str, ForeseenInfo]
    server: dict[str, ForeseenInfo] = Field(description="of the whole server, which all of its endpoints share")


_FORECAST = {
    "step": "serve",
    "endpoint": "headlines",
    "calls_s": 1800.0,
    "by_traces": [],
    "meters": {"answer_us": {"low": 700.0, "middle": 900.0, "high": 1200.0, "runs": 4}},
    "server": {"nano_hour": {"low": 4e7, "middle": 4e7, "high": 4e7, "runs": 4}},
}


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["plan"])

    @routes.get(
        "/endpoints/{name}/forecast",
        summary="Forecast what serving an endpoint takes",
        **declared("read", ServingForecastInfo, _FORECAST),
    )
    def forecast(name: str, request: Request) -> Response:
        """Time of an answer, traffic and money; kept as an event when a server starts, and compared when it drains or after a day."""
        workspace = door.seen(request)
        workspace.endpoint(name)
        server = forecast_server(workspace).body()["meters"]
        return reply(request, forecast_endpoint(workspace, name).body() | {"server": server})

    return routes
