"""The labelling rounds: the budget is kept to the answer, sittings resume, and the audit stays blind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.data.label.annotators import Annotation, Annotator, Quit, SimulatedAnnotator, Undo
from pickaxe.data.label.config import LabelConfig, RoundsConfig
from pickaxe.data.label.rounds import label_batches, label_rounds
from pickaxe.data.label.rows import AnnotationRow, latest
from pickaxe.data.label.select import Chosen, Selector
from pickaxe.kernel.errors import BadInput
from tests.data.sport_and_money import GOLD, TEXTS

CLASSES = ["money", "sport"]


def people(count: int = 3, error: float = 0.05) -> list[Annotator]:
    return [SimulatedAnnotator(GOLD, error, 4.0, name=f"simulated-ann-{number}") for number in range(count)]


def campaign(
    annotators: Sequence[Annotator] | None = None, texts: dict[str, str] | None = None, **plan: Any
) -> list[AnnotationRow]:
    keyword = {name: plan.pop(name) for name in ("prior", "done") if name in plan}
    pool = TEXTS if texts is None else texts
    rounds = label_rounds(
        pool, people() if annotators is None else annotators, CLASSES, RoundsConfig(**plan), Selector(pool), **keyword
    )
    return list(rounds)


def test_the_budget_is_spent_to_the_answer_on_all_arms() -> None:
    rows = campaign(max_labels=200, rounds=4, audit_share=0.2, random_share=0.5, overlap_share=0.1)
    assert len(rows) == 200
    assert {row.round for row in rows} == {0, 1, 2, 3}
    assert all(row.simulated and row.seconds == 4.0 for row in rows)
    items = Counter({row.row_key: row.arm for row in rows}.values())
    assert items["audit"] == 40
    assert abs(items["active"] - items["random"]) <= 4
    answers = Counter(row.row_key for row in rows)
    assert set(answers.values()) == {1, 3}
    assert all(len({row.annotator for row in rows if row.row_key == key}) == 3 for key, count in answers.items() if count == 3)
    assert {row.round for row in rows if row.arm == "audit"} == {0}
    first = [row.arm for row in rows if row.round == 0]
    assert first != sorted(first), "the audit is mixed among the others"


@settings(max_examples=40, deadline=None)
@given(
    labels=st.integers(1, 120),
    rounds=st.integers(1, 12),
    audit=st.floats(0, 0.9),
    overlap=st.floats(0, 1),
    several=st.integers(2, 4),
    each=st.integers(1, 3),
)
def test_any_plan_spends_its_labels_exactly(
    labels: int, rounds: int, audit: float, overlap: float, several: int, each: int
) -> None:
    plan = RoundsConfig(
        max_labels=labels,
        rounds=rounds,
        audit_share=audit,
        overlap_share=overlap,
        overlap_annotators=several,
        audit_annotators=each,
        strategy="random",
    )
    rows = list(label_rounds(TEXTS, people(), CLASSES, plan, Selector(TEXTS, strategy="random")))
    assert len(rows) == labels
    assert len({(row.row_key, row.annotator) for row in rows}) == labels


def test_money_is_not_overspent() -> None:
    rows = campaign(max_labels=None, max_cost=1.0, price_per_hour=36.0, rounds=3)
    assert len(rows) == 25, "36 an hour is 0.04 for four seconds"
    rows = campaign(max_labels=10, max_cost=1.0, price_per_hour=36.0, rounds=3)
    assert len(rows) == 10


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"max_labels": 0}, "the labelling budget is 0"),
        ({"max_labels": None, "max_cost": 0.0, "price_per_hour": 10.0}, "the labelling budget is 0"),
        ({"max_labels": -5}, "the labelling budget is -5"),
        ({"max_labels": None, "max_cost": 0.001, "price_per_hour": 10.0}, "does not pay for one answer"),
    ],
)
def test_a_budget_of_nothing_is_refused(plan: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        campaign(**plan)
    assert caught.value.remedy


def test_plans_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadInput, match="a budget is needed"):
        RoundsConfig.parse({"max_labels": None})
    with pytest.raises(BadInput, match="price_per_hour"):
        RoundsConfig.parse({"max_cost": 5})
    with pytest.raises(BadInput, match="simulated-"):
        LabelConfig.parse({"annotators": [{"name": "anna"}]})
    with pytest.raises(BadInput, match="names of their own"):
        campaign([*people(1), *people(1)])
    with pytest.raises(BadInput, match="nothing to tell apart"):
        list(label_rounds(TEXTS, people(), ["money"], RoundsConfig(), Selector(TEXTS)))


def test_the_pool_may_run_out() -> None:
    few = dict(list(TEXTS.items())[:15])
    rows = campaign(texts=few, max_labels=500, overlap_share=0.0)
    assert {row.row_key for row in rows} == set(few)


@pytest.mark.parametrize("cut", [0, 1, 17, 40, 59])
def test_a_sitting_that_was_cut_short_goes_on_where_it_stopped(cut: int) -> None:
    plan: dict[str, Any] = {"max_labels": 60, "rounds": 3}
    whole = campaign(**plan)
    assert campaign(**plan, done=whole[:cut]) == whole[cut:]


def test_earlier_campaigns_teach_and_are_not_paid_again() -> None:
    first = campaign(max_labels=50, rounds=2)
    second = campaign(max_labels=30, rounds=2, prior=first)
    assert len(second) == 30
    assert {row.round for row in second} == {2, 3}
    assert not {row.row_key for row in first} & {row.row_key for row in second}


def test_the_audit_is_blind_and_random_stays_random() -> None:
    rows = campaign(max_labels=80, rounds=2)
    swapped = [row._replace(label="money" if row.label == "sport" else "sport") if row.arm == "audit" else row for row in rows]
    selector = Selector(TEXTS)
    from pickaxe.data.label.select import Wanted

    wanted = Wanted(audit=5, active=20, random=10)
    assert selector(rows, 2, wanted) == selector(swapped, 2, wanted)
    other = [row._replace(label="money" if row.label == "sport" else "sport") if row.arm == "active" else row for row in rows]
    random_of = [[item for item in selector(given, 2, wanted) if item.arm == "random"] for given in (rows, other)]
    assert random_of[0] == random_of[1]


class Script:
    """An annotator who does as told: a label, or an exception, or None."""

    simulated = False

    def __init__(self, *deeds: str | type[Exception] | None, name: str = "anna") -> None:
        self.name, self.deeds, self.asked = name, list(deeds), list[str]()

    def annotate(self, row_key: str, text: str, classes: Sequence[str]) -> Annotation | None:
        self.asked.append(row_key)
        deed = self.deeds.pop(0) if self.deeds else "sport"
        if isinstance(deed, type):
            raise deed
        return None if deed is None else Annotation(deed, 2.0, note="hm")


def test_undo_asks_the_previous_text_again_and_the_last_answer_holds() -> None:
    anna = Script("sport", "sport", Undo, "money", "sport")
    rows = campaign([anna], max_labels=3, rounds=1, strategy="random")
    assert anna.asked[1] == anna.asked[3]
    assert anna.asked[2] == anna.asked[4]
    assert [row.label for row in rows] == ["sport", "sport", "money", "sport"]
    assert [row.label for row in latest(rows)] == ["sport", "money", "sport"]
    assert rows[0].note == "hm"
    assert rows[0].body()["annotator"] == "anna"


def test_undo_twice_and_undo_at_the_start() -> None:
    anna = Script(Undo, "sport", "sport", Undo, Undo, "money", "money", "money")
    rows = campaign([anna], max_labels=3, rounds=1, strategy="random")
    assert [row.label for row in latest(rows)] == ["money", "money", "money"]


def test_undo_brings_back_a_skipped_text() -> None:
    anna = Script(None, Undo, "sport", "money")
    rows = campaign([anna], max_labels=2, rounds=1, strategy="random")
    first, second = anna.asked[:2]
    assert anna.asked == [first, second, first, second]
    assert [(row.row_key, row.label) for row in rows] == [(first, "sport"), (second, "money")]


def test_skipped_texts_cost_nothing_and_are_replaced() -> None:
    anna = Script(None, "sport", "money", "money", "sport")
    rows = campaign([anna], max_labels=4, rounds=2, strategy="random")
    assert len(rows) == 4
    assert anna.asked[0] not in {row.row_key for row in rows}
    assert anna.asked.count(anna.asked[0]) == 1


def test_quitting_keeps_what_was_answered_and_the_next_sitting_finishes() -> None:
    anna = Script("sport", "money", Quit)
    rows = campaign([anna], max_labels=5, rounds=1, strategy="random")
    assert len(rows) == 2
    again = Script("money", Undo, "sport")
    rest = campaign([again], max_labels=5, rounds=1, strategy="random", done=rows)
    assert again.asked[0] == anna.asked[2]
    assert len({row.row_key for row in [*rows, *rest]}) == 5


def test_undo_reaches_back_into_an_earlier_sitting() -> None:
    rows = campaign([Script("sport", "money", Quit)], max_labels=4, rounds=1, strategy="random")
    again = Script(Undo, "sport", "money", "money")
    rest = campaign([again], max_labels=4, rounds=1, strategy="random", done=rows)
    assert again.asked[1] == rows[1].row_key
    held = {row.row_key: row.label for row in latest([*rows, *rest])}
    assert held[rows[1].row_key] == "sport"
    assert len(held) == 4


def test_simulated_annotators_err_as_often_as_they_say_and_always_alike() -> None:
    gold = {str(at): ("a", "b", "c")[at % 3] for at in range(5000)}
    one = SimulatedAnnotator(gold, 0.1, 3.0, name="simulated-x")
    answers = [one.annotate(key, "", ["a", "b", "c"]).label for key in gold]
    assert sum(label != gold[key] for key, label in zip(gold, answers, strict=True)) / 5000 == pytest.approx(0.1, abs=0.015)
    assert answers == [one.annotate(key, "", ["a", "b", "c"]).label for key in gold]
    with pytest.raises(BadInput, match="simulated-x cannot answer"):
        one.annotate("unknown", "", ["a", "b"])


def test_each_answer_comes_out_before_the_next_question() -> None:
    saved: list[AnnotationRow] = []

    class Watcher(Script):
        def annotate(self, row_key: str, text: str, classes: Sequence[str]) -> Annotation | None:
            assert len(saved) == len(self.asked)
            return super().annotate(row_key, text, classes)

    plan = RoundsConfig(max_labels=6, rounds=2, strategy="random")
    keep: Callable[[AnnotationRow], None] = saved.append
    for row in label_rounds(TEXTS, [Watcher()], CLASSES, plan, Selector(TEXTS, strategy="random")):
        keep(row)
    assert len(saved) == 6


@pytest.mark.parametrize(("each", "budget"), [(1, 41), (2, 41)])
def test_batches_for_whoever_comes_keep_to_the_budget_and_go_on_where_they_stopped(each: int, budget: int) -> None:
    """Every batch stops the campaign until it is answered, as a line does whose people sit elsewhere; one text is skipped."""
    given: list[AnnotationRow] = []
    skipped: set[str] = set()

    class Waits(Exception):
        pass

    def ask(batch: Sequence[Chosen], round_: int) -> None:
        if {item.row_key for item in batch} <= {row.row_key for row in given} | skipped:
            return
        if not skipped:
            skipped.add(batch[0].row_key)
        given.extend(
            AnnotationRow(item.row_key, f"p{n}", GOLD[item.row_key], 2.0, round_, item.arm, False)
            for item in batch
            for n in range(each)
            if item.row_key not in skipped
        )
        raise Waits

    stops = 0
    later = AnnotationRow("unheard of", "p0", "sport", 2.0, 7, "active", False)  # of a later campaign
    while True:
        try:
            plan = RoundsConfig(max_labels=budget, rounds=3)
            used = label_batches(plan, Selector(TEXTS), ask, people=each, done=[*given, later])
            break
        except Waits:
            stops += 1
    assert stops >= 3
    assert sorted(used) == sorted(given)
    assert len(given) == budget - budget % each
    assert set(Counter((row.row_key, row.annotator) for row in given).values()) == {1}
    assert {row.round for row in given if row.arm == "audit"} == {0}
    assert not skipped & {row.row_key for row in given}


def test_a_batch_that_was_chosen_differently_before_is_not_asked_on_top() -> None:
    """The answers given to the earlier choice hold and are paid from the round."""
    other = [AnnotationRow(key, "p0", GOLD[key], 2.0, 0, "active", False) for key in sorted(TEXTS)[:6]]
    asked: list[list[Chosen]] = []

    def choose(answers: Sequence[AnnotationRow], round_: int, *_: Any) -> list[Chosen]:
        return [Chosen(key, "active") for key in sorted(TEXTS)[4:14]] if round_ == 0 else []

    plan = RoundsConfig(max_labels=10, rounds=1, audit_share=0.2)
    used = label_batches(plan, choose, lambda batch, _: asked.append(list(batch)), done=other)
    assert [len(batch) for batch in asked] == [2 + 10 - 6], "what both choices have, and what the budget still pays for"
    assert sorted(used) == other


def test_what_a_queue_made_by_hand_asked_counts_in_the_arm_that_the_batch_draws_it_for() -> None:
    by_hand = [AnnotationRow(key, "p0", label, 2.0, 1, "active", False) for key, label in GOLD.items() if key in TEXTS]
    used = label_batches(
        RoundsConfig(max_labels=40, rounds=2, audit_share=0.25), Selector(TEXTS), lambda batch, round_: None, done=by_hand
    )
    assert Counter(row.arm for row in used if row.round == 0)["audit"] == 10
