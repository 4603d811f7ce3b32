"""Runs: list, detail, live events, logs, metrics, cancelling."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pickaxe.kernel.nouns import Event, RunState
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.auditing import note
from pickaxe.serve.http import reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import After, Door, Ids, Limit, declared, page_reply
from pickaxe.wire.native.live import resumed_after, sequence, streamed, wants_stream
from pickaxe.wire.native.nouns import EventInfo, Page, RunInfo, event_json, run_json

_UNDER_WAY = (RunState.QUEUED, RunState.RUNNING)
_POINTS = 10_000


class Point(BaseModel):
    step: int | None = None
    value: float | None = None
    at: str


class Series(BaseModel):
    """One metric over steps, oldest first."""

    name: str = Field(examples=["loss"])
    points: list[Point]


class LogLine(BaseModel):
    seq: int
    at: str
    level: str
    text: str


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1/runs", tags=["runs"])
    about_logs = {"seq": 12, "at": examples.AT, "level": "info", "text": "epoch 1 of 3"}

    @routes.get("", summary="Runs, newest first", **declared("read", Page[RunInfo], examples.page(examples.RUN)))
    def runs(
        request: Request,
        prefix: Annotated[str, Query(max_length=200, description="names that begin so")] = "",
        name: Annotated[list[str] | None, Query(max_length=100, description="exactly this name, or one of several")] = None,
        step: Annotated[str, Query(max_length=300, description="module:function")] = "",
        state: Annotated[list[RunState] | None, Query(description="one state or several")] = None,
        id: Ids = None,
        after: After = None,
        limit: Limit = 50,
    ) -> Response:
        runs = door.seen(request).runs
        if id is not None:
            return page_reply(request, [run_json(run) for run in runs.many(id).values()], None)
        names = [each for each in name or () if each]
        one, several = (names[0], None) if len(names) == 1 else ("", names or None)
        found, following = runs.page(
            prefix=prefix, name=one, names=several, step=step, states=state or (), after=after, limit=limit
        )
        return page_reply(request, [run_json(run) for run in found], following)

    @routes.get("/{run_id}", summary="One run", **declared("read", RunInfo, examples.RUN))
    def run(run_id: str, request: Request) -> Response:
        return reply(request, run_json(door.seen(request).runs.get(run_id)))

    @routes.get(
        "/{run_id}/events", summary="What a run told, or live", **declared("read", Page[EventInfo], examples.page(examples.EVENT))
    )
    def events(
        run_id: str,
        request: Request,
        kind: Annotated[list[str] | None, Query(max_length=100)] = None,
        after: After = None,
        limit: Limit = 500,
    ) -> Response:
        """A page of events; with ``Accept: text/event-stream`` what was and what comes, until the run ends (``event: end``).

        A stream goes on after ``Last-Event-ID``.
        """
        workspace = door.seen(request)
        workspace.runs.get(run_id)
        if wants_stream(request):
            return streamed(
                door.live.stream(_reader(workspace, run_id, kind), resumed_after(request, after), _ended(workspace, run_id))
            )
        found = workspace.events(subject=run_id, kind=kind, after_seq=sequence(after), limit=limit)
        following = str(found[-1].seq) if len(found) == limit else None
        return page_reply(request, [event_json(event) for event in found], following)

    @routes.get("/{run_id}/logs", summary="What a run said", **declared("read", Page[LogLine], examples.page(about_logs)))
    def logs(run_id: str, request: Request, after: After = None, limit: Limit = 500) -> Response:
        workspace = door.seen(request)
        workspace.runs.get(run_id)
        found = workspace.events(subject=run_id, kind="log", after_seq=sequence(after), limit=limit)
        lines = [{"seq": item.seq, "at": item.at, "level": item.name, "text": item.body.get("text", "")} for item in found]
        return page_reply(request, lines, str(found[-1].seq) if len(found) == limit else None)

    @routes.get(
        "/{run_id}/metrics",
        summary="A run's curves",
        **declared("read", list[Series], [{"name": "loss", "points": [{"step": 1, "value": 0.7, "at": examples.AT}]}]),
    )
    def metrics(run_id: str, request: Request) -> Response:
        """At most 10,000 points in all, the first ones."""
        workspace = door.seen(request)
        workspace.runs.get(run_id)
        series: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in workspace.events(subject=run_id, kind="metric", limit=_POINTS):
            series[event.name].append({"step": event.step, "value": event.value, "at": event.at})
        return reply(request, [{"name": name, "points": points} for name, points in series.items()])

    @routes.post(
        "/{run_id}/cancel", summary="Stop a run", **declared("write", RunInfo, examples.RUN | {"state": "running"}, status=202)
    )
    def cancel(run_id: str, request: Request) -> Response:
        """Its worker is gone within a second; the run is then `cancelled`. 409 when it is not under way."""
        workspace = door.seen(request)
        found = workspace.runs.get(run_id)
        note(request, run_id, run=found.name)
        workspace.cancel(run_id)
        return reply(request, run_json(workspace.runs.get(run_id)), status=202)

    return routes


def _reader(workspace: Workspace, run_id: str, kinds: list[str] | None) -> Any:
    def read(after: int) -> list[Event]:
        return workspace.events(subject=run_id, kind=kinds, after_seq=after, limit=500)

    return read


def _ended(workspace: Workspace, run_id: str) -> Any:
    def ended() -> str | None:
        state = workspace.runs.get(run_id).state
        return None if state in _UNDER_WAY else str(state)

    return ended
