"""Scoring over plain JSON: texts in, labels with probabilities out, with W3C Trace Context for who asked.

The hot path: the body is parsed once, the answer is written once, and the route is described in OpenAPI by hand so that no
second pass validates what was just computed.
"""

from __future__ import annotations

from typing import Any, Self

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, model_validator
from starlette.responses import Response

from pickaxe.serve.access import caller_of, needs
from pickaxe.serve.answering import as_json
from pickaxe.serve.http import Envelope, Failure, RequestBody, read_json, reply, trace_of
from pickaxe.serve.routes import checked_endpoint, json_body
from pickaxe.serve.service import Serving


class PredictRequest(RequestBody):
    """One text, or several."""

    text: str | None = Field(default=None, examples=["Area man proud he remembered the word for it"])
    texts: list[str] | None = Field(
        default=None, examples=[["Senate passes budget bill", "Area man knows all the shortcut keys"]]
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.text is None) == (self.texts is None):
            raise ValueError("expected either 'text' or 'texts'")
        return self

    def all_texts(self) -> list[str]:
        return [self.text] if self.text is not None else self.texts or []


class Prediction(BaseModel):
    label: str = Field(examples=["sarcastic"])
    confidence: float = Field(examples=[0.93], description="probability of `label`")
    probabilities: dict[str, float] = Field(examples=[{"sarcastic": 0.93, "serious": 0.07}])


class AnsweredBy(BaseModel):
    ref: str = Field(examples=["headlines/student:3"])
    artifact_id: str


class PredictData(BaseModel):
    endpoint: str = Field(examples=["headlines"])
    model: AnsweredBy
    predictions: list[Prediction] = Field(description="one per text, in order")
    trace_id: str = Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
    span_id: str = Field(examples=["00f067aa0ba902b7"], description="this answer, among those that share the trace id")
    ms: float = Field(description="milliseconds from the parsed request to the prediction")


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Envelope[PredictData]},
    404: {"model": Failure, "description": "No such endpoint"},
    413: {"model": Failure, "description": "The body is too large"},
    415: {"model": Failure, "description": "The body is not declared as JSON"},
    422: {"model": Failure, "description": "The body is not what was expected"},
    503: {"model": Failure, "description": "Busy, or the endpoint's model cannot be loaded; see Retry-After"},
    504: {"model": Failure, "description": "The model did not answer in time"},
}


def router(serving: Serving) -> APIRouter:
    """The route over `serving`."""
    routes = APIRouter()

    @routes.post(
        "/v1/endpoints/{name}/predict",
        dependencies=[needs("predict")],
        tags=["predict"],
        summary="Classify texts",
        response_model=None,
        responses=_RESPONSES,
        openapi_extra=json_body(PredictRequest),
    )
    async def predict(name: str, request: Request) -> Response:
        """The answer's `trace_id` is on record when the answer comes: feedback and lineage find it from then on.

        A `traceparent` header makes the answer part of the caller's trace.
        """
        wanted = await read_json(request, PredictRequest, serving.config)
        context = trace_of(request)
        answer = await serving.predict(caller_of(request).tenant_id, checked_endpoint(name), wanted.all_texts(), context)
        return reply(request, as_json(answer, context))

    return routes
