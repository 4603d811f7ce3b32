"""What the events of a queue amount to: who has answered, holds or has skipped which item."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Self

from pickaxe.data.label.rows import REVIEW, AnnotationRow

if TYPE_CHECKING:
    from pickaxe.kernel.events import Events
    from pickaxe.kernel.nouns import Event

_KINDS = ("annotation", "desk")
_PAGE = 5_000


@dataclass(slots=True)
class Standing:
    """The fold over the events of one name, whichever version of the queue they were given in."""

    seq: int = 0
    looked: int = 0  # number up to which `catch_up_all` has looked; `seq` is that of the last event of this name
    answers: dict[tuple[str, str], AnnotationRow] = field(default_factory=dict)  # (row_key, annotator) -> the standing answer
    history: dict[str, dict[str, None]] = field(default_factory=dict)  # annotator -> row_keys answered or skipped, oldest first
    withdrawn: dict[tuple[str, str], AnnotationRow] = field(default_factory=dict)  # taken back, and not answered again since
    held: dict[str, dict[str, tuple[int, datetime]]] = field(default_factory=dict)  # row_key -> annotator -> (rank, since when)
    skipped: set[tuple[str, str]] = field(default_factory=set)
    decisions: dict[str, AnnotationRow] = field(default_factory=dict)  # row_key -> what a reviewer said holds
    given: dict[str, int] = field(default_factory=dict)  # row_key -> how many standing answers
    taken_back: int = 0  # answers that were undone, ever

    @classmethod
    def of(cls, log: Events, name: str) -> Self:
        """As it is now."""
        found = cls()
        found.catch_up(log, name)
        return found

    def catch_up(self, log: Events, name: str) -> None:
        while True:
            page = log.list(kind=_KINDS, name=name, after_seq=self.seq, limit=_PAGE)
            for event in page:
                self.take_in(event)
            if len(page) < _PAGE:
                return

    @staticmethod
    def catch_up_all(log: Events, standings: Mapping[str, Standing]) -> None:
        """Those of several names, by name, in one look at what came since all of them were looked at."""
        newest = log.newest_seq()
        for name, standing in standings.items():
            if not standing.looked:
                standing.catch_up(log, name)
                standing.looked = newest
        after = min((standing.looked for standing in standings.values()), default=newest)
        while after < newest and (page := log.list(kind=_KINDS, after_seq=after, up_to=newest, limit=_PAGE)):
            for event in page:
                standing = standings.get(event.name)
                if standing and event.seq > standing.seq:
                    standing.take_in(event)
            after = page[-1].seq
        for standing in standings.values():
            standing.looked = max(standing.looked, newest)

    def missing(self, keys: Collection[str], overlap: int) -> dict[str, int]:
        """How many answers each of `keys` still wants, those that want none left out.

        An item that somebody skipped wants none once everybody who worked on these keys has answered or skipped it.
        """
        here = {who for key, who in (*self.answers, *self.skipped) if key in keys}
        found: dict[str, int] = {}
        for key in keys:
            done = [who for who in here if (key, who) in self.skipped or (key, who) in self.answers]
            given_up = len(done) == len(here) and any((key, who) in self.skipped for who in here)
            if (count := overlap - self.given.get(key, 0)) > 0 and not given_up:
                found[key] = count
        return found

    def take_in(self, event: Event) -> None:
        self.seq = max(self.seq, event.seq)
        key = event.subject
        if event.kind == "annotation":
            row = AnnotationRow.of(event.body)
            if row is None:
                return
            if row.arm == REVIEW:
                self.decisions[key] = row
                return
            if (key, row.annotator) not in self.answers:
                self.given[key] = self.given.get(key, 0) + 1
            self.answers[key, row.annotator] = row
            self.skipped.discard((key, row.annotator))
            self.withdrawn.pop((key, row.annotator), None)
            self._done_with(key, row.annotator)
            return
        who = event.body["annotator"]
        if event.body["action"] == "undecide":
            self.decisions.pop(key, None)
        elif event.body["action"] == "take":
            self.held.setdefault(key, {})[who] = (event.seq, event.at)
        elif event.body["action"] == "skip":
            self.skipped.add((key, who))
            self._done_with(key, who)
        elif event.body["action"] == "release":
            self._let_go(key, who)
        elif event.body["action"] == "unskip" and (key, who) in self.skipped:
            self.skipped.remove((key, who))
            self._in_front_again(event, who, still_done=(key, who) in self.answers)
        elif event.body["action"] == "undo" and (answer := self.answers.pop((key, who), None)):
            self.given[key] -= 1
            self.taken_back += 1
            self.withdrawn[key, who] = answer
            self._in_front_again(event, who, still_done=(key, who) in self.skipped)

    def _done_with(self, key: str, who: str) -> None:
        history = self.history.setdefault(who, {})
        history.pop(key, None)
        history[key] = None
        self._let_go(key, who)

    def _in_front_again(self, event: Event, who: str, *, still_done: bool) -> None:
        if not still_done:
            del self.history[who][event.subject]
        self.held.setdefault(event.subject, {})[who] = (-event.seq, event.at)  # before whatever waits, the last one first

    def _let_go(self, key: str, who: str) -> None:
        holders = self.held.get(key, {})
        holders.pop(who, None)
        if not holders:
            self.held.pop(key, None)
