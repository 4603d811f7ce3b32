"""The linear family: hashed n-grams, weighed by rarity, with softmax regression on top.

A text's score is a sum over its words and word pairs, because the character n-grams stay inside words. So an answer costs a
few table look-ups per word, and the long list of character n-grams is summed once per word and remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pickaxe.compress.config import LinearSettings
from pickaxe.compress.hashing import hash_words
from pickaxe.compress.ngrams import Words, char_places, pair_places, places
from pickaxe.compress.softmax import fit_softmax

if TYPE_CHECKING:
    import numpy as np
    from scipy import sparse


@dataclass(frozen=True)
class LinearWeights:
    """What a linear student consists of.

    Attributes:
        word_scores, char_scores: float32, shape (places, classes); 0 places for characters when there are none.
        word_rarity, char_rarity: float32, shape (places,), the squared weight of each place in the length of a text's vector.
        bias: float32, shape (classes,).
    """

    word_scores: np.ndarray
    word_rarity: np.ndarray
    char_scores: np.ndarray
    char_rarity: np.ndarray
    bias: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        return dict(vars(self))


@dataclass(frozen=True)
class Counted:
    """N-gram counts of texts: words and characters, each sparse of shape (texts, places)."""

    words: sparse.csr_matrix
    chars: sparse.csr_matrix | None


def count_ngrams(texts: Sequence[str], settings: LinearSettings) -> Counted:
    import numpy as np
    from scipy import sparse

    words, size = Words(), 1 << settings.bits
    flat, starts, new = words.number(texts, settings.max_words)
    hashes, rows = hash_words(list(words.numbers)), np.repeat(np.arange(len(texts)), np.diff(np.append(starts, len(flat))))
    inside = flat > 0
    columns, text_rows = [places(hashes, settings.bits)[flat[inside]]], [rows[inside]]
    if settings.word_ngrams == 2:
        columns.append(pair_places(hashes, flat, settings.bits))
        text_rows.append(rows)
    counted = _matrix(np.concatenate(text_rows), np.concatenate(columns), (len(texts), size))
    if settings.char_ngrams is None:
        return Counted(counted, None)
    own, per_word = char_places(list(words.numbers), settings)
    word_chars = _matrix(np.repeat(np.arange(len(new) + 1), per_word), own, (len(new) + 1, size))
    text_words = _matrix(rows, flat, (len(texts), len(new) + 1))
    return Counted(counted, sparse.csr_matrix(text_words @ word_chars))


def fit_linear(
    counted: Counted,
    targets: np.ndarray,
    weights: np.ndarray,
    settings: LinearSettings,
    tell: Callable[[int], None] | None = None,
) -> LinearWeights:
    """Learn from n-gram counts and soft targets, shape (n, classes)."""
    import numpy as np
    from scipy import sparse

    blocks = [_Block.of(counts, settings.min_texts) for counts in (counted.words, counted.chars) if counts is not None]
    features = sparse.hstack([block.features for block in blocks]).tocsr()
    slopes, bias = fit_softmax(features, targets, weights, l2=settings.l2, tell=tell)
    size, classes, place = 1 << settings.bits, targets.shape[1], 0
    stored = list[Any]()
    for block in blocks:
        scores, rarity = np.zeros((size, classes), dtype=np.float32), np.full(size, block.unseen**2, dtype=np.float32)
        own = slopes[place : place + len(block.columns)]
        scores[block.columns] = own * block.rarity[:, None]
        rarity[block.columns] = block.rarity**2
        stored += [scores, rarity]
        place += len(block.columns)
    if counted.chars is None:
        stored += [np.zeros((0, classes), dtype=np.float32), np.zeros(0, dtype=np.float32)]
    return LinearWeights(*stored, bias=bias.astype(np.float32))


@dataclass(frozen=True)
class _Block:
    """One kind of n-gram in training: the places that occur, their rarity and the texts as vectors of length about 1."""

    columns: np.ndarray
    rarity: np.ndarray
    unseen: float
    features: sparse.csr_matrix

    @classmethod
    def of(cls, counts: sparse.csr_matrix, min_texts: int) -> _Block:
        """The rarity is the root of the usual log inverse document frequency: milder, and better here for short texts."""
        import numpy as np
        from scipy import sparse

        texts, frequency = counts.shape[0], np.bincount(counts.indices, minlength=counts.shape[1])
        # What is not learned counts as never seen, here as later: it lengthens the text's vector and says nothing.
        frequency[frequency < min_texts] = 0
        columns, everywhere = np.flatnonzero(frequency), np.sqrt(1 + np.log((1 + texts) / (1 + frequency)))
        lengths = np.sqrt(np.maximum(counts @ everywhere**2, 1e-12))
        scaled = sparse.diags_array(1 / lengths) @ counts[:, columns] @ sparse.diags_array(everywhere[columns])
        unseen = float(np.sqrt(1 + np.log(1 + texts)))
        return cls(columns, everywhere[columns], unseen, sparse.csr_matrix(scaled).astype(np.float32))


def _matrix(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    import numpy as np
    from scipy import sparse

    matrix = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()
    matrix.sum_duplicates()
    return matrix
