"""One batch on somebody's desk: ask, write down, undo, skip, stop at the budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pickaxe.data.label.annotators import Annotator, Undo
from pickaxe.data.label.config import RoundsConfig
from pickaxe.data.label.rows import AnnotationRow
from pickaxe.kernel.errors import BadInput

SECONDS_PER_HOUR = 3600.0


class Ask(NamedTuple):
    """A question: this text, to this annotator."""

    row_key: str
    arm: str
    annotator: Annotator


@dataclass
class Budget:
    """What may be spent and what has been. A corrected answer costs its seconds but counts once.

    Raises `BadInput` when there is nothing to spend.
    """

    plan: RoundsConfig
    labels: int = 0
    seconds: float = 0.0
    asked: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def __post_init__(self) -> None:
        for name, value in (("max_labels", self.plan.max_labels), ("max_cost", self.plan.max_cost)):
            if value is not None and value <= 0:
                raise BadInput(
                    f"the labelling budget is {value:g}",
                    expected=f"{name} above 0",
                    got=f"{name} = {value:g}",
                    remedy="grant a budget, or hand in a file with labels and skip labelling",
                )
        if self.left() < 1:
            raise BadInput(
                "the labelling budget does not pay for one answer",
                expected=f"at least {self._price(self.plan.expected_seconds):.4f} for {self.plan.expected_seconds:g} seconds",
                got=f"max_cost = {self.plan.max_cost}",
                remedy="raise max_cost, or lower expected_seconds if answers are quicker",
            )

    def left(self) -> int:
        """Answers that can still be paid for, at the mean seconds so far (at first the expected seconds)."""
        by_count = None if self.plan.max_labels is None else self.plan.max_labels - self.labels
        by_cost = None
        if self.plan.max_cost is not None:
            each = self.seconds / self.labels if self.labels else self.plan.expected_seconds
            money = self.plan.max_cost - self._price(self.seconds)
            by_cost = int(money / self._price(each) + 1e-9) if each else None
        return max(0, min(limit for limit in (by_count, by_cost) if limit is not None))

    def spend(self, row: AnnotationRow) -> None:
        self.seconds += row.seconds
        if (row.row_key, row.annotator) not in self.asked:
            self.asked.add((row.row_key, row.annotator))
            self.labels += 1

    def cost(self) -> float | None:
        return None if self.plan.price_per_hour is None else self._price(self.seconds)

    def _price(self, seconds: float) -> float:
        return seconds * (self.plan.price_per_hour or 0.0) / SECONDS_PER_HOUR


def work(
    asks: Sequence[Ask],
    texts: Mapping[str, str],
    classes: Sequence[str],
    round_: int,
    budget: Budget,
    done: Mapping[tuple[str, str], Sequence[AnnotationRow]],
    skipped: set[str],
) -> Iterator[tuple[AnnotationRow, bool]]:
    """Work through a batch in order, yielding each answer at once, with whether it is new.

    What is in `done` (an earlier sitting) is not asked again. After an undo the previous question is asked again, answered or
    skipped, and its new answer follows the old one. Skipped texts are added to `skipped`. `Quit` passes through.
    """
    at = 0
    settled: dict[int, None] = {}  # answered or skipped, in that order
    reopened: set[int] = set()
    while at < len(asks):
        ask = asks[at]
        if at in settled:
            at += 1
            continue
        earlier = done.get((ask.row_key, ask.annotator.name), ())
        if earlier and at not in reopened:
            for row in earlier:
                budget.spend(row)
                yield row, False
            settled[at] = None
            continue
        if budget.left() < 1 and at not in reopened:
            return
        try:
            answer = ask.annotator.annotate(ask.row_key, texts[ask.row_key], classes)
        except Undo:
            if settled:
                at, _ = settled.popitem()
                skipped.discard(asks[at].row_key)
                reopened.add(at)
            continue
        settled[at] = None
        if answer is None:
            skipped.add(ask.row_key)
        else:
            row = AnnotationRow(
                ask.row_key,
                ask.annotator.name,
                answer.label,
                answer.seconds,
                round_,
                ask.arm,
                ask.annotator.simulated,
                answer.note,
            )
            budget.spend(row)
            yield row, True
        at += 1
