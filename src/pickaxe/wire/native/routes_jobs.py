"""Jobs: production lines that the server carries out in the background, one at a time."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, model_validator
from starlette.responses import Response

from pickaxe.flows.job_spec import checked_task, refuse_paths
from pickaxe.flows.job_view import JOB, STAGE, final_state, job_of, jobs_page
from pickaxe.flows.preview import preview
from pickaxe.flows.task import Task
from pickaxe.kernel.nouns import Event
from pickaxe.kernel.toml_text import LONGEST, values_of
from pickaxe.serve.access import caller_of
from pickaxe.serve.auditing import note
from pickaxe.serve.http import ErrorBody, RequestBody, reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import After, Door, Limit, declared, page_reply
from pickaxe.wire.native.live import resumed_after, sequence, streamed, wants_stream
from pickaxe.wire.native.nouns import EventInfo, Page, event_json

_TOLD = (JOB, STAGE, "progress")


class JobInfo(BaseModel):
    """A job as it stands."""

    id: str
    kind: str
    name: str = Field(description="the task's name")
    state: Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled"]
    queued_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = Field(description="more than 1 when a server was stopped or killed meanwhile")
    by: str
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    spec: dict[str, Any]
    seq: int
    waits_at: str | None = Field(default=None, description="the page where people answer, while it waits for them")
    missing: int = Field(default=0, description="answers that it waits for")


class NewJob(RequestBody):
    """What to do: a task as an object, as the text of a task file, or by the name of a task of the demo."""

    kind: Literal["produce"] = "produce"
    task: dict[str, Any] | None = None
    toml: str | None = Field(default=None, max_length=LONGEST)
    demo: str | None = Field(default=None, max_length=100, description="headlines or reuters")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(way is not None for way in (self.task, self.toml, self.demo)) != 1:
            raise ValueError("expected one of 'task', 'toml' and 'demo'")
        return self

    def values(self) -> dict[str, Any]:
        if self.task is not None:
            return self.task
        if self.demo is not None:
            return Task.shipped(self.demo).model_dump(mode="json")
        return values_of(self.toml or "", what="the task", expected="the text of a task file")


class JobForecast(NewJob):
    """A job that is asked about, not started."""

    data_bytes: int | None = Field(
        default=None, ge=0, lt=2**53, description="size of the data, where it is not uploaded yet: `data` is then a name only"
    )


class Band(BaseModel):
    """Where nine of ten readings should lie."""

    low: float
    middle: float
    high: float


class StageForecast(BaseModel):
    """One stage: how often it runs, and what one run of it should take. Money in nano."""

    stage: str
    times: int
    seconds: Band
    memory_bytes: float | None = None
    tokens: float | None = Field(default=None, description="that models read; null for a stage without a model")
    nano: int
    runs: int = Field(description="earlier runs that it rests on")


class ForecastInfo(BaseModel):
    """What a line should take; no stages where no line has run yet."""

    stages: list[StageForecast]
    seconds: float
    nano: int
    memory_bytes: float | None = Field(default=None, description="peak of the largest stage")
    tokens: float
    refused: ErrorBody | None = Field(default=None, description="what the task's own limits would end it with")


_FORECAST: dict[str, Any] = {
    "stages": [
        {
            "stage": "ingest",
            "times": 1,
            "seconds": {"low": 0.8, "middle": 1.1, "high": 1.5},
            "memory_bytes": 2.1e8,
            "tokens": None,
            "nano": 14_000,
        }
        | {"runs": 3}
    ],
    "seconds": 1.1,
    "nano": 14_000,
    "memory_bytes": 2.1e8,
    "tokens": 0.0,
    "refused": None,
}
_EXAMPLE: dict[str, Any] = {
    "id": "job-5f0c6a1b2d3e4f5061728394",
    "kind": "produce",
    "name": "headlines",
    "state": "running",
    "queued_at": examples.AT,
    "started_at": examples.AT,
    "ended_at": None,
    "attempts": 1,
    "by": "ada",
    "result": None,
    "error": None,
    "spec": {"name": "headlines", "data": "artifact:uploads/headlines:1", "annotators": "file"},
    "seq": 4711,
    "waits_at": None,
    "missing": 0,
}


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])

    @routes.get("", summary="Jobs, newest first", **declared("read", Page[JobInfo], examples.page(_EXAMPLE)))
    def jobs(request: Request, after: After = None, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> Response:
        found = jobs_page(door.seen(request), after=sequence(after), limit=limit)
        return page_reply(request, [asdict(job) for job in found], str(found[-1].seq) if len(found) == limit else None)

    @routes.post(
        "",
        summary="Start a production line",
        **declared(
            "write",
            JobInfo,
            _EXAMPLE | {"state": "queued", "started_at": None, "attempts": 0},
            status=202,
            form=NewJob,
            body_example={
                "kind": "produce",
                "task": _EXAMPLE["spec"] | {"ingest": {"text": "headline", "label": "is_sarcastic"}},
            },
        ),
    )
    def submit(request: Request, given: NewJob = door.body(NewJob)) -> Response:
        """It is on record when the answer comes, and is taken up again after a kill. `data` and `encoder` are ``demo:NAME`` or
        ``artifact:REF`` of something uploaded with ``POST /v1/imports``; paths on the server only where nobody signs in."""
        caller, values = caller_of(request), given.values()
        refuse_paths(caller, values)
        job = door.running().submit(door.seen(request), given.kind, values, by=caller.name)
        note(request, job.id, line=job.name)
        return reply(request, asdict(job), status=202)

    @routes.post(
        "/forecast",
        summary="What a production line should take; nothing is started",
        **declared(
            "write",
            ForecastInfo,
            _FORECAST,
            form=JobForecast,
            body_example={
                "kind": "produce",
                "task": _EXAMPLE["spec"] | {"ingest": {"text": "headline", "label": "is_sarcastic"}},
            },
        ),
    )
    def forecast(request: Request, given: JobForecast = door.body(JobForecast)) -> Response:
        """By the lines that this workspace has run and the size of the data. Refuses what starting it would refuse; with `data_bytes`,
        for data that is not uploaded yet, files are not looked at."""
        workspace, values = door.seen(request), given.values()
        if given.data_bytes is not None:
            return reply(request, preview(workspace, Task.parse(values, where="task"), data_bytes=given.data_bytes).body())
        refuse_paths(caller_of(request), values)
        return reply(request, preview(workspace, checked_task(workspace, values)).body())

    @routes.get("/{job_id}", summary="One job", **declared("read", JobInfo, _EXAMPLE))
    def job(job_id: str, request: Request) -> Response:
        return reply(request, asdict(job_of(door.seen(request), job_id)))

    @routes.get(
        "/{job_id}/events",
        summary="What a job told, or live",
        **declared(
            "read",
            Page[EventInfo],
            examples.page(examples.EVENT | {"kind": "stage", "name": "ingest", "subject": _EXAMPLE["id"]}),
        ),
    )
    def events(job_id: str, request: Request, after: After = None, limit: Limit = 500) -> Response:
        """As ``/v1/runs/{id}/events``: a page, or with ``Accept: text/event-stream`` a stream that ends with the job."""
        workspace = door.seen(request)
        job_of(workspace, job_id)

        def read(seq: int, limit: int = 500) -> list[Event]:
            return workspace.events(subject=job_id, kind=_TOLD, after_seq=seq, limit=limit)

        if wants_stream(request):
            return streamed(door.live.stream(read, resumed_after(request, after), lambda: final_state(workspace, job_id)))
        found = read(sequence(after), limit)
        return page_reply(request, [event_json(event) for event in found], str(found[-1].seq) if len(found) == limit else None)

    @routes.post("/{job_id}/cancel", summary="Stop a job", **declared("write", JobInfo, _EXAMPLE, status=202))
    def cancel(job_id: str, request: Request) -> Response:
        """At once when it waits, within a second when it runs; what its stages have done stays in the cache."""
        workspace = door.seen(request)
        note(request, job_id, line=job_of(workspace, job_id).name)
        return reply(request, asdict(door.running().cancel(workspace, job_id)), status=202)

    return routes
