"""A labelling campaign: rounds of choosing and asking until the budget is spent.

Independent of stores: the caller iterates and saves each answer as it comes. Started again with the answers so far (`done`), it
goes on where it stopped, because a batch depends on the answers of earlier rounds only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from pickaxe.data.label.annotators import Annotator, Quit
from pickaxe.data.label.config import RoundsConfig
from pickaxe.data.label.desk import Ask, Budget, work
from pickaxe.data.label.rows import AnnotationRow
from pickaxe.data.label.select import Chosen, Wanted
from pickaxe.kernel.errors import BadInput

Choose = Callable[[Sequence[AnnotationRow], int, Wanted, Collection[str]], list[Chosen]]
"""Chooses a batch: (all answers of earlier rounds, round, how many of each arm, keys to leave out). A `Selector` is one."""


def label_rounds(
    texts: Mapping[str, str],
    annotators: Sequence[Annotator],
    classes: Sequence[str],
    plan: RoundsConfig,
    choose: Choose,
    *,
    prior: Sequence[AnnotationRow] = (),
    done: Sequence[AnnotationRow] = (),
) -> Iterator[AnnotationRow]:
    """Yield each new answer as soon as it is given; end when the budget or the pool is spent, or somebody quits.

    The first round also holds the audit sample, mixed among the other texts, so that nobody can tell which is which.

    Args:
        texts: row_key -> text of everything that `choose` may choose.
        annotators: who answers; items go to them in turn, by a hash of the row key.
        prior: answers of earlier campaigns; they teach, and are not paid from this budget.
        done: answers of this campaign from an earlier sitting; they are not asked again, and count.

    Raises `BadInput` for a budget of 0, fewer than two classes, no annotators or two of one name.
    """
    _refuse(annotators, classes)
    budget = Budget(plan)
    first = 1 + max((row.round for row in prior), default=-1)
    answers: list[AnnotationRow] = list(prior)
    before: dict[tuple[str, str], list[AnnotationRow]] = {}
    for row in done:
        before.setdefault((row.row_key, row.annotator), []).append(row)
    skipped: set[str] = set()
    round_ = first
    try:
        while (left := budget.left()) >= 1:
            wanted, twice = _wanted(plan, left, round_ - first, len(annotators))
            batch = choose(answers, round_, wanted, skipped)
            asks = _asks(batch, twice, annotators, plan, round_)
            if not asks:
                return
            for row in _unmatched(done, asks, round_):
                budget.spend(row)
                answers.append(row)
            for row, new in work(asks, texts, classes, round_, budget, before, skipped):
                answers.append(row)
                if new:
                    yield row
            round_ += 1
    except Quit:
        return


def label_batches(
    plan: RoundsConfig,
    choose: Choose,
    ask: Callable[[Sequence[Chosen], int], None],
    *,
    people: int = 1,
    prior: Sequence[AnnotationRow] = (),
    done: Sequence[AnnotationRow] = (),
) -> list[AnnotationRow]:
    """The same campaign where whoever comes answers, `people` of them each item: `ask` every batch in turn until the budget is spent.

    Returns the rows of `done` that belong to this campaign: those of its batches, and of its rounds.

    Args:
        ask: called with (batch, in an order that tells nothing about the arm; round). It returns when all of the batch that will
            ever be answered is in `done`, and raises otherwise.
        prior: as for `label_rounds`.
        done: every answer that stands; those of later campaigns may be among them.

    Raises `BadInput` for a budget of 0.
    """
    budget = Budget(plan)
    answers, skipped = list(prior), set[str]()
    first = round_ = 1 + max((row.round for row in prior), default=-1)
    while (items := budget.left() // people) >= 1:
        wanted, _ = _wanted(plan, items, round_ - first, annotators=1)
        batch = choose(answers, round_, wanted, skipped)
        if not batch:
            break
        used = {row.row_key for row in answers}
        batch = _still_wanted(batch, {row.row_key for row in done if row.round == round_} - used)
        ask(_shuffled(batch, plan, round_), round_)
        arm = {item.row_key: item.arm for item in batch}  # holds, whatever a queue that somebody made by hand said
        given = [row._replace(arm=arm[row.row_key], round=round_) for row in done if row.row_key in arm]
        given += [row for row in done if row.round == round_ and row.row_key not in used | arm.keys()]
        for row in given:
            budget.spend(row)
        answers += given
        skipped |= arm.keys() - {row.row_key for row in given}
        round_ += 1
    return answers[len(prior) :]


def _still_wanted(batch: Sequence[Chosen], answered: Collection[str]) -> list[Chosen]:
    """The batch without as many open items as the round has answers to others: it was chosen differently before, and those hold."""
    known = [item for item in batch if item.row_key in answered]
    return known + [item for item in batch if item.row_key not in answered][: max(len(batch) - len(answered), 0)]


def _wanted(plan: RoundsConfig, left: int, nth: int, annotators: int) -> tuple[Wanted, int]:
    """Items of each arm for the round, and how many of the non-audit items get several answers."""
    audit = round(left * plan.audit_share / min(plan.audit_annotators, annotators)) if nth == 0 else 0
    rest = max(left - audit * min(plan.audit_annotators, annotators), 0)
    answers = -(-rest // max(plan.rounds - nth, 1))
    more = min(plan.overlap_annotators, annotators) - 1
    items = int(answers / (1 + plan.overlap_share * more))
    twice = min(items, (answers - items) // more) if more else 0
    items += answers - items - twice * more
    random = round(items * plan.random_share)
    return Wanted(audit, items - random, random), twice


def _unmatched(done: Sequence[AnnotationRow], asks: Sequence[Ask], round_: int) -> list[AnnotationRow]:
    """Answers of this round from an earlier sitting to questions that would not be asked today: they hold all the same."""
    questions = {(ask.row_key, ask.annotator.name) for ask in asks}
    return [row for row in done if row.round == round_ and (row.row_key, row.annotator) not in questions]


def _asks(batch: Sequence[Chosen], twice: int, annotators: Sequence[Annotator], plan: RoundsConfig, round_: int) -> list[Ask]:
    """Who is asked what."""
    shuffled = _shuffled(batch, plan, round_)
    several = {item.row_key for item in [item for item in shuffled if item.arm != "audit"][:twice]}
    asks: list[Ask] = []
    for item in shuffled:
        count = plan.audit_annotators if item.arm == "audit" else plan.overlap_annotators if item.row_key in several else 1
        start = _hash(f"{plan.seed}:{item.row_key}")
        asks += [
            Ask(item.row_key, item.arm, annotators[(start + turn) % len(annotators)])
            for turn in range(min(count, len(annotators)))
        ]
    return asks


def _shuffled(batch: Sequence[Chosen], plan: RoundsConfig, round_: int) -> list[Chosen]:
    """In an order that tells nothing about the arm."""
    return sorted(batch, key=lambda item: _hash(f"{plan.seed}:{round_}:{item.row_key}"))


def _refuse(annotators: Sequence[Annotator], classes: Sequence[str]) -> None:
    names = [annotator.name for annotator in annotators]
    if not names or len(set(names)) < len(names):
        raise BadInput(
            "annotators need names of their own",
            expected="one annotator or more, each with a different name",
            got=", ".join(names) or "none",
            remedy="name each annotator once",
        )
    if len(set(classes)) < 2:
        raise BadInput(
            "there is nothing to tell apart",
            expected="two classes or more",
            got=", ".join(classes) or "none",
            remedy="name the classes of the task",
        )


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
