"""The metrics against scikit-learn and SciPy (imported where they are asked: it takes a second), and the bootstrap's promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pickaxe.evaluate import bootstrap
from pickaxe.evaluate import metrics as m


@st.composite
def outcomes(draw: st.DrawFn, classes: int | None = None) -> m.Outcome:
    k, n = classes or draw(st.integers(2, 6)), draw(st.integers(1, 80))
    raw = draw(hnp.arrays(float, (n, k), elements=st.floats(0.01, 1)))
    probs = raw / raw.sum(1, keepdims=True)
    true = draw(hnp.arrays(int, n, elements=st.integers(0, k - 1)))
    return m.Outcome(true, probs.argmax(1), probs.max(1), probs, k)


def once(outcome: m.Outcome, bins: int = 15) -> m.Tally:
    return m.tally(outcome, np.ones((1, len(outcome.true))), bins)


@given(outcomes())
def test_accuracy_precision_recall_and_f1_agree_with_sklearn(outcome: m.Outcome) -> None:
    from sklearn import metrics as peer

    counts, labels = once(outcome), list(range(outcome.classes))
    theirs = peer.precision_recall_fscore_support(outcome.true, outcome.predicted, labels=labels, zero_division=0)
    there = counts.support[0] > 0
    assert m.accuracy(counts)[0] == pytest.approx(peer.accuracy_score(outcome.true, outcome.predicted))
    assert m.precision(counts)[0] == pytest.approx(theirs[0])
    assert m.recall(counts)[0][there] == pytest.approx(theirs[1][there])
    assert m.f1(counts)[0][there] == pytest.approx(theirs[2][there])
    assert np.isnan(m.recall(counts)[0][~there]).all()
    present = sorted(set(outcome.true.tolist()))
    macro = peer.f1_score(outcome.true, outcome.predicted, labels=present, average="macro", zero_division=0)
    assert m.macro_f1(counts)[0] == pytest.approx(macro)
    assert counts.support[0].tolist() == theirs[3].tolist()


@given(outcomes())
def test_confusion_agrees_with_sklearn(outcome: m.Outcome) -> None:
    from sklearn import metrics as peer

    theirs = peer.confusion_matrix(outcome.true, outcome.predicted, labels=list(range(outcome.classes)))
    assert (m.confusion(outcome.true, outcome.predicted, outcome.classes) == theirs).all()


@given(outcomes())
def test_brier_agrees_with_sklearn(outcome: m.Outcome) -> None:
    from sklearn import metrics as peer

    theirs = peer.brier_score_loss(outcome.true, outcome.probs, labels=list(range(outcome.classes)), scale_by_half=False)
    assert m.brier_score(once(outcome)) == pytest.approx([theirs])


@given(outcomes(), st.integers(2, 20))
def test_calibration_error_is_the_mean_gap_of_the_bins(outcome: m.Outcome, bins: int) -> None:
    """Straight from the definition, bin by bin."""
    total = 0.0
    for index in range(bins):
        inside = (outcome.confidence > index / bins) & (outcome.confidence <= (index + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(outcome.correct[inside].mean() - outcome.confidence[inside].mean())
    assert m.expected_calibration_error(once(outcome, bins))[0] == pytest.approx(total)


@given(outcomes(classes=2))
def test_reliability_agrees_with_sklearn(outcome: m.Outcome) -> None:
    from sklearn.calibration import calibration_curve

    # On an edge the last bit decides; which side our bins take is the test below.
    assume(np.abs(outcome.confidence * 7 - np.round(outcome.confidence * 7)).min() > 1e-9)
    ours = m.reliability(outcome, 7)
    right, confident = calibration_curve(outcome.correct, outcome.confidence, n_bins=7)
    assert [item["accuracy"] for item in ours] == pytest.approx(right)
    assert [item["confidence"] for item in ours] == pytest.approx(confident)
    assert sum(item["rows"] for item in ours) == len(outcome.true)


def test_a_confidence_on_an_edge_falls_into_the_lower_bin() -> None:
    assert m.confidence_bin(np.array([0.0, 0.1, 0.1001, 1.0]), 10).tolist() == [0, 0, 1, 9]


@given(outcomes(), st.integers(0, 2**31))
def test_a_weighted_tally_is_the_tally_of_the_repeated_rows(outcome: m.Outcome, seed: int) -> None:
    rows = np.random.default_rng(seed).integers(len(outcome.true), size=len(outcome.true))
    weights = np.bincount(rows, minlength=len(rows))[None, :]
    assert outcome.probs is not None
    drawn = m.Outcome(outcome.true[rows], outcome.predicted[rows], outcome.confidence[rows], outcome.probs[rows], outcome.classes)
    for name, weighted in bootstrap.scores(outcome, weights, 15).items():
        repeated = bootstrap.scores(drawn, np.ones((1, len(rows))), 15)[name]
        assert weighted == pytest.approx(repeated, nan_ok=True), name


@given(hnp.arrays(bool, 40), hnp.arrays(bool, 40))
def test_mcnemar_is_the_binomial_test_of_the_rows_that_differ(first: np.ndarray, second: np.ndarray) -> None:
    from scipy.stats import binomtest

    found = m.mcnemar(first, second)
    differ = found["only_first_right"] + found["only_second_right"]
    assert differ == int((first != second).sum())
    assert found["p_value"] == pytest.approx(binomtest(found["only_first_right"], differ, 0.5).pvalue if differ else 1.0)
    assert found["p_value"] == pytest.approx(m.mcnemar(second, first)["p_value"])


def test_weightings_are_resamples_of_the_right_size_in_bounded_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(bootstrap.weightings(30, 50, seed=3)))
    monkeypatch.setattr(bootstrap, "CELLS_AT_ONCE", 30 * 7)
    chunks = list(bootstrap.weightings(30, 50, seed=3))
    assert max(len(chunk) for chunk in chunks) == 7
    assert (np.concatenate(chunks) == whole).all()  # the chunk size is no part of the result
    assert (whole.sum(1) == 30).all()


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """600 test sets of a model that is right with probability 0.8: the 95% interval holds 0.8 in 93% to 97% of them."""
    rng, hits, draws = np.random.default_rng(5), 0, 600
    for draw in range(draws):
        correct = rng.random(300) < 0.8
        outcome = m.Outcome(np.zeros(300, int), (~correct).astype(int), np.full(300, 0.8), None, 2)
        samples = bootstrap.resampled({"a": outcome}, resamples=300, seed=draw, bins=10)["a"]["accuracy"]
        ends = bootstrap.interval(samples, 0.95)
        assert ends is not None
        hits += ends[0] <= 0.8 <= ends[1]
    assert 0.92 <= hits / draws <= 0.975


def test_pairing_makes_the_difference_of_like_models_sharp() -> None:
    rng = np.random.default_rng(6)
    true = rng.integers(2, size=2000)
    first = np.where(rng.random(2000) < 0.2, 1 - true, true)
    second = np.where(rng.random(2000) < 0.01, 1 - first, first)
    models = {name: m.Outcome(true, said, np.full(2000, 0.8), None, 2) for name, said in (("a", first), ("b", second))}
    samples = bootstrap.resampled(models, resamples=500, seed=1, bins=10)
    paired = np.std(samples["a"]["accuracy"] - samples["b"]["accuracy"])
    assert paired < np.std(samples["a"]["accuracy"]) / 2
    differ = (first == true).astype(float) - (second == true)
    assert paired == pytest.approx(np.std(differ) / np.sqrt(2000), rel=0.15)
