"""Agreement and adjudication, against published examples."""

from __future__ import annotations

import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.data.label.adjudicate import Vote, adjudicate
from pickaxe.data.label.agreement import cohen_kappa, krippendorff_alpha

# Dawid and Skene 1979, table 1: 45 patients; observer 1 answered three times, observers 2 to 5 once.
PATIENTS = [
    "1111111",
    "3334334",
    "1122122",
    "2223121",
    "2223222",
    "2223322",
    "1222111",
    "3333433",
    "2222223",
    "2322223",
    "4444444",
    "2223343",
    "1111111",
    "2223212",
    "1211111",
    "1112111",
    "1111111",
    "1111111",
    "2222221",
    "2221322",
    "2222222",
    "2222221",
    "2223222",
    "2212222",
    "1111111",
    "1111111",
    "2322222",
    "1111111",
    "1111111",
    "1121121",
    "1111111",
    "3333233",
    "1111111",
    "2222222",
    "2223232",
    "4334343",
    "2212232",
    "2323233",
    "3333432",
    "1111111",
    "1111111",
    "1212111",
    "2322222",
    "1211111",
    "2222222",
]


def test_dawid_skene_repeats_the_paper() -> None:
    votes = [
        (str(patient), "1" if turn < 3 else str(turn - 1), grade)
        for patient, grades in enumerate(PATIENTS)
        for turn, grade in enumerate(grades)
    ]
    found = adjudicate(votes, "1234", smoothing=0)
    assert found.prior == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005), "table 2: class shares"
    published = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    assert found.confusions["1"] == pytest.approx(np.asarray(published), abs=0.006), "table 2: observer 1"


@pytest.mark.parametrize(
    ("observers", "alpha"),
    [
        (["0100000010", "1110010000"], 0.095),
        (["aabbdcccedda", "babbbccceddd"], 0.692),
        (["123321412...", "1233224125.3", ".3332342251.", "12332441251."], 0.743),
    ],
)
def test_krippendorff_alpha_repeats_the_published_examples(observers: list[str], alpha: float) -> None:
    units = [[answer for answer in answers if answer != "."] for answers in zip(*observers, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(alpha, abs=0.0006)


def test_cohen_kappa_of_the_textbook_table() -> None:
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)


def test_agreement_that_is_not_defined_is_none() -> None:
    assert krippendorff_alpha([["a"], ["b"]]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    assert cohen_kappa([]) is None
    assert cohen_kappa([("a", "a")]) is None


def simulate(items: int, annotators: int, error: float, classes: str = "abc", seed: int = 3) -> tuple[dict[str, str], list[Vote]]:
    draw = random.Random(seed)
    truth = {f"i{at}": draw.choice(classes) for at in range(items)}
    votes = [
        (
            item,
            f"ann{who}",
            draw.choice([name for name in classes if name != label]) if draw.random() < error * (1 + who) else label,
        )
        for item, label in truth.items()
        for who in range(annotators)
    ]
    return truth, votes


def test_error_rates_are_recovered_and_weigh_the_answers() -> None:
    truth, votes = simulate(600, 3, 0.08)
    found = adjudicate(votes, "abc")
    for who, error in enumerate((0.08, 0.16, 0.24)):
        assert found.error_rate(f"ann{who}") == pytest.approx(error, abs=0.04)
    wrong = sum(truth[item] != label for item, label in zip(found.items, found.labels, strict=True)) / 600
    by_majority = sum(truth[item] != label for item, label in zip(found.items, found.majority, strict=True)) / 600
    assert wrong < by_majority
    assert 1 - found.confidence.mean() == pytest.approx(wrong, abs=0.03), "confidence is calibrated"


def test_one_annotator_passes_through() -> None:
    votes = [(f"i{at}", "only", "ab"[at % 2]) for at in range(10)]
    found = adjudicate(votes, ["a", "b", "c"])
    assert found.labels == [label for _, _, label in votes]
    assert found.confidence.tolist() == [1.0] * 10
    assert not found.measured
    assert found.error_rate("only") is None


def test_single_answers_keep_their_label_even_of_a_rare_class() -> None:
    _, votes = simulate(80, 3, 0.2, classes="ab")
    lone = [(f"lone{at}", "ann2", "c" if at == 0 else "a") for at in range(300)]
    found = adjudicate([*votes, *lone], ["a", "b", "c"])
    labels = dict(zip(found.items, found.labels, strict=True))
    assert labels["lone0"] == "c"
    assert found.confidence[found.items.index("lone0")] < 0.9
    newcomer = adjudicate([*votes, ("new", "stranger", "a")], ["a", "b"])
    assert newcomer.error_rate("stranger") is None
    assert 0.6 < newcomer.confidence[newcomer.items.index("new")] < 0.99, "the pooled error rate stands in"


def test_thousands_of_users_fit_in_little_memory() -> None:
    _, votes = simulate(50, 3, 0.1)
    crowd = [(f"i{at}", f"user{at}", "abc"[at % 3]) for at in range(4000)]
    tracemalloc.start()
    found = adjudicate([*votes, *crowd], "abc")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.items) == 4000
    assert peak < 30_000_000, "items x annotators x classes would be 384 MB"


def test_no_answers_at_all() -> None:
    found = adjudicate([], ["a", "b"])
    assert (found.items, found.labels, found.measured) == ([], [], False)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("pqrs"), st.sampled_from("xyz"), st.sampled_from("ab")), max_size=30))
def test_any_answers_give_sound_probabilities(votes: list[Vote]) -> None:
    found = adjudicate(votes, ["a", "b"])
    assert set(found.items) == {item for item, _, _ in votes}
    assert found.prior.sum() == pytest.approx(1.0)
    assert ((found.confidence > 0) & (found.confidence <= 1 + 1e-9)).all()
    for matrix in found.confusions.values():
        assert matrix.sum(axis=1) == pytest.approx(np.ones(2))
