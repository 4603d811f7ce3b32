"""The audit log: who changed what, on which thing, from where, and how it ended. Events of kind ``audit``; never a secret.

`subject` is what was changed, `name` the action (``POST /v1/people``, ``sign-in``, ``pickaxe produce``), `value` the HTTP status or the
exit status of a command.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pickaxe.kernel.access.scopes import Caller
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.system.clock import as_ns

if TYPE_CHECKING:
    from pickaxe.kernel.events import Events
    from pickaxe.kernel.nouns import Event

KIND = "audit"
MOST_READ = 4_000
"""Entries read for one page: somebody who did little may be far back."""
_BATCH = 400
_LONGEST = 300

ROUTINE = (
    "POST /v1/queues/{name:path}/take",
    "POST /v1/queues/{name:path}/release",
    "POST /v1/sql",
    "POST /v1/events",
    "POST /v1/plan/{kind}",
    "POST /v1/jobs/forecast",
    "POST /preferences",
    "POST /sign-in",
)
"""What happens all the time and changes nothing that anybody looks for later."""

_PLACES: Mapping[str, tuple[str, ...]] = {
    "people": ("/v1/people", "/v1/keys", "/v1/me", "/v1/tenants"),
    "signing": ("sign-in", "/sign-"),
    "labelling": ("/v1/queues", "/label", "/v1/traces"),
    "lines": ("/v1/jobs", "/v1/runs"),
    "things": ("/v1/endpoints", "/v1/aliases", "/v1/imports", "/v1/documents", "/v1/scenarios", "/v1/prices", "/plan", "/data"),
    "commands": ("pickaxe",),
}
KINDS = tuple(_PLACES)


@dataclass(frozen=True)
class Asked:
    """Which entries: by whom (a principal's id), of which kind, within [since, until), and whether with what is routine.

    Raises `BadInput` for a kind that there is not.
    """

    who: str = ""
    kind: str = ""
    routine: bool = True
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.kind and self.kind not in KINDS:
            raise BadInput(f"{self.kind!r:.40} is no kind of change", expected=f"one of {', '.join(KINDS)}")

    def is_by(self, event: Event) -> bool:
        return not self.who or event.body.get("principal_id") == self.who

    def _has(self, action: str) -> bool:
        if not self.routine and action in ROUTINE:
            return False
        begins = _PLACES.get(self.kind)
        return begins is None or action.startswith(begins) or action.rpartition(" ")[2].startswith(begins)


class Entries(NamedTuple):
    """A page of the log. Further ones come after number `following`, None at the end. It may be short, or empty, before that: a
    page ends after `MOST_READ` entries."""

    events: Sequence[Event]
    following: int | None


def page(log: Events, asked: Asked, *, after: int = 0, limit: int = 100, newest_first: bool = True) -> Entries:
    """Entries in the order of their numbers, newest first or oldest first, beyond number `after` (0: from the end, or the beginning)."""
    found: list[Event] = []
    for count, event in enumerate(each(log, asked, after=after, newest_first=newest_first), 1):
        if asked.is_by(event):
            found.append(event)
        if len(found) == limit or count == MOST_READ:
            return Entries(found, event.seq)
    return Entries(found, None)


def each(log: Events, asked: Asked, *, after: int = 0, newest_first: bool = True) -> Iterator[Event]:
    """Entries of the kind and time asked for, by anybody: who it was stands where no index reaches (see `Asked.is_by`)."""
    beyond = log.seq_before(as_ns(asked.since)) if asked.since else 0
    up_to = log.seq_before(as_ns(asked.until)) if asked.until else None
    actions = [action for action in log.names(KIND) if asked._has(action)]
    while batch := log.list(
        kind=KIND, name=actions, after_seq=after, beyond=beyond, up_to=up_to, limit=_BATCH, newest_first=newest_first
    ):
        yield from batch
        after = batch[-1].seq


def record(
    log: Events,
    by: Caller | None,
    action: str,
    on: str,
    outcome: int,
    *,
    through: Literal["api", "console", "cli", "sign-in"],
    origin: str,
    **details: Any,
) -> None:
    """Append one entry to the log of the caller's tenant; when this returns it survives a kill.

    `origin` is a network address, or the name of the machine. `by` is None for somebody who did not get in.
    """
    who = {"principal_id": by.principal_id, "who": by.name, "as": by.kind, "key_id": by.key_id} if by else {}
    body = {**who, "through": through, "origin": origin[:_LONGEST], **details}
    log.emit(KIND, on[:_LONGEST], name=action[:_LONGEST], value=float(outcome), body=body)
