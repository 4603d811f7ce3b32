"""Labelling together: nobody gets another's item, every action survives, undo takes back, forms refuse what is no answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.data.label import queue as queues
from pickaxe.data.label.forms import marked, spans_of
from pickaxe.data.label.questions import Given, Item
from pickaxe.data.label.queue import Queue, create_queue
from pickaxe.data.label.review import review
from pickaxe.kernel.errors import BadInput, Conflict, NotFound
from pickaxe.kernel.workspace import Workspace

Make = Callable[..., Queue]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "w") as opened:
        yield opened


@pytest.fixture
def make(workspace: Workspace) -> Make:
    import pyarrow as pa

    def of(items: int = 6, **settings: Any) -> Queue:
        columns = {"row_key": [f"k{n}" for n in range(items)], "text": [f"text {n} שלום 🙂" for n in range(items)]}
        if settings.get("form") == "pairs":
            columns |= {"first": ["a"] * items, "second": ["b"] * items}
        rows = workspace.import_table(pa.table(columns), "t/rows")
        labels: dict[str, Any] = {} if settings.get("form") == "pairs" else {"labels": ("yes", "no")}
        create_queue(workspace, "t", rows, **labels | settings)
        return Queue(workspace, "t")

    return of


def keys(items: list[Item]) -> list[str]:
    return [item.row_key for item in items]


def test_two_people_never_get_the_same_item(make: Make) -> None:
    queue = make()
    assert keys(queue.take("ann", ahead=1)) == ["k0", "k1"]
    assert keys(queue.take("bob", ahead=1)) == ["k2", "k3"]
    assert keys(queue.take("ann", ahead=1)) == ["k0", "k1"], "asking again gives what is in front of one already"


def test_overlap_gives_an_item_to_as_many_as_asked(make: Make) -> None:
    queue = make(items=2, overlap=2)
    assert keys(queue.take("ann")) == keys(queue.take("bob")) == ["k0", "k1"]
    assert queue.take("cy") == []
    queue.skip("bob", "k0")
    assert keys(queue.take("cy")) == ["k0"]


def test_the_state_is_the_events(make: Make, workspace: Workspace) -> None:
    queue = make(items=3)
    queue.take("ann")
    queue.answer("ann", "k0", "yes", seconds=1.5, note="clear")
    queue.skip("ann", "k1")
    again = Queue(workspace, "t")
    assert keys(again.take("ann")) == ["k2"]
    assert [(row.row_key, row.label, row.note) for row in again.answers()] == [("k0", "yes", "clear")]
    assert again.counts() == {"items": 3, "complete": 1, "answers": 1, "by": {"ann": 1}}


def undone(queue: Queue, who: str) -> tuple[str, Given | None] | None:
    item = queue.undo(who)
    return item and (item.row_key, item.given)


def test_undo_takes_back_the_last_answer_and_the_one_before_with_what_was_given(make: Make) -> None:
    queue = make()
    for label in ("yes", "no"):
        queue.answer("ann", queue.take("ann")[0].row_key, label, seconds=1, note=f"{label} it is")
    assert undone(queue, "ann") == ("k1", Given("no", "no it is"))
    assert undone(queue, "ann") == ("k0", Given("yes", "yes it is"))
    assert undone(queue, "ann") is None
    assert queue.answers() == []
    assert queue.counts()["by"] == {}
    assert set(keys(queue.take("ann", ahead=1))) == {"k0", "k1"}, "what was taken back is in front of the same person again"
    assert "k0" not in keys(queue.take("bob", ahead=5))


def test_undo_brings_a_skipped_item_back_in_its_turn(make: Make) -> None:
    queue = make()
    queue.answer("ann", "k0", "yes", seconds=1)
    queue.skip("ann", "k1")
    queue.answer("ann", "k2", "no", seconds=1)
    assert [undone(queue, "ann") for _ in range(4)] == [("k2", Given("no", "")), ("k1", None), ("k0", Given("yes", "")), None]
    assert keys(queue.take("ann", ahead=2)) == ["k0", "k1", "k2"]
    queue.answer("ann", "k1", "no", seconds=1)
    assert [(row.row_key, row.label) for row in queue.answers()] == [("k1", "no")]


def test_what_was_taken_back_is_there_after_leaving_the_desk_until_it_is_answered(make: Make, workspace: Workspace) -> None:
    queue = make(form="spans")
    spans = [{"start": 0, "end": 4, "label": "yes"}]
    queue.answer("ann", "k0", [], seconds=1)
    queue.answer("ann", "k4", spans, seconds=1, note="hm")
    queue.undo("ann")
    queue.release("ann")
    again = Queue(workspace, "t")
    (first,) = again.take("ann", ahead=0)
    assert (first.row_key, first.given) == ("k4", Given(spans, "hm"))
    assert "k4" not in keys(again.take("bob", ahead=5)), "it is in front of ann"
    again.skip("ann", "k4")
    assert undone(again, "ann") == ("k4", Given(spans, "hm")), "a skip is undone as well, and loses nothing"
    again.answer("ann", "k4", [], seconds=1)
    assert undone(again, "ann") == ("k4", Given([], ""))


def test_a_skipped_item_that_others_answered_stays_with_them(make: Make) -> None:
    queue = make()
    queue.answer("ann", "k1", "yes", seconds=1)
    queue.skip("ann", "k0")
    queue.answer("bob", "k0", "no", seconds=1)
    assert undone(queue, "ann") == ("k1", Given("yes", ""))
    assert undone(queue, "ann") is None


def test_an_answer_that_was_skipped_later_is_undone_last_thing_first(make: Make) -> None:
    queue = make()
    queue.answer("ann", "k0", "yes", seconds=1)
    queue.skip("ann", "k0")
    assert undone(queue, "ann") == ("k0", None)
    assert [row.label for row in queue.answers()] == ["yes"]
    assert undone(queue, "ann") == ("k0", Given("yes", ""))


def test_an_answer_is_replaced_by_a_later_one_and_refused_when_others_were_first(make: Make) -> None:
    queue = make()
    queue.answer("ann", "k0", "yes", seconds=1)
    queue.answer("ann", "k0", "no", seconds=1)
    assert [row.label for row in queue.answers()] == ["no"]
    with pytest.raises(Conflict, match="others have answered"):
        queue.answer("bob", "k0", "yes", seconds=1)


def test_an_item_that_nobody_answers_goes_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = make(items=1)
    queue.take("ann")
    assert queue.take("bob") == []
    monkeypatch.setattr(queues, "HELD_FOR", queues.timedelta(0))
    assert keys(queue.take("bob")) == ["k0"]


def test_leaving_the_desk_gives_back_what_was_not_answered(make: Make) -> None:
    queue = make(items=2)
    queue.take("ann")
    queue.answer("ann", "k0", "yes", seconds=1)
    queue.release("ann")
    assert keys(queue.take("bob")) == ["k1"]


def test_many_at_once_answer_each_item_once(make: Make, workspace: Workspace) -> None:
    make(items=60)
    desks = [Queue(workspace, "t") for _ in range(4)]  # as in four servers: nothing shared but the events

    def work(who: str, desk: Queue) -> None:
        while items := desk.take(who, ahead=0):
            desk.answer(who, items[0].row_key, "yes", seconds=0.1)

    people = [threading.Thread(target=work, args=(f"p{n}", desk)) for n, desk in enumerate(desks)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    answers = Queue(workspace, "t").answers()
    assert len(answers) == 60
    assert len({row.row_key for row in answers}) == 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("choice", "maybe"),
        ("choice", ["yes"]),
        ("choice", None),
        ("pairs", "third"),
        ("spans", "yes"),
        ("spans", [{"start": 0, "end": 99, "label": "yes"}]),
        ("spans", [{"start": 3, "end": 3, "label": "yes"}]),
        ("spans", [{"start": True, "end": 3, "label": "yes"}]),
        ("spans", [{"start": 0, "end": 3, "label": "x"}]),
        ("spans", [{"start": 0, "end": 3, "label": "yes"}] * 2),
        ("spans", [{"start": 0, "end": 3, "label": "yes", "more": 1}]),
    ],
)
def test_what_is_no_answer_is_refused_and_nothing_is_kept(make: Make, form: str, value: Any) -> None:
    queue = make(form=form)
    with pytest.raises(BadInput):
        queue.answer("ann", "k0", value, seconds=1)
    assert queue.answers() == []


def test_spans_and_pairs_come_back_as_given(make: Make) -> None:
    queue = make(form="spans")
    spans = [{"start": 5, "end": 6, "label": "no"}, {"start": 0, "end": 4, "label": "yes"}]
    row = queue.answer("ann", "k0", spans, seconds=2)
    assert spans_of(row.label) == sorted(spans, key=lambda span: span["start"])


def test_time_away_from_the_desk_is_not_charged(make: Make) -> None:
    queue = make()
    assert queue.answer("ann", "k0", "yes", seconds=1e9).seconds == 600
    assert queue.answer("ann", "k1", "yes", seconds=-5).seconds == 0


def test_unknown_items_and_queues_are_said(make: Make, workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        make().answer("ann", "k99", "yes", seconds=1)
    with pytest.raises(NotFound):
        Queue(workspace, "nothing")


def test_a_table_that_cannot_be_asked_about_is_refused(workspace: Workspace) -> None:
    import pyarrow as pa

    twice = workspace.import_table(pa.table({"row_key": ["a", "a"], "text": ["x", "y"]}), "twice")
    plain = workspace.import_table(pa.table({"row_key": ["a"], "body": ["x"]}), "plain")
    holes = workspace.import_table(pa.table({"row_key": ["a", "b"], "text": ["x", None]}), "holes")
    numbers = workspace.import_table(pa.table({"row_key": [1], "text": ["x"]}), "numbers")
    unusual = [(plain, ("a",)), (plain, ("a", "b", "a")), (plain, ("a", " "))]
    for rows, labels in (*((rows, ("a", "b")) for rows in (twice, plain, holes, numbers)), *unusual):
        with pytest.raises(BadInput):
            create_queue(workspace, "q", rows, labels=labels)


def test_review_finds_what_divides_people(make: Make) -> None:
    queue = make(items=3, overlap=3)
    for who, labels in {"ann": ["yes", "yes", "no"], "bob": ["yes", "no", "no"], "cy": ["yes", "no", "no"]}.items():
        for n, label in enumerate(labels):
            queue.answer(who, f"k{n}", label, seconds=n + 1)
    seen = review(queue.answers())
    assert [item.row_key for item in seen.disagreements] == ["k1"]
    assert seen.disagreements[0].split == pytest.approx(1 / 3)
    assert {who.annotator: who.agreed for who in seen.annotators} == {"ann": 4 / 6, "bob": 5 / 6, "cy": 5 / 6}
    assert {each.label: (each.pairs, each.agreed) for each in seen.classes} == {"yes": (5, 3 / 5), "no": (6, 4 / 6)}
    assert seen.alpha is not None
    assert 0.5 < seen.alpha < 1


def test_spans_agree_by_f1_and_have_no_chance_to_subtract(make: Make) -> None:
    queue = make(items=3, overlap=2, form="spans")
    word = {"start": 0, "end": 4, "label": "yes"}
    number = {"start": 5, "end": 6, "label": "no"}
    for who, answers in {"ann": [[word, number], [word], []], "bob": [[word], [{**word, "label": "no"}], []]}.items():
        for n, spans in enumerate(answers):
            queue.answer(who, f"k{n}", spans, seconds=1)
    seen = review(queue.answers(), "spans")
    assert (seen.alpha, seen.f1) == (None, pytest.approx(2 * 1 / 5))
    assert {item.row_key: item.split for item in seen.disagreements} == {"k0": pytest.approx(1 / 3), "k1": 1.0}
    assert {who.annotator: (who.agreed, who.kappa) for who in seen.annotators} == {"ann": (0.4, None), "bob": (0.4, None)}
    assert {each.label: (each.answers, each.pairs, each.agreed) for each in seen.classes} == {
        "yes": (3, 2, pytest.approx(2 / 3)),
        "no": (2, 2, 0.0),
    }


def test_spans_that_nobody_marked_have_no_f1(make: Make) -> None:
    queue = make(items=1, overlap=2, form="spans")
    for who in ("ann", "bob"):
        queue.answer(who, "k0", [], seconds=1)
    seen = review(queue.answers(), "spans")
    assert (seen.f1, seen.disagreements) == (None, ())


def test_preferences_are_labels_like_any_other(make: Make) -> None:
    queue = make(items=2, overlap=2, form="pairs")
    for who, labels in {"ann": ["first", "tie"], "bob": ["second", "tie"]}.items():
        for n, label in enumerate(labels):
            queue.answer(who, f"k{n}", label, seconds=1)
    seen = review(queue.answers(), "pairs")
    assert [item.row_key for item in seen.disagreements] == ["k0"]
    assert seen.alpha == pytest.approx(1 - 3 * 2 / 10)  # observed 2 of 4, expected 16 - 1 - 1 - 4 = 10


@given(st.text(max_size=20), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.sampled_from("ab")), max_size=5))
def test_marks_cut_a_text_into_pieces_that_say_what_covers_them(text: str, drawn: list[tuple[int, int, str]]) -> None:
    spans = [{"start": low, "end": high, "label": label} for low, high, label in drawn if low < high <= len(text)]
    pieces = marked(text, spans)
    assert "".join(piece for piece, _ in pieces) == text
    covering = [labels for piece, labels in pieces for _ in piece]
    for at, labels in enumerate(covering):
        assert labels == [span["label"] for span in spans if span["start"] <= at < span["end"]]


def test_a_decision_holds_beside_the_answers_until_it_is_taken_back(make: Make, workspace: Workspace) -> None:
    queue = make(items=2, overlap=2)
    for who, label in (("ann", "yes"), ("bob", "no")):
        queue.answer(who, "k0", label, seconds=1)
    queue.decide("rita", "k0", "yes", seconds=3, note="see the guidelines")
    queue.decide("ann", "k1", "no")
    again = Queue(workspace, "t")
    assert {key: (row.annotator, row.label, row.note) for key, row in again.decisions().items()} == {
        "k0": ("rita", "yes", "see the guidelines"),
        "k1": ("ann", "no", ""),
    }
    assert {row.annotator for row in again.answers()} == {"ann", "bob"}
    assert (again.missing(), again.counts()["answers"]) == (2, 2), "a decision is no answer"
    assert keys(again.take("ann")) == ["k1"]
    assert undone(again, "rita") is None
    again.decide("ann", "k1", None)
    assert again.decisions().keys() == {"k0"}
    with pytest.raises(BadInput):
        again.decide("rita", "k0", "maybe")
    with pytest.raises(NotFound):
        again.decide("rita", "k99", "yes")


def test_an_item_of_an_earlier_version_can_still_be_read_and_decided(make: Make, workspace: Workspace) -> None:
    import pyarrow as pa

    make(items=2).answer("ann", "k0", "yes", seconds=1)
    rows = workspace.import_table(pa.table({"row_key": ["x"], "text": ["new"]}), "t/more")
    create_queue(workspace, "t", rows, labels=("yes", "no"), replaces=True)
    newer = Queue(workspace, "t")
    assert (newer.item("k0") or Item("", "")).text.startswith("text 0")
    assert newer.item("k99") is None
    newer.decide("rita", "k0", "no")
    assert newer.decisions()["k0"].label == "no"


def test_what_somebody_else_wrote_into_the_log_is_no_answer(make: Make, workspace: Workspace) -> None:
    queue = make(form="spans")
    workspace.emit("annotation", "k0", name="t", body={"label": "yes"})
    workspace.emit("annotation", "k0", name="t", body={**queue.answer("ann", "k1", [], seconds=1).body(), "label": 7})
    row = queue.answer("ann", "k1", [], seconds=1)
    workspace.emit("annotation", "k1", name="t", body=row._replace(label="not spans", annotator="bob").body())
    assert {row.annotator for row in queue.answers()} == {"ann", "bob"}
    assert review(queue.answers(), "spans").f1 is None


def test_what_is_missing_leaves_out_what_everybody_here_skipped(make: Make) -> None:
    queue = make(items=3, overlap=2)
    assert queue.missing() == 6
    queue.answer("ann", "k0", "yes", seconds=1)
    queue.skip("ann", "k1")
    assert queue.missing() == 3, "whoever skips is the only one here: k1 wants no more"
    queue.answer("bob", "k0", "no", seconds=1)
    assert queue.missing() == 4, "bob may still answer k1"
    queue.undo("bob")
    assert queue.missing() == 3, "what was taken back is no answer, and bob is not here any more"


def test_a_new_version_keeps_the_answers_and_asks_its_own_items_with_their_arms(make: Make, workspace: Workspace) -> None:
    import pyarrow as pa

    make(items=2).answer("ann", "k0", "yes", seconds=1)
    rows = {"row_key": ["x", "k1"], "text": ["new", "old"], "arm": ["audit", "random"], "round": [3, 3]}
    create_queue(workspace, "t", workspace.import_table(pa.table(rows), "t/more"), labels=("yes", "no"), replaces=True)
    newer = Queue(workspace, "t")
    assert (newer.missing(), newer.counts()["complete"]) == (2, 0)
    assert newer.undo("ann") is None, "that item is not asked about any more"
    newer.answer("ann", "x", "no", seconds=1)
    assert {(row.row_key, row.arm, row.round) for row in newer.answers()} == {("k0", "active", 1), ("x", "audit", 3)}


def test_a_queue_that_is_there_is_not_replaced_by_the_way(make: Make, workspace: Workspace) -> None:
    import pyarrow as pa

    queue = make(items=2)
    rows = workspace.import_table(pa.table({"row_key": ["z"], "text": ["another table"]}), "t/others")
    with pytest.raises(Conflict, match="already") as caught:
        create_queue(workspace, "t", rows, labels=("red", "green"))
    assert "another name" in str(caught.value.remedy)
    assert Queue(workspace, "t").items.keys() == queue.items.keys()
