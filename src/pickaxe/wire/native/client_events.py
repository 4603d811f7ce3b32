"""The log behind a server; the other side is `pickaxe.wire.native.routes_events`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pickaxe.kernel.nouns import Event
from pickaxe.wire.native.api import PAGE, Api
from pickaxe.wire.native.nouns import EventInfo


class RemoteEvents:
    """What `pickaxe.kernel.events.Events` has for whoever looks and tells, over HTTP."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def emit(
        self,
        kind: str,
        subject: str,
        *,
        name: str = "",
        value: float | None = None,
        step: int | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one fact of an open kind (metric, log, annotation, note, progress); raises `BadInput` for the server's own."""
        self.emit_many([{"kind": kind, "subject": subject, "name": name, "value": value, "step": step, "body": body}])

    def emit_many(self, facts: Iterable[Mapping[str, Any]]) -> None:
        """All or none; at most 1,000 at once."""
        events = [{key: value for key, value in fact.items() if value is not None} for fact in facts]
        if events:
            self._api.post("/v1/events", {"events": events})

    def list(
        self,
        *,
        kind: str | Sequence[str] | None = None,
        subject: str | None = None,
        name: str | Sequence[str] | None = None,
        after_seq: int = 0,
        beyond: int = 0,
        up_to: int | None = None,
        limit: int = 1000,
        newest_first: bool = False,
    ) -> list[Event]:
        """As `pickaxe.kernel.events.Events.list`; of more than 1,000 in several requests."""
        asked = {"kind": kind, "subject": subject, "name": name, "beyond": beyond or None, "up_to": up_to}
        after = str(after_seq) if after_seq else None
        items, _ = self._api.some("/v1/events", limit, after=after, newest_first=newest_first or None, **asked)
        return [_event(item) for item in items]

    def each(self, kind: str) -> Iterator[Event]:
        """Every event of a kind, oldest first."""
        return map(_event, self._api.pages("/v1/events", kind=kind, limit=PAGE))


def _event(told: Any) -> Event:
    return EventInfo.model_validate(told).noun()
