"""Traces: what was answered, and one answer in full: its time, the rows that speak for it, who labelled them, at what price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pickaxe.console.forms import Place
from pickaxe.console.site import Site
from pickaxe.flows.answer_price import answer_price
from pickaxe.flows.explain import Explanation, explain, training_set_of
from pickaxe.flows.label_price import labels_of_row
from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.nouns import Event
from pickaxe.serve.records import Records

PAGE = 40
MOST_SPANS = 200
SHOWN_EVIDENCE = 5


@dataclass(frozen=True, slots=True)
class Span:
    """An answer of the trace on the time axis: where it starts and how wide it is, as shares of the whole."""

    event: Event
    start_ms: float
    ms: float
    left: float
    width: float


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/traces")
    def index(
        request: Request,
        endpoint: Annotated[str, Query(max_length=200)] = "",
        after: Place = 0,
    ) -> Response:
        workspace = site.workspace_of(request)
        page = Records(workspace).traces(endpoint or None, after, PAGE, newest_first=True)
        return site.page(
            request,
            "traces.html",
            traces=page.traces,
            following=page.next_after,
            after=after,
            endpoint=endpoint,
            endpoints=[item.name for item in workspace.endpoints()],
        )

    @routes.get("/traces/{trace_id}")
    def one(
        request: Request,
        trace_id: str,
        index: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        why: bool = False,
    ) -> Response:
        """With `why` the evidence too: looking for it may read a training set, so the page asks for it after it is shown."""
        workspace = site.workspace_of(request)
        trace = Records(workspace).trace(trace_id)
        models = workspace.artifacts.many(list({event.body["artifact_id"] for event in trace.answers}))
        return site.page(
            request,
            "trace.html",
            trace=trace,
            spans=_spans(trace.answers),
            models=models,
            answers=[row for event in trace.answers for row in _answers(event)],
            index=index,
            why=explain(workspace, trace_id, index=index, count=SHOWN_EVIDENCE) if why else None,
            price=answer_price(workspace, trace.answers[0].at) if why else None,
        )

    @routes.get("/traces/{trace_id}/rows/{row_key}")
    def row(request: Request, trace_id: str, row_key: str) -> Response:
        """A training row that speaks for the answer: every label it got, and what each of them cost."""
        workspace = site.workspace_of(request)
        found: Explanation = explain(workspace, trace_id, count=1)
        training = training_set_of(workspace, found.model)
        if training is None:
            raise NotFound("the model that answered was not trained in this workspace", reason="model_from_elsewhere")
        return site.page(
            request, "trace_row.html", trace_id=trace_id, model=found.model, row=labels_of_row(workspace, training, row_key)
        )

    return routes


def _answers(event: Event) -> list[dict[str, Any]]:
    """Each text of an answer, with what was said and how surely; a failed answer has texts and no labels."""
    body = event.body
    labels, probs = body.get("labels", ()), body.get("probs", ())
    return [
        {
            "event": event,
            "text": text,
            "label": labels[place] if place < len(labels) else None,
            "confidence": max(probs[place]) if place < len(probs) else None,
        }
        for place, text in enumerate(body["texts"])
    ]


def _spans(events: list[Event]) -> list[Span]:
    """The waterfall. An answer is recorded when it ends, so it starts `ms` earlier."""
    shown = events[:MOST_SPANS]
    ends = [event.at.timestamp() * 1000 for event in shown]
    starts = [end - event.body["ms"] for end, event in zip(ends, shown, strict=True)]
    first, whole = min(starts), max(ends) - min(starts) or 1.0
    return [
        Span(event, start - first, event.body["ms"], (start - first) / whole, max(0.004, event.body["ms"] / whole))
        for start, event in zip(starts, shown, strict=True)
    ]
