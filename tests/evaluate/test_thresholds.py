"""The thresholds' arithmetic, and by simulation that the stated guarantee holds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.evaluate import thresholds as th
from pickaxe.kernel.errors import BadInput

ERRORS_OF_TRIALS = st.integers(0, 200).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


@given(ERRORS_OF_TRIALS, st.floats(0.01, 0.9))
def test_p_value_is_the_exact_binomial_test(pair: tuple[int, int], max_error: float) -> None:
    from scipy.stats import binomtest

    errors, trials = pair
    ours = th.binomial_p_value(errors, trials, max_error)
    theirs = binomtest(errors, trials, max_error, alternative="less").pvalue if trials else 1.0
    assert ours == pytest.approx(theirs, rel=1e-7)


@given(ERRORS_OF_TRIALS.filter(lambda pair: pair[1] > 0))
def test_clopper_pearson_agrees_with_scipy(pair: tuple[int, int]) -> None:
    from scipy.stats import binomtest

    theirs = binomtest(*pair).proportion_ci(0.95, method="exact")
    assert th.clopper_pearson(*pair) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(st.floats(0.01, 0.5), st.floats(0.001, 0.2))
def test_smallest_audit_is_the_smallest(max_error: float, delta: float) -> None:
    trials = th.smallest_audit(max_error, delta)
    assert th.binomial_p_value(0, trials, max_error) <= delta * (1 + 1e-9)
    assert th.binomial_p_value(0, trials - 1, max_error) > delta * (1 - 1e-9)


@given(st.lists(st.floats(0.3, 1.0), min_size=1, max_size=200), st.floats(0.01, 1.0), st.integers(2, 40))
def test_grid_falls_strictly_and_ends_with_everything(confidences: list[float], strictest: float, size: int) -> None:
    cuts = th.grid(np.array(confidences), strictest, size)
    assert cuts[-1] == 0.0
    assert all(earlier > later for earlier, later in itertools.pairwise(cuts))
    assert len(cuts) <= size


def test_walk_stops_at_the_first_failure_and_a_later_start_has_its_own_level() -> None:
    confidences = np.linspace(1, 0, 400)
    wrong = (confidences < 0.75) & (confidences > 0.5)  # a bad stretch between two good ones
    one = th.walk([0.8, 0.6, 0.0], [0.2, 0.4, 1.0], confidences, wrong, max_error=0.3, delta=0.05, starts=1)
    assert [step.certified for step in one] == [True, False, False]
    assert one[2].level == 0  # the walk had stopped,
    assert one[2].p_value < 0.05  # although this one would have passed

    three = th.walk([0.8, 0.6, 0.0], [0.2, 0.4, 1.0], confidences, wrong, max_error=0.3, delta=0.05, starts=3)
    assert [step.certified for step in three] == [True, False, True]
    assert three[1].level == pytest.approx(2 * 0.05 / 3)  # its own share and the one handed on
    assert three[2].level == pytest.approx(0.05 / 3)


def test_walk_refuses_an_order_that_does_not_fall() -> None:
    with pytest.raises(BadInput, match="fall strictly"):
        th.walk([0.5, 0.9], [1, 1], np.array([]), np.array([], dtype=bool), max_error=0.1, delta=0.05, starts=1)


def test_labels_needed_is_enough_when_the_error_stays_as_observed() -> None:
    tested = th.walk([0.0], [1.0], np.ones(60), np.arange(60) < 4, max_error=0.1, delta=0.025, starts=1)
    assert not tested[0].certified
    more = th.labels_needed(tested, audit_rows=300, max_error=0.1, delta=0.025)
    assert more is not None
    trials = math.floor((300 + more) * 60 / 300)
    assert th.binomial_p_value(math.ceil(trials * 5 / 62), trials, 0.1) <= 0.025


def test_labels_needed_is_none_when_more_would_not_help() -> None:
    tested = th.walk([0.0], [1.0], np.ones(60), np.arange(60) < 12, max_error=0.1, delta=0.025, starts=1)
    assert th.labels_needed(tested, audit_rows=300, max_error=0.1, delta=0.025) is None


@pytest.mark.slow
@pytest.mark.parametrize("starts", [1, 3])
@pytest.mark.parametrize("slope", [0.0, 0.6])
def test_the_guarantee_holds(starts: int, slope: float) -> None:
    """Over many audits, some certified threshold is truly worse than max_error in at most delta of them.

    slope 0 is the worst case: every threshold's true error is just above max_error, so that each certification is an error.
    With slope 0.6 confidences mean something and the loose thresholds are the bad ones.
    """
    draws, delta, max_error = 3000, 0.1, 0.15
    rng = np.random.default_rng(11)
    pool = rng.uniform(0.5, 1, 4000)

    def error_rate(confidence: np.ndarray) -> np.ndarray:
        return max_error + 1e-6 + slope * (0.75 - confidence)

    cuts = th.grid(pool, 0.3, 12)
    truly_bad = [error_rate(pool[pool >= cut]).mean() > max_error for cut in cuts]
    assert any(truly_bad)
    coverages = [float((pool >= cut).mean()) for cut in cuts]
    failures, certified = 0, 0
    for _ in range(draws):
        confidences = rng.choice(pool, 300)
        wrong = rng.random(300) < error_rate(confidences)
        tested = th.walk(cuts, coverages, confidences, wrong, max_error=max_error, delta=delta, starts=starts)
        failures += any(step.certified and bad for step, bad in zip(tested, truly_bad, strict=True))
        certified += any(step.certified for step in tested)
    tolerance = 3 * math.sqrt(delta * (1 - delta) / draws)
    assert failures / draws <= delta + tolerance
    assert failures > 0  # the draws do reach the edge of the guarantee
    if slope:
        assert certified / draws > 0.8  # and it is no empty guarantee
