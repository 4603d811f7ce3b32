"""The two-sample tests: exact where they say so, and never too eager."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.monitor import twosample as ts


@given(st.permutations(range(11)), st.integers(1, 5))
def test_precedence_is_exact(order: list[int], window: int) -> None:
    """Against the enumeration of all ways in which the window's values can lie among the pooled ones."""
    pooled = np.array(order, dtype=float)
    _, p_value = ts.precedence(pooled[window:], pooled[:window])

    def above(chosen: tuple[int, ...]) -> int:
        reference = sorted(set(range(11)) - set(chosen))
        cut = reference[-min(5, len(reference))]
        return sum(value > cut for value in chosen)

    seen = above(tuple(order[:window]))
    ways = [above(chosen) for chosen in combinations(range(11), window)]
    assert p_value == pytest.approx(np.mean([count >= seen for count in ways]))


def test_precedence_sees_a_few_foreign_values_that_the_bulk_hides() -> None:
    rng = np.random.default_rng(0)
    reference, window = rng.normal(size=2000), rng.normal(size=200)
    window[:16] += 6
    assert ts.precedence(reference, window)[1] < 1e-7
    assert ts.kolmogorov_smirnov(reference, window)[1] > 1e-3


@pytest.mark.parametrize("name", ["kolmogorov_smirnov", "precedence", "label_shift", "mean_embedding"])
@pytest.mark.parametrize("ties", [False, True])
def test_p_values_under_the_null_are_not_too_small(name: str, ties: bool) -> None:
    """P(p <= u) <= u, up to the noise of 600 draws."""
    rng, draws = np.random.default_rng(3), 600
    p_values = np.empty(draws)
    for draw in range(draws):
        values = rng.integers(4, size=120).astype(float) if ties else rng.normal(size=120)
        if name == "label_shift":
            labels = np.where(values > 1, "a", np.where(values > 0, "b", "c")).astype(object)
            p_values[draw] = ts.label_shift(labels[:80], labels[80:], permutations=199, rng=rng)[1]
        elif name == "mean_embedding":
            vectors = np.stack([values, values**2], axis=1).astype(np.float32)
            p_values[draw] = ts.mean_embedding(vectors[:80], vectors[80:], permutations=199, rng=rng)[1]
        else:
            p_values[draw] = getattr(ts, name)(values[:80], values[80:])[1]
    for level in (0.02, 0.05, 0.1, 0.3):
        assert (p_values <= level).mean() <= level + 3.3 * math.sqrt(level * (1 - level) / draws), level
    if not (ties and name == "precedence"):  # values tied at the cut never count as above it
        assert p_values.min() < 0.2  # the draws do vary


@pytest.mark.parametrize("name", ["label_shift", "mean_embedding"])
def test_the_permutation_tests_see_a_shift(name: str) -> None:
    rng = np.random.default_rng(4)
    if name == "label_shift":
        ours, theirs = rng.choice(["a", "b"], 500).astype(object), rng.choice(["a", "b", "new"], 100).astype(object)
    else:
        ours = rng.normal(size=(500, 8)).astype(np.float32)
        theirs = rng.normal(0.4, size=(100, 8)).astype(np.float32)
    assert getattr(ts, name)(ours, theirs, permutations=4999, rng=rng)[1] == pytest.approx(1 / 5000)


def test_one_class_alone_is_no_shift() -> None:
    only = np.array(["a"] * 30, dtype=object)
    assert ts.label_shift(only, only, permutations=99, rng=np.random.default_rng(0)) == (0.0, 1.0)


def test_monte_carlo_stops_early_where_nothing_is_unusual() -> None:
    rng, drawn = np.random.default_rng(5), 0

    def draw(count: int) -> np.ndarray:
        nonlocal drawn
        drawn += count
        return rng.random(count)

    assert ts.monte_carlo_p_value(0.5, draw, 1_000_000) == pytest.approx(0.5, abs=0.25)
    assert drawn == ts.CHUNK
    assert ts.monte_carlo_p_value(2.0, draw, 999) == pytest.approx(1 / 1000)


def test_holm_rejects_in_steps() -> None:
    assert ts.holm([0.02, 0.001, 0.03, 0.6], 0.05) == [False, True, False, False]
    assert ts.holm([0.012, 0.001, 0.03, 0.6], 0.05) == [True, True, False, False]
    assert ts.holm([0.2], 0.05) == [False]
