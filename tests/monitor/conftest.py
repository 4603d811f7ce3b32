"""A source of texts whose words follow Zipf's law; another source shares some of its words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

Source = Callable[..., list[str]]


@pytest.fixture
def usual() -> Source:
    """n short texts: usual(n, rng)."""
    return lambda n, rng: _texts(n, rng, first_word=0, mean_length=9)


@pytest.fixture
def foreign() -> Source:
    """n short texts of another vocabulary, a third of it shared: foreign(n, rng, mean_length=9)."""
    return lambda n, rng, mean_length=9: _texts(n, rng, first_word=2000, mean_length=mean_length)


def _texts(n: int, rng: np.random.Generator, *, first_word: int, mean_length: int, words: int = 3000) -> list[str]:
    weights = 1 / np.arange(2, words + 2)
    lengths = 3 + rng.poisson(mean_length - 3, n)
    drawn = rng.choice(words, lengths.sum(), p=weights / weights.sum())
    # Rank r of the other source is word (r * 7 + first_word): its frequent words are not the usual ones.
    names = np.array([f"w{(rank * (7 if first_word else 1) + first_word) % 5000}" for rank in range(words)])
    return [" ".join(part) for part in np.split(names[drawn], np.cumsum(lengths)[:-1])]
