"""Texts as arrays of word hashes: the same words in drift tests and in evidence, without keeping the words themselves."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Scripts without spaces between words go character by character: kana, CJK ideographs.
_SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_SPACELESS}]|[^\W{_SPACELESS}]+")


def words(text: str) -> list[str]:
    """Case-folded words; an ideograph or kana is a word of its own."""
    return _WORD.findall(text.casefold())


def word_hashes(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """CRC-32 of every word of every text.

    Returns:
        hashes: shape (words in all,), uint32; offsets: shape (len(texts) + 1,), text i owns hashes[offsets[i]:offsets[i+1]].
    """
    import numpy as np

    crc32 = zlib.crc32
    # Lone surrogates occur in hostile input and must not stop the monitor.
    found = [[crc32(word.encode("utf-8", "surrogatepass")) for word in words(text)] for text in texts]
    offsets = np.zeros(len(found) + 1, dtype=np.int64)
    np.cumsum([len(item) for item in found], out=offsets[1:])
    flat = np.fromiter((value for item in found for value in item), dtype=np.uint32, count=int(offsets[-1]))
    return flat, offsets


def owners(offsets: np.ndarray) -> np.ndarray:
    """For each word the index of its text, shape (words in all,)."""
    import numpy as np

    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
