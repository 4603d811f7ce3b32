"""The application: rooms' routes and wire protocols behind one guard, one envelope, one lifespan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller
from pickaxe.kernel.errors import BadInput, NotFound, PickaxeError
from pickaxe.serve.access import CALLER, caller_of, needs
from pickaxe.serve.backend import ServingStore
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.http import Envelope, invalid, reply
from pickaxe.serve.routes import router as serve_routes
from pickaxe.serve.service import Serving
from pickaxe.server.declared import declared
from pickaxe.server.everybody import Everybody
from pickaxe.server.guard import Guard
from pickaxe.server.refusing import Refuse, in_envelope
from pickaxe.wire.predict import router as predict_routes
from pickaxe.wire.prometheus import Metrics

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


class Health(BaseModel):
    """Live is implied by an answer; ready means that every endpoint of the tenant is loaded."""

    ready: bool
    version: str = Field(examples=["0.1.0"])
    workspace: str = Field(examples=["demo-workspace"])
    endpoints: list[str]
    problems: dict[str, str] = Field(description="endpoints whose newest routes could not be loaded, and why")
    uptime_seconds: float


class MethodNotAllowed(BadInput):
    code, status = "method_not_allowed", 405


Layer = Callable[[ASGIApp], ASGIApp]
Beside = AbstractContextManager[Any]
"""What lives as long as the application answers: entered before the first request, left when the last has ended."""


def create_app(
    store: ServingStore,
    *,
    workspace: str = "",
    config: ServeConfig | None = None,
    hosts: Iterable[str] = LOCAL_HOSTS,
    routers: Iterable[APIRouter] = (),
    beside: Iterable[Beside] = (),
    who: Layer = Everybody,
    refuse: Refuse = in_envelope,
) -> FastAPI:
    """The ASGI application over `store`; `app.state.serving` is its `Serving`.

    Args:
        workspace: what `/healthz` calls the workspace.
        hosts: names (without port) that a request's Host header may give.
        routers: further routes; each route declares what it needs, see `pickaxe.serve.access`.
        who: the layer that finds out who calls.
        refuse: how a refusal leaves.

    Raises `Undeclared` for a route that does not say who may call it.
    """
    metrics = Metrics(_version())
    serving = Serving(store, config, observer=metrics)
    metrics.watch(serving)

    app = FastAPI(
        title="Pickaxe",
        version=_version(),
        summary="Predict, trace, correct.",
        description="Every answer is `{data, error, trace_id}`; `traceparent` (W3C Trace Context) is honoured and returned.",
        lifespan=_lifespan(serving, tuple(beside)),
        openapi_url=None,  # ours is below: it declares who may read it
        docs_url=None,  # its page loads scripts from other hosts
        redoc_url=None,
    )
    app.state.serving = serving
    # Routes are tried in order, and the first is the busy one. FastAPI's `include_router` would build each of them once more and
    # match every request in layers; as nothing is added to them on the way, they are taken as they are.
    for router in (predict_routes(serving), serve_routes(serving), _operations(serving, metrics, workspace), *routers):
        app.router.routes.extend(router.routes)
    declared(app)  # refuses a route that does not say who may call it
    _refuse_alike(app, refuse)
    app.add_middleware(who)
    app.add_middleware(Guard, hosts=hosts, counted=_counter(serving, metrics), refuse=refuse)
    return app


def _lifespan(serving: Serving, beside: Sequence[Beside]) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await serving.start()
        with ExitStack() as stack:
            try:
                for each in beside:
                    await run_in_threadpool(stack.enter_context, each)
                yield
            finally:
                await serving.stop()
                await run_in_threadpool(stack.close)

    return lifespan


def _operations(serving: Serving, metrics: Metrics, workspace: str) -> APIRouter:
    routes = APIRouter(tags=["operations"])
    started = monotonic()
    written: dict[str, bytes] = {}

    @routes.get(
        "/healthz", dependencies=[needs(None)], response_model=Envelope[Health], responses={503: {"model": Envelope[Health]}}
    )
    async def healthz(request: Request) -> Response:
        """200 when ready, 503 while an endpoint that should serve is not loaded: of the caller's tenant, for a stranger of the tenant
        that runs the server, or anybody's broken model would take it from all. A stranger learns no more than that."""
        caller: Caller | None = request.scope.get(CALLER)
        ours = caller.tenant_id if caller else ""
        lacking = (serving.problems.keys() | serving.published.loading) - serving.deployments.keys()
        missing = [key for key in lacking if key[0] == (ours or LOCAL_TENANT)]
        data = {
            "ready": not missing,
            "version": _version(),
            "workspace": workspace if ours == LOCAL_TENANT else "",
            "endpoints": sorted(name for tenant, name in serving.deployments if tenant == ours),
            "problems": {name: problem.message for (tenant, name), problem in serving.problems.items() if tenant == ours},
            "uptime_seconds": round(monotonic() - started, 1),
        }
        return reply(request, data, status=503 if missing else 200)

    @routes.get("/openapi.json", dependencies=[needs("read")], include_in_schema=False)
    async def schema(request: Request) -> Response:
        """OpenAPI 3.1 of every route."""
        if "openapi" not in written:
            written["openapi"] = await run_in_threadpool(lambda: orjson.dumps(request.app.openapi()))
        return Response(written["openapi"], media_type="application/json")

    @routes.get(
        "/metrics", dependencies=[needs("read")], response_class=Response, responses={200: {"content": {"text/plain": {}}}}
    )
    async def exposition(request: Request) -> Response:
        """Prometheus text format: of the caller's tenant, and for an admin of the tenant `local` of all."""
        caller = caller_of(request)
        everything = caller.tenant_id == LOCAL_TENANT and caller.may("admin")
        body, content_type = metrics.expose(request.headers.get("accept", ""), None if everything else caller.tenant_id)
        return Response(body, headers={"content-type": content_type})

    return routes


def _refuse_alike(app: FastAPI, refuse: Refuse) -> None:
    """Every refusal, whoever raises it, leaves in one way."""

    @app.exception_handler(PickaxeError)
    async def ours(request: Request, error: PickaxeError) -> Response:
        return refuse(request.scope, error)

    @app.exception_handler(RequestValidationError)
    async def parameters(request: Request, error: RequestValidationError) -> Response:
        return refuse(request.scope, invalid(error.errors()))

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        return refuse(request.scope, _from_http(request, error))


def _from_http(request: Request, error: HTTPException) -> PickaxeError:
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return MethodNotAllowed(f"{request.method} is not possible here", expected=allowed or None, see="routes")
    if error.status_code == 404:
        path = request.scope["path"][:200]
        return NotFound(f"there is nothing at {path!r}", see="routes", reason="no_page", path=path)
    return BadInput(str(error.detail))


def _counter(serving: Serving, metrics: Metrics) -> Callable[[Scope, int, float], None]:
    def count(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "")
        caller: Caller | None = scope.get(CALLER)
        tenant_id = caller.tenant_id if caller else ""
        endpoint = scope.get("path_params", {}).get("name", "")
        metrics.requested(route, tenant_id, endpoint if (tenant_id, endpoint) in serving.deployments else "", status, seconds)

    return count


def _version() -> str:
    try:
        return version("pickaxe")
    except PackageNotFoundError:
        return "0+unknown"
