"""The evidence for one answer: the training rows most like the text, and who labelled them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pickaxe.kernel.errors import BadInput
from pickaxe.monitor.words import owners, word_hashes

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

COLUMNS = ("row_key", "text", "label", "origin", "labelled_by")
REMEMBERED = 4


class Neighbour(NamedTuple):
    """A training row near a text. `similarity` is the cosine of their TF-IDF vectors, in (0, 1]."""

    row_key: str
    text: str
    label: str
    similarity: float
    origin: str
    labelled_by: tuple[str, ...]


@dataclass(frozen=True)
class EvidenceIndex:
    """An inverted index of word hashes with TF-IDF weights: a few array look-ups per query, no model needed.

    Attributes:
        hashes: shape (V,), uint32, sorted; starts: shape (V + 1,), word v owns entries starts[v]:starts[v+1] of
        rows: int64, the texts it occurs in, and weights: float64, its weight there, of unit length per text;
        idf: shape (V,).

    TF-IDF with smoothed idf and sublinear tf, as in Manning, Raghavan & Schütze 2008, "Introduction to Information
    Retrieval", section 6.4; words are 32-bit hashes, so that about one in a million words shares another's entry.
    """

    size: int
    hashes: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    idf: np.ndarray

    @classmethod
    def build(cls, texts: Sequence[str]) -> EvidenceIndex:
        import numpy as np

        flat, offsets = word_hashes(texts)
        hashes, word = np.unique(flat, return_inverse=True)
        pairs, counts = np.unique(word * len(texts) + owners(offsets), return_counts=True)  # sorted by word, then by text
        words, rows = np.divmod(pairs, max(1, len(texts)))
        starts = np.searchsorted(words, np.arange(len(hashes) + 1))
        idf = np.log((1 + len(texts)) / (1 + np.diff(starts))) + 1
        weights = (1 + np.log(counts)) * idf[words]
        norms = np.sqrt(np.bincount(rows, weights=weights**2, minlength=len(texts)))
        return cls(len(texts), hashes, starts, rows, weights / norms[rows], idf)

    def nearest(self, text: str, k: int) -> list[tuple[int, float]]:
        """Positions and cosines of the `k` nearest texts that share a word with `text`, nearest first, then by position."""
        import numpy as np

        flat, counts = np.unique(word_hashes([text])[0], return_counts=True)
        tf = 1 + np.log(counts)
        at = np.searchsorted(self.hashes, flat)
        known = [(v, tf[i]) for i, v in enumerate(at.tolist()) if v < len(self.hashes) and self.hashes[v] == flat[i]]
        # A word that no training row has makes the text less like all of them: it counts in the length, with the largest idf.
        rarest = np.log(1 + self.size) + 1
        found, squares = np.zeros(self.size), float(np.sum((tf * rarest) ** 2))
        for v, weight in known:
            entry, query = slice(self.starts[v], self.starts[v + 1]), weight * self.idf[v]
            squares += query**2 - (weight * rarest) ** 2
            found[self.rows[entry]] += query * self.weights[entry]
        if not known:
            return []
        similarity = found / np.sqrt(squares)
        best = np.lexsort((np.arange(self.size), -similarity))[:k]
        return [(int(row), min(1.0, float(similarity[row]))) for row in best if similarity[row] > 0]


def nearest(text: str, training_set: pa.Table, k: int = 5) -> list[Neighbour]:
    """The `k` rows of a training_set most like `text`, fewer when fewer share a word with it.

    The index of the last few training sets is remembered by their content: 25,000 short rows take well under a second the
    first time and milliseconds afterwards.

    Raises:
        BadInput: `training_set` lacks a column, or `k` is not positive.
    """
    missing = [column for column in COLUMNS if column not in training_set.column_names]
    if missing:
        raise BadInput(f"the training set lacks the column(s) {', '.join(missing)}", expected=f"columns {', '.join(COLUMNS)}",
                       got=", ".join(training_set.column_names), remedy="hand over the table a model was trained on")  # fmt: skip
    if k < 1:
        raise BadInput("there is no such number of neighbours", expected="k >= 1", got=str(k), remedy="ask for at least one")
    if not training_set.num_rows:
        return []
    found = _index(training_set).nearest(text, k)
    return [_neighbour(training_set, row, similarity) for row, similarity in found]


def _neighbour(table: pa.Table, row: int, similarity: float) -> Neighbour:
    values = {name: table[name][row].as_py() for name in COLUMNS}
    return Neighbour(
        values["row_key"], values["text"], values["label"], similarity, values["origin"], tuple(values["labelled_by"] or ())
    )  # fmt: skip


_indexes: OrderedDict[bytes, EvidenceIndex] = OrderedDict()


def _index(table: pa.Table) -> EvidenceIndex:
    texts = [text or "" for text in table["text"].to_pylist()]
    key = hashlib.blake2b("\x1f".join(texts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
    key += len(texts).to_bytes(8, "little")
    if key not in _indexes:
        _indexes[key] = EvidenceIndex.build(texts)
        while len(_indexes) > REMEMBERED:
            _indexes.popitem(last=False)
    _indexes.move_to_end(key)
    return _indexes[key]
