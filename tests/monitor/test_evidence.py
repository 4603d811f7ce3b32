"""Nearest training rows: right, deterministic, quick, and safe with any text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.kernel.errors import BadInput
from pickaxe.monitor.evidence import EvidenceIndex, Neighbour, nearest


def training_set(texts: list[str]) -> pa.Table:
    return pa.table(
        {
            "row_key": [f"k{index}" for index in range(len(texts))],
            "text": texts,
            "label": ["no"] * len(texts),
            "weight": [1.0] * len(texts),
            "origin": ["human"] * len(texts),
            "labelled_by": pa.array([["ann", "bob"]] * len(texts), type=pa.list_(pa.string())),
            "probs": pa.nulls(len(texts), pa.list_(pa.float64())),
        }
    )


TEXTS = ["rain over the old town", "the town council votes", "profit rises at the bank", "bank of the river in the rain"]


def test_the_same_text_comes_first_with_its_labellers() -> None:
    found = nearest("Profit rises at the BANK", training_set(TEXTS), 2)
    assert found[0]._replace(similarity=1.0) == Neighbour("k2", TEXTS[2], "no", 1.0, "human", ("ann", "bob"))
    assert found[0].similarity == pytest.approx(1)
    assert [item.row_key for item in found] == ["k2", "k3"]
    assert 0 < found[1].similarity < 0.6


def test_only_rows_that_share_a_word_are_evidence() -> None:
    assert nearest("quantum chromodynamics", training_set(TEXTS)) == []
    assert [item.row_key for item in nearest("council", training_set(TEXTS))] == ["k1"]
    assert nearest("\ud800 \x00", training_set(TEXTS)) == []
    assert nearest("rain", training_set([])) == []


def test_unknown_words_make_everything_less_similar() -> None:
    plain, strange = (nearest(text, training_set(TEXTS), 1)[0].similarity for text in ("profit rises", "profit rises zzz qqq"))
    assert strange < plain < 1


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "ä", "東"]), max_size=8).map(" ".join)


@given(st.lists(WORDS, min_size=1, max_size=12), WORDS)
def test_agrees_with_the_cosine_of_dense_vectors(texts: list[str], query: str) -> None:
    vocabulary = sorted({word for text in [*texts, query] for word in text.split()})
    if not query.split():
        assert EvidenceIndex.build(texts).nearest(query, 3) == []
        return

    def counts(text: str) -> np.ndarray:
        return np.array([text.split().count(word) for word in vocabulary], dtype=float)

    matrix = np.array([counts(text) for text in texts])
    idf = np.log((1 + len(texts)) / (1 + (matrix > 0).sum(0))) + 1

    def vector(row: np.ndarray) -> np.ndarray:
        return np.where(row > 0, 1 + np.log(np.maximum(row, 1)), 0) * idf

    asked = vector(counts(query))
    expected = []
    for row in matrix:
        norm = np.linalg.norm(vector(row)) * np.linalg.norm(asked)
        expected.append(vector(row) @ asked / norm if norm else 0.0)
    found = dict(EvidenceIndex.build(texts).nearest(query, len(texts)))
    assert [found.get(index, 0.0) for index in range(len(texts))] == pytest.approx(expected, abs=1e-9)


def test_ties_are_broken_by_position() -> None:
    found = nearest("rain", training_set(["snow", "rain", "rain", "rain"]), 2)
    assert [item.row_key for item in found] == ["k1", "k2"]


def test_the_index_of_a_training_set_is_built_once(usual: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table = training_set(usual(500, np.random.default_rng(0)))
    built, build = list[int](), EvidenceIndex.build

    def counted(texts: Sequence[str]) -> EvidenceIndex:
        built.append(len(texts))
        return build(texts)

    monkeypatch.setattr(EvidenceIndex, "build", counted)
    first = nearest("w1 w17 w300", table, 5)
    copy = pa.Table.from_pylist(table.to_pylist(), schema=table.schema)  # read again, as after another request
    assert nearest("w1 w17 w300", copy, 5) == first
    assert len(first) == 5
    assert built == [500]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(BadInput, match="lacks the column"):
        nearest("x", training_set(TEXTS).drop_columns(["labelled_by"]), 3)
    with pytest.raises(BadInput, match="neighbours"):
        nearest("x", training_set(TEXTS), 0)
