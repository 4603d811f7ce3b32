"""HTTP routes of serving's own nouns: endpoints, traces, feedback. Imported by the server only."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.nouns import Endpoint, Event
from pickaxe.kernel.paging import keyed
from pickaxe.serve.access import caller_of, needs
from pickaxe.serve.backend import ServingStore
from pickaxe.serve.http import Envelope, Failure, RequestBody, read_json, reply
from pickaxe.serve.records import Opinion, Records
from pickaxe.serve.service import Serving

_TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
_MAX_SEQ = 2**63 - 1
_REFUSALS: dict[int | str, dict[str, Any]] = {404: {"model": Failure}, 422: {"model": Failure}}


class ModelInfo(BaseModel):
    """A model behind an endpoint and its share of the traffic."""

    artifact_id: str
    weight: float
    ref: str | None = Field(default=None, examples=["headlines/student:3"], description="null while the model is not loaded")
    classes: list[str] | None = None
    call_ms: float | None = Field(default=None, description="one call with one short text, measured when the model was loaded")


class EndpointInfo(BaseModel):
    name: str = Field(examples=["headlines"])
    state: str = Field(examples=["serving"])
    ready: bool
    problem: str | None = Field(default=None, description="why the newest routes could not be loaded")
    models: list[ModelInfo]
    created_at: datetime
    meta: dict[str, Any]


class EndpointList(BaseModel):
    """Some of the endpoints, by name. Go on with ``after=next``; null at the end."""

    items: list[EndpointInfo]
    next: str | None = None


class FeedbackRequest(RequestBody):
    """What the right label is, according to somebody."""

    label: str = Field(min_length=1, max_length=1000, examples=["sarcastic"])
    by: str = Field(min_length=1, max_length=200, examples=["ada@example.org"], description="person or process that says so")
    index: int = Field(default=0, ge=0, le=1_000_000, description="which text of the request")
    comment: str | None = Field(default=None, max_length=4000)
    span_id: str | None = Field(default=None, max_length=16, description="which answer, when several share the trace id")


class FeedbackInfo(BaseModel):
    trace_id: str = Field(examples=[_TRACE_ID])
    label: str
    by: str
    index: int
    text: str
    predicted: str | None
    comment: str | None = None
    at: datetime | None = None


class AnswerInfo(BaseModel):
    """One recorded answer."""

    seq: int
    at: datetime
    trace_id: str = Field(examples=[_TRACE_ID])
    span_id: str
    parent_id: str | None = None
    endpoint: str
    artifact_id: str
    texts: list[str]
    labels: list[str]
    probs: list[list[float]] = Field(description="per text, in the order of the model's classes")
    ms: float
    status: int


class TraceInfo(BaseModel):
    trace_id: str = Field(examples=[_TRACE_ID])
    answers: list[AnswerInfo]
    feedback: list[FeedbackInfo]


class TraceList(BaseModel):
    traces: list[AnswerInfo]
    next_after: int | None = Field(description="pass as `after` to go on; null when there is nothing more for now")


TraceId = Annotated[str, Path(examples=[_TRACE_ID], description="32 hexadecimal digits")]


def router(serving: Serving) -> APIRouter:
    """The routes over `serving`."""
    routes = APIRouter(prefix="/v1")

    def seen(request: Request) -> ServingStore:
        return serving.store.for_tenant(caller_of(request).tenant_id)

    @routes.get(
        "/endpoints",
        dependencies=[needs("read")],
        tags=["endpoints"],
        response_model=Envelope[EndpointList],
        summary="What is serving",
    )
    async def endpoints(
        request: Request,
        after: Annotated[str | None, Query(max_length=300, description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        everything, tenant_id = await run_in_threadpool(seen(request).endpoints), caller_of(request).tenant_id
        found, following = keyed(everything, lambda endpoint: endpoint.name, after, limit)
        return reply(request, {"items": [_endpoint(serving, tenant_id, endpoint) for endpoint in found], "next": following})

    @routes.get(
        "/endpoints/{name}",
        dependencies=[needs("read")],
        tags=["endpoints"],
        response_model=Envelope[EndpointInfo],
        responses=_REFUSALS,
    )
    async def endpoint(name: str, request: Request) -> Response:
        """One endpoint: its models, their shares and classes."""
        found = await run_in_threadpool(seen(request).endpoint, checked_endpoint(name))
        return reply(request, _endpoint(serving, caller_of(request).tenant_id, found))

    @routes.get("/traces", dependencies=[needs("read")], tags=["traces"], response_model=Envelope[TraceList], responses=_REFUSALS)
    async def traces(
        request: Request,
        endpoint: Annotated[str | None, Query(max_length=200)] = None,
        after: Annotated[int, Query(ge=0, le=_MAX_SEQ)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        newest_first: bool = False,
    ) -> Response:
        """Recorded answers in order. Go on with ``after=next_after``."""
        page = await run_in_threadpool(Records(seen(request)).traces, endpoint, after, limit, newest_first=newest_first)
        return reply(request, {"traces": [_answer(event) for event in page.traces], "next_after": page.next_after})

    @routes.get(
        "/traces/{trace_id}",
        dependencies=[needs("read")],
        tags=["traces"],
        response_model=Envelope[TraceInfo],
        responses=_REFUSALS,
    )
    async def trace(trace_id: TraceId, request: Request) -> Response:
        """The answers under one trace id, and what people said about them."""
        found = await run_in_threadpool(Records(seen(request)).trace, trace_id)
        data = {
            "trace_id": trace_id,
            "answers": [_answer(event) for event in found.answers],
            "feedback": [_feedback(trace_id, event.body) | {"at": event.at} for event in found.feedback],
        }
        return reply(request, data)

    @routes.post(
        "/traces/{trace_id}/feedback",
        dependencies=[needs("label")],
        tags=["traces"],
        status_code=201,
        response_model=Envelope[FeedbackInfo],
        responses=_REFUSALS,
        openapi_extra=json_body(FeedbackRequest),
    )
    async def feedback(trace_id: TraceId, request: Request) -> Response:
        """Say what the right label is. It is on record when the answer comes, and joins the next labelling round."""
        opinion = await read_json(request, FeedbackRequest, serving.config)
        body = await run_in_threadpool(Records(seen(request)).add_feedback, trace_id, Opinion(**opinion.model_dump()))
        return reply(request, _feedback(trace_id, body), status=201)

    return routes


def checked_endpoint(name: str) -> str:
    """`name` if an endpoint could have it; raises `NotFound` without asking the catalog otherwise."""
    if not _is_name(name):
        raise NotFound(f"no endpoint {name!r:.120}", expected="a name of a-z, 0-9, '-', '_' and '.'")
    return name


def json_body(form: type[RequestBody]) -> dict[str, Any]:
    """OpenAPI of a body that the route reads itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": form.model_json_schema()}}}}


def _is_name(name: str) -> bool:
    return 0 < len(name) <= 200 and not name.translate(_NAME_LETTERS)


_NAME_LETTERS = {ord(letter): None for letter in "abcdefghijklmnopqrstuvwxyz0123456789-_."}


def _endpoint(serving: Serving, tenant_id: str, endpoint: Endpoint) -> dict[str, Any]:
    deployment = serving.deployments.get((tenant_id, endpoint.name))
    problem = serving.problems.get((tenant_id, endpoint.name))
    models = {runner.model.artifact.id: runner.model for runner in deployment.runners} if deployment else {}
    shown: list[dict[str, Any]] = []
    for route in endpoint.routes:
        info: dict[str, Any] = {
            "artifact_id": route.artifact_id,
            "weight": route.weight,
            "ref": None,
            "classes": None,
            "call_ms": None,
        }
        if model := models.get(route.artifact_id):
            info |= {"ref": model.artifact.ref, "classes": model.classes, "call_ms": round(model.call_ms, 3)}
        shown.append(info)
    return {
        "name": endpoint.name,
        "state": endpoint.state,
        "ready": deployment is not None,
        "problem": problem.message if problem else None,
        "models": shown,
        "created_at": endpoint.created_at,
        "meta": dict(endpoint.meta),
    }


def _answer(event: Event) -> dict[str, Any]:
    return {"seq": event.seq, "at": event.at, "trace_id": event.subject, **event.body}


def _feedback(trace_id: str, body: Any) -> dict[str, Any]:
    names = ("label", "by", "index", "text", "predicted", "comment")
    return {"trace_id": trace_id, **{name: body.get(name) for name in names}}
