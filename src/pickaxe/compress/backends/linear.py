"""The format "linear": hashed n-grams with a linear model; numpy is all it needs.

The folder holds pickaxe.json (classes, settings) and weights.safetensors (`LinearWeights`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.compress.backends.folder import read_folder, write_folder
from pickaxe.compress.calibrate import probabilities
from pickaxe.compress.config import LinearSettings
from pickaxe.compress.hashing import hash_words
from pickaxe.compress.linear import LinearWeights
from pickaxe.compress.ngrams import EDGE, Words, char_places, pair_places, places

if TYPE_CHECKING:
    import numpy as np

FORMAT = "linear"
_MOST_WORDS = 200_000
_TEXTS_AT_ONCE = 4096


class LinearPredictor:
    """A linear student, ready to answer; may be called from several threads.

    It remembers each word's scores, at most `most_words` of them, then forgets all and starts again.
    """

    def __init__(
        self,
        weights: LinearWeights,
        settings: LinearSettings,
        classes: Sequence[str],
        temperature: float = 1.0,
        most_words: int = _MOST_WORDS,
    ) -> None:
        self.classes = tuple(classes)
        self._temperature = temperature
        self._weights, self._settings, self._most_words = weights, settings, most_words
        self._lock = threading.Lock()
        self._forget()

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Class probabilities, shape (len(texts), len(classes)), float32."""
        import numpy as np

        scores = np.empty((len(texts), len(self.classes)), dtype=np.float32)
        with self._lock:
            for start in range(0, len(texts), _TEXTS_AT_ONCE):
                some = texts[start : start + _TEXTS_AT_ONCE]
                scores[start : start + len(some)] = self._scores(some)
        return probabilities(scores, self._temperature)

    def _scores(self, texts: Sequence[str]) -> np.ndarray:

        if len(self._words.numbers) > self._most_words:
            self._forget()
        flat, starts, new = self._words.number(texts, self._settings.max_words)
        if new:
            self._learn(new)
        # Per word: its scores and the square of its length, last column; summed over each text.
        of_words = self._word_table[flat]
        if self._settings.word_ngrams == 2:
            of_words += self._place_table[pair_places(self._hashes, flat, self._settings.bits)]
        scores = self._sum(of_words, starts)
        if self._settings.char_ngrams is not None:
            scores += self._sum(self._char_table[flat], starts)
        return scores + self._weights.bias

    @staticmethod
    def _sum(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
        import numpy as np

        summed = np.add.reduceat(values, starts, axis=0)
        return summed[:, :-1] / np.sqrt(np.maximum(summed[:, -1:], 1e-12))

    def _forget(self) -> None:
        import numpy as np

        weights, classes = self._weights, len(self.classes)
        self._words = Words()
        self._place_table = np.concatenate([weights.word_scores, weights.word_rarity[:, None]], axis=1)
        self._hashes = hash_words([EDGE])
        self._word_table = np.zeros((1, classes + 1), dtype=np.float32)
        self._char_table = np.zeros((1, classes + 1), dtype=np.float32)

    def _learn(self, new: list[str]) -> None:
        """Sum the n-grams of words met for the first time."""
        import numpy as np

        hashes = hash_words(new)
        self._hashes = np.concatenate([self._hashes, hashes])
        self._word_table = np.concatenate([self._word_table, self._place_table[places(hashes, self._settings.bits)]])
        if self._settings.char_ngrams is None:
            return
        own, counts = char_places(new, self._settings)
        table = np.concatenate([self._weights.char_scores[own], self._weights.char_rarity[own][:, None]], axis=1)
        summed = np.add.reduceat(table, np.cumsum(counts) - counts, axis=0)
        self._char_table = np.concatenate([self._char_table, summed])


def load(path: Path) -> LinearPredictor:
    """The student in the folder `path`; raises `BadInput` when its files do not belong together."""
    manifest, arrays = read_folder(path, FORMAT, LinearWeights.__annotations__)
    settings = LinearSettings.parse(manifest["settings"], where="settings")
    return LinearPredictor(LinearWeights(**arrays), settings, manifest["classes"], manifest["temperature"])


def save(folder: Path, weights: LinearWeights, settings: LinearSettings, classes: Sequence[str]) -> None:
    """Write the model folder; the same weights give the same bytes."""
    write_folder(folder, FORMAT, weights.arrays(), settings, classes)
