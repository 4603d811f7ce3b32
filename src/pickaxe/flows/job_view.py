"""A job as its events tell it: the view that `pickaxe.flows.jobs` explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pickaxe.flows.desk import address, answers_wanted
from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.nouns import Event

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

JOB = "job"
STAGE = "stage"
Facts = Sequence[list[Event]]
"""The events of some jobs, of each job by itself and oldest first."""
_PAGE = 1000
_STATES = {"queued": "queued", "started": "running", "waiting": "waiting", "resumed": "running", "stopped": "queued"}


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as its events tell it. `state`: queued, running, waiting (for people), succeeded, failed or cancelled."""

    id: str
    kind: str
    name: str
    state: str
    queued_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 0
    by: str = ""
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    spec: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seq: int = 0
    waits_at: str | None = None
    """The page of this server where people answer; None when the job does not wait."""
    missing: int = 0
    """Answers that it waits for."""


@dataclass(frozen=True, slots=True)
class JobNow:
    """A job that has not ended. `since`: when it came into its state; `behind`: whose turn is before, the next to go first."""

    job: JobView
    since: datetime
    behind: tuple[str, ...] = ()
    cancelling: bool = False
    """Somebody asked that it stop."""


def job_of(workspace: Workspace, job_id: str) -> JobView:
    """Raises `NotFound`."""
    job = _view(facts_of(workspace, job_id))
    return replace(job, missing=answers_wanted(workspace, job.name)) if job.state == "waiting" else job


def final_state(workspace: Workspace, job_id: str) -> str | None:
    """What the job ended as; None when it has not. Quicker than `job_of`: no answers are counted."""
    job = _view(facts_of(workspace, job_id))
    return job.state if job.ended_at else None


def facts_of(workspace: Workspace, job_id: str) -> list[Event]:
    """The events of a job, oldest first. Raises `NotFound`."""
    facts = workspace.events(kind=JOB, subject=job_id, limit=_PAGE)
    if not facts or facts[0].name != "queued":
        raise NotFound(f"no job {job_id!r:.80}", see="jobs", reason="no_job", name=job_id[:80])
    return facts


def starts_in_vain(workspace: Workspace, job_id: str) -> int:
    """How often the job was started and neither got a stage further nor was stopped in order nor came to wait for people."""
    stages = workspace.events(kind=STAGE, subject=job_id, limit=_PAGE, newest_first=True)
    further = (event.seq for event in stages if event.body.get("state") == "ended" and not event.body.get("cached"))
    last = next(further, 0)
    since = 0
    for event in facts_of(workspace, job_id):
        if event.name == "started" and event.seq > last:
            since += 1
        elif event.name in ("stopped", "waiting"):
            since = 0
    return since


def jobs_page(workspace: Workspace, *, after: int = 0, limit: int = 50) -> list[JobView]:
    """Newest first; go on with ``after=page[-1].seq``."""
    found: list[JobView] = []
    while len(found) < limit:
        page = workspace.events(kind=JOB, after_seq=after, limit=_PAGE, newest_first=True)
        queued = [event for event in page if event.name == "queued"][: limit - len(found)]
        found += [job_of(workspace, event.subject) for event in queued]
        if len(page) < _PAGE:
            break
        after = page[-1].seq
    return found


def recent_facts(workspace: Workspace, *, most: int = 500) -> Facts:
    """The events of each job that the newest `most` events tell of, oldest first; read once for all that is asked of them."""
    facts: dict[str, list[Event]] = {}
    for event in workspace.log.list(kind=JOB, limit=most, newest_first=True):
        facts.setdefault(event.subject, []).insert(0, event)
    return [known if known[0].name == "queued" else facts_of(workspace, job_id) for job_id, known in facts.items()]


def recent_jobs(recent: Facts) -> list[JobView]:
    """The jobs of `recent`, newest first. Quicker than `jobs_page`: no answers are counted."""
    return sorted((_view(facts) for facts in recent), key=lambda job: job.seq, reverse=True)


def jobs_under_way(recent: Facts) -> list[JobNow]:
    """The jobs of `recent` that have not ended, oldest first."""
    found: list[JobNow] = []
    before: dict[str, list[str]] = {}  # server -> the jobs whose turn is now or sooner
    open_jobs = [(job, facts) for facts in recent if not (job := _view(facts)).ended_at]
    for job, facts in sorted(open_jobs, key=lambda pair: (pair[0].state != "running", pair[0].seq)):
        since = [event.at for event in facts if event.name in _STATES][-1]
        ahead = before.setdefault([event.body.get("pool", "") for event in facts if event.name in ("queued", "claimed")][-1], [])
        behind = tuple(ahead) if job.state == "queued" else ()
        found.append(JobNow(job, since, behind, any(event.name == "cancel" for event in facts)))
        if job.state != "waiting":  # for people: meanwhile others have their turn
            ahead.append(job.name)
    return sorted(found, key=lambda now: now.job.seq)


def newest_job(workspace: Workspace, task: str) -> JobNow | None:
    """The job of `task` that is under way, else the one that was queued last, as far as recent events tell; with missing answers."""
    recent = recent_facts(workspace)
    under_way = next((now for now in jobs_under_way(recent) if now.job.name == task), None)
    if under_way and under_way.job.state == "waiting":
        under_way = replace(under_way, job=job_of(workspace, under_way.job.id))
    ended = next((job for job in recent_jobs(recent) if job.name == task), None)
    return under_way or (JobNow(ended, ended.ended_at or ended.queued_at) if ended else None)


def _view(facts: list[Event]) -> JobView:
    asked = facts[0]
    started = [event for event in facts if event.name == "started"]
    ended = next((event for event in reversed(facts) if event.name == "ended"), None)
    state = ended.body["state"] if ended else [_STATES[event.name] for event in facts if event.name in _STATES][-1]
    return JobView(
        id=asked.subject,
        kind=asked.body["kind"],
        name=asked.body["spec"].get("name", ""),
        state=state,
        queued_at=asked.at,
        started_at=started[-1].at if started else None,
        ended_at=ended.at if ended else None,
        attempts=len(started),
        by=asked.body["by"],
        result=ended.body.get("result") if ended else None,
        error=ended.body.get("error") if ended else None,
        spec=asked.body["spec"],
        seq=asked.seq,
        waits_at=address(asked.body["spec"].get("name", "")) if state == "waiting" else None,
    )
