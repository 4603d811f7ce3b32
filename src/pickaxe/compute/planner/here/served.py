"""What the meters read of serving: of a server from the ledger, of an endpoint from its traces, and so after a kill as after a drain.

A window is a stretch of serving that one forecast is about. A server that drains reads its windows itself; those of one that was killed
are read from what it had written by then, when the next server starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from pickaxe.compute.planner.here.foresight import EVENT
from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.ledger.spare import SERVER
from pickaxe.kernel.ledger.tariff import HOUR_NS
from pickaxe.kernel.ledger.tokens import METER as TOKENS
from pickaxe.kernel.system.clock import as_ns

if TYPE_CHECKING:
    from pickaxe.kernel.nouns import Event
    from pickaxe.kernel.workspace import Workspace

SERVED = "served"
"""Kind of the event with what was read of a window; its subject is that of the forecast."""
STEP = "serve"

SHORTEST_NS = HOUR_NS // 6
"""Traffic of a shorter window is not read: what came in a minute says nothing of an hour."""
FEWEST_ANSWERS = 20
BUSY_ANSWERS = 1_000
"""Answers of a window from which on its CPU time is that of answers, and not of waiting for them."""
_MOST_LATENCIES = 1_000
_UNREAD = 20
"""Newest forecasts of one name among which unread ones are looked for: as many servers may have died at once."""


@dataclass(frozen=True, slots=True)
class Window:
    """From one instant to another, and the events between: those after number `after_seq` up to `up_to_seq`."""

    begin_ns: int
    end_ns: int
    after_seq: int
    up_to_seq: int

    @property
    def lasted(self) -> int:
        return max(self.end_ns - self.begin_ns, 1)


def read_server(workspace: Workspace, holder: str, number: int, window: Window, answers: int | None = None) -> dict[str, float]:
    """Of window `number` of a server. How many `answers` its process gave is known to that process alone."""
    used, held = workspace.ledger.used(holder, number), workspace.ledger.held(holder, window.begin_ns, window.end_ns)
    readings = {"nano_hour": held.nano / window.lasted * HOUR_NS, "core_share": held.unit_ns / window.lasted}
    if "memory_peak_bytes" in used:
        readings["memory_peak_bytes"] = used["memory_peak_bytes"]
    if window.lasted >= SHORTEST_NS and used.get("wall_ms"):
        readings["tokens_hour"] = used.get(TOKENS, 0) / used["wall_ms"] * 3_600_000
    if answers is not None and answers >= BUSY_ANSWERS:
        readings["answer_cpu_us"] = used["cpu_time_ms"] / answers * 1000
    return readings


def read_endpoint(workspace: Workspace, name: str, window: Window) -> dict[str, float]:
    """Of an endpoint, whichever servers answered for it; what its answers cost, to the tenant that runs the servers."""
    log = workspace.log
    answers = log.count("trace", name=name, after_seq=window.after_seq, up_to_seq=window.up_to_seq)
    readings: dict[str, float] = {"answers": answers}
    if answers >= FEWEST_ANSWERS:
        later = log.count("trace", name=name, after_seq=window.up_to_seq)
        newest = log.values("trace", name, limit=later + min(answers, _MOST_LATENCIES))[later:]
        readings["answer_us"] = 1000 * median(ms for _, ms in newest if ms is not None)
    if window.lasted < SHORTEST_NS:
        return readings
    readings["answers_hour"] = answers / window.lasted * HOUR_NS
    if workspace.tenant_id == LOCAL_TENANT and answers >= FEWEST_ANSWERS:
        held = workspace.ledger.held(f"{SERVER}-", window.begin_ns, window.end_ns)
        readings["nano_thousand"] = 1000 * held.nano / answers_of_all(workspace, window.after_seq, window.up_to_seq)
    return readings


def answers_of_all(workspace: Workspace, after_seq: int, up_to_seq: int | None = None) -> int:
    """What servers answered to all tenants: they share its cost."""
    logs = [workspace.for_tenant(tenant_id).log for tenant_id in workspace.catalog.tenant_ids()]
    return sum(log.count("trace", after_seq=after_seq, up_to_seq=up_to_seq) for log in logs)


def keep_readings(
    workspace: Workspace, subject: str, endpoint: str, readings: Mapping[str, float], *, killed: bool = False
) -> None:
    """Those of a killed server are kept once: of several servers that find its window unread, by the first."""
    body = {"readings": dict(readings)} | ({"killed": True} if killed else {})
    if not killed:
        workspace.emit(SERVED, subject, name=f"{STEP}:{endpoint}", body=body)
        return
    with workspace.log.turn() as log:
        if not log.list(kind=SERVED, subject=subject, limit=1):
            log.emit(SERVED, subject, name=f"{STEP}:{endpoint}", body=body)


def read_killed(workspace: Workspace) -> int:
    """Read the windows whose servers ended without reading them; returns how many.

    What only the process knew is lost: its memory, tokens and CPU time after its last note in the ledger.
    """
    found = 0
    for tenant_id in workspace.catalog.tenant_ids():
        seen = workspace.for_tenant(tenant_id)
        for event, ended in _unread(seen):
            endpoint = event.body["endpoint"]
            window = Window(as_ns(event.at), ended, event.seq, max(event.seq, seen.log.seq_before(ended + 1)))
            if endpoint:
                readings = read_endpoint(seen, endpoint, window)
            else:
                holder, _, number = event.subject.rpartition(":")
                readings = read_server(seen, holder, int(number), window)
            keep_readings(seen, event.subject, endpoint, readings, killed=True)
            found += 1
    return found


def _unread(workspace: Workspace) -> Iterator[tuple[Event, int]]:
    """Forecasts of windows that nobody read though the pool of their server is closed, and when it was."""
    for name in workspace.log.names(EVENT):
        if not name.startswith(f"{STEP}:"):
            continue
        newest = workspace.log.list(kind=EVENT, name=name, limit=_UNREAD, newest_first=True)
        read = {event.subject for event in workspace.log.list(kind=SERVED, name=name, limit=2 * _UNREAD, newest_first=True)}
        waiting = [event for event in newest if event.subject not in read and "pool" in event.body]
        closed = workspace.stores.pools.closed({event.body["pool"] for event in waiting}) if waiting else {}
        yield from ((event, closed[event.body["pool"]]) for event in waiting if event.body["pool"] in closed)
