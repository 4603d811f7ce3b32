"""A queue of items that people label together: who has which item, each action an event the moment it is taken.

The queue is an artifact (which table, which form, which labels); its state is a fold over events: ``desk`` events say who took,
skipped or took back an item, ``annotation`` events are the answers. Taking an item reads the newest events and writes its own in
one transaction, so two people never get the same item unless overlap is asked for, whichever server they came through.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from pickaxe.data.label.forms import PREFERENCES, checked_answer, value_of
from pickaxe.data.label.questions import KIND, Given, Item, QueueConfig, items_of, reasons_of
from pickaxe.data.label.rows import REVIEW, AnnotationRow
from pickaxe.data.label.standing import Standing
from pickaxe.kernel.browse import versions
from pickaxe.kernel.errors import BadInput, Conflict, NotFound
from pickaxe.kernel.system.clock import as_datetime

if TYPE_CHECKING:
    from pickaxe.kernel.events import Events
    from pickaxe.kernel.nouns import Artifact
    from pickaxe.kernel.workspace import Workspace

HELD_FOR = timedelta(minutes=15)
"""An item that somebody took and neither answered nor skipped goes back to the others after this time."""
_MOST_SECONDS = 600.0
"""Longer than this nobody looks at one item: the person was away, and the time is not charged."""


class Queue:
    """One queue of a workspace, kept in memory between calls. Safe for threads and for several processes."""

    def __init__(self, workspace: Workspace, name: str, artifact: Artifact | None = None) -> None:
        """Of its newest version, for who has no `artifact` at hand. Raises `NotFound`."""
        self.name = name
        self._ws = workspace
        artifact = artifact or workspace.artifact(f"{name}/{KIND}")
        self.artifact = artifact
        self.config = QueueConfig.parse(workspace.read_json(artifact))
        self.items = {item.row_key: item for item in items_of(workspace, self.config)}
        self._order = list(self.items)
        self._why = reasons_of(workspace, self.config)
        self._state = Standing()
        self._earlier: dict[str, Item] | None = None  # items of versions before this one, once somebody asks about one
        self._complete_below = 0, 0  # items, in order, that have all their answers; true while so many were taken back
        self._turn = threading.Lock()

    @property
    def labels(self) -> Sequence[str]:
        return PREFERENCES if self.config.form == "pairs" else self.config.labels

    def take(self, annotator: str, *, ahead: int = 1) -> list[Item]:
        """The item in front of `annotator` and up to `ahead` more to preload; empty when nothing is left for them."""
        with self._turn, self._ws.log.turn() as log:
            self._catch_up(log)
            mine = [key for key, holders in self._state.held.items() if annotator in holders and key in self.items]
            found = sorted(mine, key=lambda key: self._state.held[key][annotator])[: ahead + 1]
            taken = [key for key, _ in zip(self._free_for(annotator), range(ahead + 1 - len(found)), strict=False)]
            self._note(log, [(key, "take") for key in taken], annotator)
            return [self._in_front(key, annotator) for key in [*found, *taken]]

    def answer(self, annotator: str, row_key: str, value: Any, *, seconds: float, note: str = "") -> AnnotationRow:
        """Keep an answer; when this returns it survives a kill. Answering again replaces the earlier answer.

        Raises `BadInput` for what is no answer, `NotFound` for an item of no such key, `Conflict` when enough others have answered.
        """
        arm, round_ = self._why.get(row_key, (self.config.arm, 1))
        row = self._row(self._item(row_key), annotator, value, seconds, note)._replace(arm=arm, round=round_)
        with self._turn, self._ws.log.turn() as log:
            self._catch_up(log)
            if self._closed_to(annotator, row_key):
                raise Conflict("others have answered this item", got=row_key, remedy="take the next one", reason="label_answered")
            fact = {"kind": "annotation", "subject": row_key, "name": self.name, "body": row.body()}
            log.emit_many([fact])
        return row

    def decide(self, reviewer: str, row_key: str, value: Any, *, seconds: float = 0.0, note: str = "") -> AnnotationRow | None:
        """Say what holds for an item, whatever was answered; of an earlier version, too. A `value` of None takes that back.

        It is no answer: people are asked as before, and it does not count in their agreement. Raises as `answer` does.
        """
        item = self.item(row_key)
        if item is None:
            raise self._no_item(row_key)
        if value is None:
            with self._turn, self._ws.log.turn() as log:
                self._note(log, [(row_key, "undecide")], reviewer)
            return None
        row = self._row(item, reviewer, value, seconds, note)._replace(arm=REVIEW, round=self._why.get(row_key, ("", 1))[1])
        with self._turn, self._ws.log.turn() as log:
            log.emit_many([{"kind": "annotation", "subject": row_key, "name": self.name, "body": row.body()}])
        return row

    def decisions(self, *, fresh: bool = False) -> dict[str, AnnotationRow]:
        """row_key -> what a reviewer decided. `fresh`: the newest events have just been read (`Queues.list`)."""
        self._refresh(fresh)
        return dict(self._state.decisions)

    def item(self, row_key: str) -> Item | None:
        """An item of this version or of an earlier one, whose answers stand as well."""
        if row_key in self.items:
            return self.items[row_key]
        if self._earlier is None:
            older = versions(self._ws, self.artifact.name, limit=self.artifact.version)
            configs = [
                QueueConfig.parse(self._ws.read_json(artifact)) for artifact in reversed(older) if artifact != self.artifact
            ]
            self._earlier = {item.row_key: item for config in configs for item in items_of(self._ws, config)}
        return self._earlier.get(row_key)

    def skip(self, annotator: str, row_key: str) -> None:
        """Never ask this annotator about this item again."""
        self._item(row_key)
        with self._turn, self._ws.log.turn() as log:
            self._note(log, [(row_key, "skip")], annotator)

    def release(self, annotator: str) -> None:
        """Leave the desk: what is in front of the annotator goes back to the others."""
        with self._turn, self._ws.log.turn() as log:
            self._catch_up(log)
            mine = [key for key, holders in self._state.held.items() if annotator in holders]
            self._note(log, [(key, "release") for key in mine], annotator)

    def undo(self, annotator: str) -> Item | None:
        """Take back what the annotator did last, an answer or a skip: the item is in front of them again, with what they had given.

        None: there is nothing to take back. An item that they skipped and others have answered since stays with those.
        """
        with self._turn, self._ws.log.turn() as log:
            self._catch_up(log)
            newest_first = reversed(self._state.history.get(annotator, {}))
            last = next((key for key in newest_first if key in self.items and not self._closed_to(annotator, key)), None)
            if last is None:
                return None
            self._note(log, [(last, "unskip" if (last, annotator) in self._state.skipped else "undo")], annotator)
            self._catch_up(log)
            return self._in_front(last, annotator)

    def answers(self, *, fresh: bool = False) -> list[AnnotationRow]:
        """Every standing answer, in the order of the items."""
        self._refresh(fresh)
        rank = {key: at for at, key in enumerate(self._order)}
        return sorted(self._state.answers.values(), key=lambda row: (rank.get(row.row_key, 0), row.annotator))

    def counts(self, *, fresh: bool = False) -> dict[str, Any]:
        """How far it is: `items`, `complete` (answered often enough), `answers`, and `by` annotator."""
        self._refresh(fresh)
        complete = sum(self._state.given.get(key, 0) >= self.config.overlap for key in self._order)
        by = Counter(who for _, who in self._state.answers)
        return {"items": len(self.items), "complete": complete, "answers": len(self._state.answers), "by": dict(by)}

    def missing(self) -> int:
        """How many answers are still wanted, as `Standing.missing` counts them."""
        with self._turn:
            self._catch_up(self._ws.log)
            return sum(self._state.missing(self.items, self.config.overlap).values())

    def _refresh(self, fresh: bool) -> None:
        if not fresh:
            with self._turn:
                self._catch_up(self._ws.log)

    def _row(self, item: Item, who: str, value: Any, seconds: float, note: str) -> AnnotationRow:
        label = checked_answer(self.config.form, value, self.labels, item.text)
        if len(note) > 2_000:
            raise BadInput("the note is too long", expected="at most 2,000 characters", got=str(len(note)), reason="label_note")
        spent = min(max(float(seconds), 0.0), _MOST_SECONDS)
        return AnnotationRow(item.row_key, who, label, spent, 1, self.config.arm, simulated=False, note=note)

    def _item(self, row_key: str) -> Item:
        if row_key not in self.items:
            raise self._no_item(row_key)
        return self.items[row_key]

    def _no_item(self, row_key: str) -> NotFound:
        return NotFound(
            f"no item {row_key!r:.80} in the queue {self.name}", reason="label_no_item", item=row_key[:80], queue=self.name
        )

    def _in_front(self, row_key: str, annotator: str) -> Item:
        taken_back = self._state.withdrawn.get((row_key, annotator))
        given = taken_back and Given(value_of(self.config.form, taken_back.label), taken_back.note)
        return replace(self.items[row_key], given=given)

    def _closed_to(self, annotator: str, row_key: str) -> bool:
        """Whether others have answered the item as often as was asked."""
        return (row_key, annotator) not in self._state.answers and self._state.given.get(row_key, 0) >= self.config.overlap

    def _catch_up(self, log: Events) -> None:
        self._state.catch_up(log, self.name)

    def _free_for(self, annotator: str) -> Iterator[str]:
        """Items that this annotator may still be asked, in order; what others hold or have answered counts towards the overlap.

        Those that they took back and left come first.
        """
        state, now = self._state, as_datetime(self._ws.catalog.clock.now_ns())
        left = [key for key, who in reversed(state.withdrawn) if who == annotator and key in self.items]
        for key in chain(left, (key for key in islice(self._order, self._first_open(), None) if key not in left)):
            if (key, annotator) in state.answers or (key, annotator) in state.skipped:
                continue
            holders = {who for who, (_, since) in state.held.get(key, {}).items() if now - since < HELD_FOR}
            if annotator not in holders and state.given.get(key, 0) + len(holders) < self.config.overlap:
                yield key

    def _first_open(self) -> int:
        """Where in the order the first item stands that wants an answer: a long queue is not gone through from its start each time."""
        at, taken_back = self._complete_below
        if taken_back != self._state.taken_back:
            at = 0
        while at < len(self._order) and self._state.given.get(self._order[at], 0) >= self.config.overlap:
            at += 1
        self._complete_below = at, self._state.taken_back
        return at

    def _note(self, log: Events, actions: Sequence[tuple[str, str]], annotator: str) -> None:
        facts = [
            {"kind": "desk", "subject": key, "name": self.name, "body": {"action": action, "annotator": annotator}}
            for key, action in actions
        ]
        log.emit_many(facts)


class Queues:
    """The queues of a workspace, each opened once and kept for whoever in this process asks. Use `Queues.of`."""

    @classmethod
    def of(cls, workspace: Workspace) -> Queues:
        """Those of this process, for every tenant's view of the workspace."""
        return workspace.stores.kept(cls)

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Queue] = {}
        self._turn = threading.Lock()

    def get(self, workspace: Workspace, name: str) -> Queue:
        """The newest version of the queue. Raises `NotFound`."""
        return self._opened(workspace, workspace.artifact(f"{name}/{KIND}"))

    def list(self, workspace: Workspace) -> list[Queue]:
        """Every queue, by name, with what came to any of them read in one look: ask each with ``fresh=True``."""
        newest = {artifact.name: artifact for artifact in workspace.artifacts.list(kind=KIND)}  # oldest first
        queues = [self._opened(workspace, newest[name]) for name in sorted(newest) if name.endswith(f"/{KIND}")]
        with ExitStack() as turns:
            for queue in queues:
                turns.enter_context(queue._turn)
            Standing.catch_up_all(workspace.log, {queue.name: queue._state for queue in queues})
        return queues

    def _opened(self, workspace: Workspace, artifact: Artifact) -> Queue:
        key = workspace.tenant_id, artifact.name
        with self._turn:
            if key not in self._open or self._open[key].artifact.id != artifact.id:
                self._open[key] = Queue(workspace, artifact.name.removesuffix(f"/{KIND}"), artifact)
            return self._open[key]


def create_queue(workspace: Workspace, name: str, rows: Artifact, *, replaces: bool = False, **settings: Any) -> Artifact:
    """Make the queue `name` over a table; returns its artifact. `settings` are those of `QueueConfig`.

    With `replaces` it may be another version of a queue that is there: people go on with that one, and their answers stay.

    Raises `BadInput` when the table lacks columns, holds a row_key twice, or is empty; `Conflict` when there is such a queue.
    """
    if not replaces and workspace.artifacts.find(name=f"{name}/{KIND}") is not None:
        raise Conflict(
            f"there is a queue {name!r} already",
            remedy="choose another name; over the API and from Python, replaces=true makes another version of it",
            reason="queue_taken",
            name=name,
        )
    config = QueueConfig.parse({"rows": rows.id, **settings})
    items = items_of(workspace, config)
    if not items:
        raise BadInput("the table has no rows to label", got=rows.ref, reason="queue_no_rows")
    if len({item.row_key for item in items}) < len(items):
        raise BadInput(
            "the table has rows with the same row_key", got=rows.ref, remedy="remove the duplicates first", reason="queue_twice"
        )
    return workspace.import_json(config.model_dump(mode="json"), f"{name}/{KIND}", kind=KIND)
