"""Words and n-grams as places in a table: the same on every platform and in every version.

The hash is CRC-32 (ISO 3309) of the UTF-8 bytes, spread by the finaliser of MurmurHash3 (Appleby, public domain): CRC alone is
linear, and its low bits would collide for similar words. The hashing trick: Weinberger et al., ICML 2009.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_WORDS = re.compile(r"\w+|[^\w\s]")
LONGEST_WORD = 64


def split_words(text: str, max_words: int) -> list[str]:
    """Lower-case words and single punctuation marks, at most `max_words` of them."""
    # No word needs more characters than this, so a huge text costs no more than a long one.
    return _WORDS.findall(text[: max_words * LONGEST_WORD].lower())[:max_words]


def hash_words(words: Sequence[str]) -> np.ndarray:
    """One 32-bit hash per word, uint32, shape (len(words),)."""
    import numpy as np

    return spread(np.array([zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in words], dtype=np.uint32))


def hash_pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Hashes of word pairs from the hashes of their words, uint32."""
    import numpy as np

    return spread(first * np.uint32(0x9E3779B1) + second * np.uint32(0x85EBCA77) + np.uint32(1))


def char_ngrams(word: str, shortest: int, longest: int) -> list[str]:
    """Character n-grams of a word with a space at both ends; a short word yields itself once per length that it lacks none of."""
    padded = f" {word[:LONGEST_WORD]} "
    return [
        padded[start : start + size]
        for size in range(shortest, min(longest, len(padded)) + 1)
        for start in range(len(padded) - size + 1)
    ] or [padded]


def spread(values: np.ndarray) -> np.ndarray:
    """MurmurHash3's 32-bit finaliser, for each value by itself."""
    import numpy as np

    values = values ^ (values >> np.uint32(16))
    values = values * np.uint32(0x85EBCA6B)
    values = values ^ (values >> np.uint32(13))
    values = values * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))
