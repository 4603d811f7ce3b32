"""What needs a person now: broken runs and failed jobs that were not made good, drift that nobody answered, corrections and lines that wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pickaxe.flows.desk import answers_wanted
from pickaxe.flows.job_view import Facts, JobView, recent_facts, recent_jobs
from pickaxe.kernel.newest import newest_of_each_name, newest_run_ids
from pickaxe.kernel.nouns import Event, RunState

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

BROKEN = (RunState.FAILED, RunState.INTERRUPTED)
_LOOK_BACK = 20
MOST_COUNTED = 500


@dataclass(frozen=True, slots=True)
class Matter:
    """Something to do. `subject` is a run id for ``failed`` and ``interrupted``, a job id for ``job``, a task for ``answers``, else
    an endpoint's name."""

    kind: Literal["failed", "interrupted", "job", "drift", "feedback", "answers"]
    subject: str
    at: datetime
    said: dict[str, Any] = field(default_factory=dict[str, Any])


def attention(workspace: Workspace, recent: Facts | None = None) -> list[Matter]:
    """The newest matters, the most recent first. Looks at the last few of each kind, so it is quick in any workspace.

    `recent`: the events of the newest jobs, for who has read them already.
    """
    recent = recent_facts(workspace) if recent is None else recent
    published = _published(workspace)
    broken = _broken_runs(workspace)
    found = [
        *broken,
        *_failed_jobs(workspace, recent, published, broken),
        *_drift(workspace, published),
        *_feedback(workspace, published),
        *_answers(workspace, recent),
    ]
    return sorted(found, key=lambda matter: matter.at, reverse=True)


def _broken_runs(workspace: Workspace) -> list[Matter]:
    """Failed or interrupted runs whose name has no newer run."""
    found: dict[str, Matter] = {}
    # State by state: each is a short part of an index, both together are not.
    broken = [run for state in BROKEN for run in workspace.runs.page(states=[state], limit=_LOOK_BACK)[0]]
    newest = newest_run_ids(workspace, [run.name for run in broken])
    for run in broken:
        if newest[run.name] != run.id:
            continue
        found[run.name] = Matter(
            "failed" if run.state == RunState.FAILED else "interrupted",
            run.id,
            run.ended_at or run.created_at,
            {"name": run.name, "error": run.error or {}},
        )
    return list(found.values())


def _failed_jobs(workspace: Workspace, recent: Facts, published: Mapping[str, int], broken: list[Matter]) -> list[Matter]:
    """Failed jobs whose task has no newer one (but cancelled ones), no newer model, and no broken run that says the same."""
    newest: dict[str, JobView] = {}
    for job in recent_jobs(recent):
        if job.state != "cancelled":
            newest.setdefault(job.name, job)
    failed = [job for job in newest.values() if job.state == "failed" and published.get(job.name, 0) < job.seq]
    found: list[Matter] = []
    for job in failed[:_LOOK_BACK]:
        begun, ended = job.started_at or job.queued_at, job.ended_at or job.queued_at
        if any(run.said["name"].startswith(f"{job.name}/") and begun <= run.at <= ended for run in broken):
            continue
        said: dict[str, Any] = {"name": job.name, "error": job.error or {}}
        said["task"] = job.name if newest_of_each_name(workspace, job.name) else ""  # it may have failed before the first run
        found.append(Matter("job", job.id, ended, said))
    return found


def _drift(workspace: Workspace, published: Mapping[str, int]) -> list[Matter]:
    """Alerts that came after the newest model, the newest of each endpoint."""
    found: dict[str, Matter] = {}
    for event in workspace.log.list(kind="alert", limit=_LOOK_BACK, newest_first=True):
        if event.name not in found and event.seq > published.get(event.name, event.seq):
            said = {"source": event.body.get("source", ""), "alarms": event.body.get("alarms"), "artifact_id": event.subject}
            found[event.name] = Matter("drift", event.name, event.at, said)
    return list(found.values())


def _feedback(workspace: Workspace, published: Mapping[str, int]) -> list[Matter]:
    """Corrections that came after the newest model: the next round learns from them. ``more``: there may be older ones, uncounted."""
    page = workspace.log.list(kind="feedback", limit=MOST_COUNTED, newest_first=True)
    found: dict[str, list[Event]] = {}
    for event in page:
        corrected = event.body["label"] != event.body.get("predicted")
        if corrected and event.seq > published.get(event.name, event.seq):
            found.setdefault(event.name, []).append(event)
    cut = page[-1].seq if len(page) == MOST_COUNTED else 0
    return [
        Matter("feedback", name, events[0].at, {"count": len(events), "more": published[name] < cut})
        for name, events in found.items()
    ]


def _answers(workspace: Workspace, recent: Facts) -> list[Matter]:
    """Tasks whose job waits for people, each with the number of answers that are missing."""
    waiting = {event.body["task"]: event for event in (facts[-1] for facts in recent) if event.name == "waiting"}
    counts = {task: answers_wanted(workspace, task) for task in waiting}
    return [Matter("answers", task, event.at, {"count": counts[task]}) for task, event in waiting.items() if counts[task]]


def _published(workspace: Workspace) -> dict[str, int]:
    """endpoint -> number of the event by which its newest model was published, 0 for none."""
    models = {endpoint.name: [route.artifact_id for route in endpoint.routes] for endpoint in workspace.endpoints()}
    seqs = workspace.log.newest_seqs("publish", {id for of_one in models.values() for id in of_one})
    return {name: max((seqs.get(id, 0) for id in of_one), default=0) for name, of_one in models.items()}
