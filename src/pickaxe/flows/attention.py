"""What needs a person now: runs that failed and were not made good, drift that nobody answered, corrections that wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pickaxe.kernel.nouns import Endpoint, RunState

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

_LOOK_BACK = 20
MOST_COUNTED = 500


@dataclass(frozen=True, slots=True)
class Matter:
    """Something to do. `subject` is a run id for ``failed`` and ``interrupted``, else an endpoint's name."""

    kind: Literal["failed", "interrupted", "drift", "feedback"]
    subject: str
    at: datetime
    said: dict[str, Any] = field(default_factory=dict[str, Any])


def attention(workspace: Workspace) -> list[Matter]:
    """The newest matters, the most recent first. Looks at the last few of each kind, so it is quick in any workspace."""
    endpoints = {endpoint.name: endpoint for endpoint in workspace.endpoints()}
    found = [*_broken_runs(workspace), *_drift(workspace, endpoints), *_feedback(workspace, endpoints)]
    return sorted(found, key=lambda matter: matter.at, reverse=True)


def _broken_runs(workspace: Workspace) -> list[Matter]:
    """Failed or interrupted runs whose name has no newer run."""
    found: dict[str, Matter] = {}
    for run in workspace.runs.page(states=[RunState.FAILED, RunState.INTERRUPTED], limit=_LOOK_BACK)[0]:
        if run.name in found or workspace.runs.page(name=run.name, limit=1)[0][0].id != run.id:
            continue
        message = (run.error or {}).get("message", "")
        found[run.name] = Matter(
            "failed" if run.state == RunState.FAILED else "interrupted",
            run.id,
            run.ended_at or run.created_at,
            {"name": run.name, "message": message, "remedy": (run.error or {}).get("remedy", "")},
        )
    return list(found.values())


def _drift(workspace: Workspace, endpoints: dict[str, Endpoint]) -> list[Matter]:
    """Alerts that came after the newest model, the newest of each endpoint."""
    found: dict[str, Matter] = {}
    for event in workspace.log.list(kind="alert", limit=_LOOK_BACK, newest_first=True):
        endpoint = endpoints.get(event.name)
        if endpoint is None or event.name in found or event.seq < _published_seq(workspace, endpoint):
            continue
        said = {"source": event.body.get("source", ""), "alarms": event.body.get("alarms"), "artifact_id": event.subject}
        found[event.name] = Matter("drift", event.name, event.at, said)
    return list(found.values())


def _feedback(workspace: Workspace, endpoints: dict[str, Endpoint]) -> list[Matter]:
    """Corrections that came after the newest model: the next round learns from them."""
    oldest = min((_published_seq(workspace, endpoint) for endpoint in endpoints.values()), default=0)
    counted: dict[str, list[Any]] = {}
    for event in workspace.log.list(kind="feedback", after_seq=oldest, limit=MOST_COUNTED):
        counted.setdefault(event.name, []).append(event)
    found: list[Matter] = []
    for name, events in counted.items():
        if name not in endpoints:
            continue
        since = _published_seq(workspace, endpoints[name])
        waiting = [event for event in events if event.seq > since]
        if waiting:
            found.append(Matter("feedback", name, waiting[-1].at, {"count": len(waiting)}))
    return found


def _published_seq(workspace: Workspace, endpoint: Endpoint) -> int:
    """Number of the event by which the endpoint's newest model was published."""
    seqs = [
        event.seq
        for route in endpoint.routes
        for event in workspace.log.list(kind="publish", subject=route.artifact_id, limit=1, newest_first=True)
    ]
    return max(seqs, default=0)
