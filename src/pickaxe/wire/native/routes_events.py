"""The log of events: pages, live, and facts from outside."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from pickaxe.kernel.errors import BadInput
from pickaxe.serve.http import RequestBody, reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import After, Door, Limit, declared, page_reply
from pickaxe.wire.native.live import resumed_after, sequence, streamed
from pickaxe.wire.native.nouns import EventInfo, Page, event_json

_OPEN = ("metric", "log", "annotation", "note", "progress")
"""Kinds that may come from outside. The others are the product's own word: what was answered, charged, published, done."""

Kinds = Annotated[list[str] | None, Query(max_length=20, description="only these kinds")]
Subject = Annotated[str | None, Query(max_length=300, description="only about this run, artifact, trace or job")]


class NewEvent(RequestBody):
    """A fact to append."""

    kind: str = Field(max_length=40)
    subject: str = Field(min_length=1, max_length=300)
    name: str = Field(default="", max_length=300)
    value: float | None = None
    step: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    body: dict[str, Any] = Field(default={})


class NewEvents(RequestBody):
    events: list[NewEvent] = Field(min_length=1, max_length=1000)


class Appended(BaseModel):
    count: int


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1/events", tags=["events"])

    @routes.get("", summary="Events in order", **declared("read", Page[EventInfo], examples.page(examples.EVENT)))
    def events(
        request: Request,
        kind: Kinds = None,
        subject: Subject = None,
        after: After = None,
        limit: Limit = 100,
        newest_first: bool = False,
        name: Annotated[list[str] | None, Query(max_length=100, description="only of these names")] = None,
        beyond: Annotated[int, Query(ge=0, lt=2**63, description="only numbers greater than this")] = 0,
        up_to: Annotated[int | None, Query(ge=0, lt=2**63, description="only numbers up to this")] = None,
    ) -> Response:
        """Oldest first; with `newest_first` the other way round. A page's `next` is null at the end; for what comes, take
        ``/v1/events/stream``, or ask again after the last `seq`."""
        found = door.seen(request).events(
            kind=kind,
            subject=subject,
            name=name,
            after_seq=sequence(after),
            beyond=beyond,
            up_to=up_to,
            limit=limit,
            newest_first=newest_first,
        )
        return page_reply(request, [event_json(event) for event in found], str(found[-1].seq) if len(found) == limit else None)

    @routes.get(
        "/stream",
        summary="Events as they come",
        response_class=StreamingResponse,
        **_stream_declared(),
    )
    def stream(request: Request, kind: Kinds = None, subject: Subject = None, after: After = None) -> Response:
        """Server-sent events: ``id`` is the event's number, ``event`` its kind, ``data`` the event. Begins with what comes from
        now on; with `after` or ``Last-Event-ID`` with what came after that."""
        workspace = door.seen(request)
        begin = resumed_after(request, after) if after or request.headers.get("last-event-id") else workspace.log.newest_seq()
        return streamed(
            door.live.stream(lambda seq: workspace.events(kind=kind, subject=subject, after_seq=seq, limit=500), begin)
        )

    @routes.post(
        "",
        summary="Append facts",
        **declared(
            "write",
            Appended,
            {"count": 1},
            status=201,
            form=NewEvents,
            body_example={"events": [{"kind": "metric", "subject": examples.RUN["id"], "name": "loss", "value": 0.4, "step": 7}]},
        ),
    )
    def append(request: Request, given: NewEvents = door.body(NewEvents)) -> Response:
        """All of them or none; on record when the answer comes."""
        for event in given.events:
            if event.kind not in _OPEN:
                raise BadInput(f"events of kind {event.kind!r:.40} are the server's own", expected=f"one of {', '.join(_OPEN)}")
        door.seen(request).emit_many([event.model_dump() for event in given.events])
        return reply(request, {"count": len(given.events)}, status=201)

    return routes


def _stream_declared() -> dict[str, Any]:
    example = 'id: 4711\nevent: metric\ndata: {"seq":4711,"kind":"metric","name":"loss","value":0.41}\n\n'
    told = declared("read", EventInfo, examples.EVENT)
    told["response_model"] = None
    told["responses"][200] = {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": example}}}
    return told
