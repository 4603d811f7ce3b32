"""What the drift tests look at in a text: its length, its unknown words, how surprising and where in word space it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pickaxe.monitor.words import owners, word_hashes

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Vocabulary:
    """Word statistics of the data the model comes from.

    Attributes:
        hashes: shape (V,), uint32, sorted; counts: shape (V,), occurrences of each word.
        idf: shape (dimensions,), float32, inverse document frequency of each hash bucket.
    """

    hashes: np.ndarray
    counts: np.ndarray
    idf: np.ndarray

    @classmethod
    def learn(cls, texts: Sequence[str], dimensions: int) -> Vocabulary:
        import numpy as np

        flat, offsets = word_hashes(texts)
        hashes, counts = np.unique(flat, return_counts=True)
        pairs = np.unique(owners(offsets) * dimensions + flat % dimensions)
        document_counts = np.bincount(pairs % dimensions, minlength=dimensions)
        idf = np.log((1 + len(texts)) / (1 + document_counts)) + 1
        return cls(hashes, counts.astype(np.int64), idf.astype(np.float32))


@dataclass(frozen=True)
class Features:
    """Features of n texts.

    Attributes:
        length: shape (n,), words; unknown: shape (n,), share of words outside the vocabulary (1 for an empty text);
        surprise: shape (n,), mean bits per word under the vocabulary's add-one smoothed unigram model;
        vectors: shape (n, dimensions), float32, signed hashed TF-IDF of unit length (Weinberger et al. 2009).
    """

    length: np.ndarray
    unknown: np.ndarray
    surprise: np.ndarray
    vectors: np.ndarray


def features(texts: Sequence[str], vocabulary: Vocabulary) -> Features:
    import numpy as np

    flat, offsets = word_hashes(texts)
    owner, length = owners(offsets), np.diff(offsets)
    divisor = np.maximum(length, 1)

    known, counts = _look_up(flat, vocabulary)
    unknown = np.bincount(owner, weights=~known, minlength=len(texts)) / divisor
    total = vocabulary.counts.sum() + len(vocabulary.hashes) + 1
    bits = np.log2(total) - np.log2(1.0 + counts)
    surprise = np.bincount(owner, weights=bits, minlength=len(texts)) / divisor
    empty = length == 0
    return Features(
        length=length,
        unknown=np.where(empty, 1.0, unknown),
        surprise=np.where(empty, np.log2(total), surprise),
        vectors=_vectors(flat, owner, len(texts), vocabulary.idf),
    )


def _look_up(flat: np.ndarray, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    if not len(vocabulary.hashes):
        return np.zeros(len(flat), dtype=bool), np.zeros(len(flat), dtype=np.int64)
    at = np.minimum(np.searchsorted(vocabulary.hashes, flat), len(vocabulary.hashes) - 1)
    known = vocabulary.hashes[at] == flat
    return known, np.where(known, vocabulary.counts[at], 0)


def _vectors(flat: np.ndarray, owner: np.ndarray, rows: int, idf: np.ndarray) -> np.ndarray:
    import numpy as np

    dimensions = len(idf)
    # The sign keeps colliding words from adding up; it comes from a bit that the bucket does not use.
    signs = np.where((flat >> np.uint32(31)).astype(bool), -1.0, 1.0)
    counts = np.bincount(owner * dimensions + flat % dimensions, weights=signs, minlength=rows * dimensions)
    weighted = np.sign(counts) * np.log1p(np.abs(counts))
    vectors = weighted.reshape(rows, dimensions) * idf
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0).astype(np.float32)
