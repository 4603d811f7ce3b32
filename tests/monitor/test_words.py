"""Words and features of any text that a stranger may send."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.monitor.features import Vocabulary, features
from pickaxe.monitor.words import owners, word_hashes, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Doomsday clock: 9 days!", ["doomsday", "clock", "9", "days"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("東京で雨", ["東", "京", "で", "雨"]),
        ("שלום עולם 🙂", ["שלום", "עולם"]),
        ("\x00 \n", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


ANY_TEXT = st.text(st.characters(), max_size=40)  # lone surrogates and control characters too


@given(st.lists(ANY_TEXT, min_size=1, max_size=10), st.lists(ANY_TEXT, max_size=10))
def test_features_are_finite_and_in_range_for_any_text(texts: list[str], teaching: list[str]) -> None:
    seen = features(texts, Vocabulary.learn(teaching, 16))
    assert seen.vectors.shape == (len(texts), 16)
    assert ((seen.unknown >= 0) & (seen.unknown <= 1)).all()
    norms = np.linalg.norm(seen.vectors, axis=1)
    assert ((np.abs(norms - 1) < 1e-5) | (norms == 0)).all()
    assert np.isfinite(seen.surprise).all()
    flat, offsets = word_hashes(texts)
    assert np.bincount(owners(offsets), minlength=len(texts)).tolist() == seen.length.tolist() == [len(words(t)) for t in texts]
    assert len(flat) == offsets[-1]


def test_unknown_words_are_counted_and_surprise() -> None:
    vocabulary = Vocabulary.learn(["a b", "a c", "a"], 32)
    seen = features(["a a", "a x", "x y", ""], vocabulary)
    assert seen.unknown.tolist() == [0, 0.5, 1, 1]
    assert (np.diff(seen.surprise[:3]) > 0).all()
    assert seen.surprise[3] == pytest.approx(seen.surprise[2])
    assert seen.surprise[0] == pytest.approx(np.log2((5 + 3 + 1) / (1 + 3)))


def test_vectors_of_like_texts_are_near() -> None:
    texts = ["rain over the old town", "the old town under rain", "profit rises at the bank"]
    vectors = features(texts, Vocabulary.learn(texts, 256)).vectors
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]
