"""Jobs: production lines that the server carries out in the background, one at a time."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from datetime import datetime
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, model_validator
from starlette.responses import Response

from pickaxe.flows.job_view import JOB, STAGE, final_state, job_of, jobs_page
from pickaxe.flows.jobs import ARTIFACT
from pickaxe.kernel.access.scopes import Caller
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nouns import Event
from pickaxe.serve.access import caller_of
from pickaxe.serve.errors import Forbidden
from pickaxe.serve.http import RequestBody, reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import After, Door, Limit, declared, page_reply
from pickaxe.wire.native.live import resumed_after, sequence, streamed, wants_stream
from pickaxe.wire.native.nouns import EventInfo, Page, event_json

_DEMO = "demo:"
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
    """What to do: a task as an object, or as the text of a task file."""

    kind: Literal["produce"] = "produce"
    task: dict[str, Any] | None = None
    toml: str | None = Field(default=None, max_length=100_000)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.task is None) == (self.toml is None):
            raise ValueError("expected either 'task' or 'toml'")
        return self

    def values(self) -> dict[str, Any]:
        if self.task is not None:
            return self.task
        try:
            return tomllib.loads(self.toml or "")
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"the task is not TOML: {error}", expected="the text of a task file") from None


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
        _refuse_paths(caller, values)
        job = door.running().submit(door.seen(request), given.kind, values, by=caller.name)
        return reply(request, asdict(job), status=202)

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
        return reply(request, asdict(door.running().cancel(door.seen(request), job_id)), status=202)

    return routes


def _refuse_paths(caller: Caller, values: dict[str, Any]) -> None:
    """The server's own files are its user's: without sign-in that is who calls, with it nobody who calls."""
    traffic = values.get("traffic")
    named = [values.get("data"), values.get("encoder"), traffic.get("foreign") if isinstance(traffic, dict) else None]
    for value in named:
        if not isinstance(value, str) or value.startswith((_DEMO, ARTIFACT)):
            continue
        if caller.kind != "local":
            raise Forbidden(
                "a path on the server cannot be named here",
                expected="demo:NAME, or artifact:REF of an upload",
                got=f"{value!r:.100}",
                remedy="upload the file first: POST /v1/imports",
            )
        if not PurePath(value).is_absolute():
            raise BadInput(f"{value!r:.100} is not a whole path", expected="an absolute path, demo:NAME or artifact:REF")
