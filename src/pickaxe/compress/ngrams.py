"""Texts as n-grams: a memory of words that makes each text cheap, shared by training and answering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pickaxe.compress.config import LinearSettings
from pickaxe.compress.hashing import char_ngrams, hash_pairs, hash_words, split_words

if TYPE_CHECKING:
    import numpy as np

EDGE = "\n"
"""Stands before and after every text; no text contains it as a word."""


class Words:
    """Numbers words as they turn up; number 0 is the edge of a text."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {EDGE: 0}

    def number(self, texts: Sequence[str], max_words: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """The texts as word numbers.

        Returns:
            flat: int64, the numbers of all texts one after the other, an edge before each.
            starts: int64, shape (len(texts),), the place of each text's edge in `flat`.
            new: the words that were not known before, in the order of their numbers.
        """
        import numpy as np

        numbers, known, flat, starts = self.numbers, len(self.numbers), list[int](), list[int]()
        for text in texts:
            starts.append(len(flat))
            flat.append(0)
            for word in split_words(text, max_words):
                found = numbers.get(word)
                if found is None:
                    found = numbers[word] = len(numbers)
                flat.append(found)
        new = list(numbers)[known:] if len(numbers) > known else []
        return np.array(flat, dtype=np.int64), np.array(starts, dtype=np.int64), new


def pair_places(hashes: np.ndarray, flat: np.ndarray, bits: int) -> np.ndarray:
    """The place of each word with its successor (the next text's edge after a text's last word), shape of `flat`."""
    import numpy as np

    own = hashes[flat]
    following = np.empty_like(own)
    following[:-1], following[-1] = own[1:], hashes[0]
    return places(hash_pairs(own, following), bits)


def places(hashes: np.ndarray, bits: int) -> np.ndarray:
    import numpy as np

    return (hashes & np.uint32((1 << bits) - 1)).astype(np.int64)


def char_places(words: Sequence[str], settings: LinearSettings) -> tuple[np.ndarray, np.ndarray]:
    """Places of the words' character n-grams, one word after the other, and how many each word has."""
    import numpy as np

    if settings.char_ngrams is None:
        return np.zeros(0, dtype=np.int64), np.zeros(len(words), dtype=np.int64)
    grams, counts = list[str](), list[int]()
    for word in words:
        own = char_ngrams(word, *settings.char_ngrams) if word != EDGE else []
        grams += own
        counts.append(len(own))
    return places(hash_words(grams), settings.bits), np.array(counts, dtype=np.int64)
