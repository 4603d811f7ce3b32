"""How likely a reading of some bytes is: a rough model of each language's text, the same scale for all encodings.

A logarithm of probability for every character beyond ASCII by how frequent it is, and for what cannot stand beside what: a capital
inside a word, a Thai vowel without a consonant, accents in a row. Plain characters cost the same in every reading, so that
one that takes them for halves of others does not get them for nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from pickaxe.data.readers.letters import CLOSING, NARROW, OPENING, SIGNS, WIDE

_PLAIN = -3.0
"""A character of ASCII."""
_STRANGE, _RARE = -10.0, -16.0
"""A character that no text of the language has: of one byte, of several."""
_BROKEN = -20.0
_ODD, _UNUSUAL = -6.0, -2.5
"""Neighbours that do not occur, and that seldom do."""
_SIGNS_SHARE, _CAPITALS_SHARE = 0.12, 0.15
_AFTER_A_CAPITAL = 1.9
"""What a capital is likelier for following another one."""
_SELDOM = {"cp1250": -0.05, "cp1254": -0.05, "mac-roman": -0.1, "cp850": -0.1}
"""Where a single letter says it all, the encoding that more people save in is meant."""

_Pairs = Mapping[tuple[str, str], int]


class Reading(NamedTuple):
    """Bytes read in an encoding."""

    encoding: str
    score: float
    """Logarithm of its probability, as a share of the bytes beyond ASCII."""
    beyond: int
    """Characters beyond ASCII."""


def reading(sample: bytes, encoding: str) -> Reading:
    """How likely it is that `sample` was written in `encoding`, one of `NARROW` and `WIDE`."""
    text = sample.decode(encoding, errors="replace")
    pairs = Counter(zip(" " + text, text + " ", strict=True))
    counts = Counter(text)
    plain = sum(count for char, count in counts.items() if char < "\x80")
    strange = {char: count for char, count in counts.items() if char >= "\x80"}
    score = _wide(encoding, strange, pairs) if encoding in WIDE else _narrow(encoding, strange, pairs)
    high = sum(byte >= 0x80 for byte in sample)
    # Plain characters that are no halves of others in any reading cost all readings the same.
    each = (score + _PLAIN * (plain - (len(sample) - high))) / max(high, 1)
    return Reading(encoding, each + _SELDOM.get(encoding, 0.0), sum(strange.values()))


# -- one byte a character


def _narrow(encoding: str, counts: Mapping[str, int], pairs: _Pairs) -> float:
    about = NARROW[encoding]
    by_language = (sum(count * _letter(letters, char) for char, count in counts.items()) for letters in about.languages)
    beside = _latin_beside if about.latin else _BESIDE.get(encoding, _script_beside)
    return max(by_language) + sum(
        count * beside(one, other) for (one, other), count in pairs.items() if max(one, other) >= "\x80"
    )


def _letter(letters: str, char: str) -> float:
    if char == "\ufffd":
        return _BROKEN
    return _letters(letters).get(char, _STRANGE)


@cache
def _letters(letters: str) -> dict[str, float]:
    """Letters grow rarer about as the words of a language do; those without capitals in the list have them a few times in a hundred."""
    weights = {letter: 1 / (place + 4) for place, letter in enumerate(letters)}
    for letter in letters:
        capital = letter.upper()
        if len(capital) == 1 and capital not in weights:
            weights[capital] = weights[letter] * _CAPITALS_SHARE
    whole = sum(weights.values())
    found = {letter: math.log((1 - _SIGNS_SHARE) * weight / whole) for letter, weight in weights.items()}
    return {sign: math.log(_SIGNS_SHARE / len(SIGNS)) for sign in SIGNS} | {"\xa0": math.log(_SIGNS_SHARE / 20)} | found


def _latin_beside(one: str, other: str) -> float:
    """Accents stand among plain letters, and seldom two in a row."""
    if one.isalpha() and other.isalpha():
        if one.islower() and other.isupper():
            return _ODD
        return _UNUSUAL if one >= "\x80" and other >= "\x80" else 0.0
    return _signs_beside(one, other)


def _script_beside(one: str, other: str) -> float:
    """Letters of another script stand among themselves."""
    if one.isalpha() and other.isalpha():
        if (one < "\x80") != (other < "\x80"):
            return _ODD
        if other.isupper():
            return _ODD if one.islower() else _AFTER_A_CAPITAL
        return 0.0
    return _signs_beside(one, other)


def _signs_beside(one: str, other: str) -> float:
    if (one.isalpha() and other in OPENING) or (one in CLOSING and other.isalpha()):
        return _ODD
    if one >= "\x80" and other >= "\x80" and not (one.isalpha() or other.isalpha()):
        return _UNUSUAL  # signs in a row
    if (one.isdigit() and other.isalpha() and other >= "\x80") or (other.isdigit() and one.isalpha() and one >= "\x80"):
        return _UNUSUAL
    return 0.0


def _hebrew_beside(one: str, other: str) -> float:
    """Five letters have another form at the end of a word."""
    if one in "םןץףך" and "א" <= other <= "ת":
        return _ODD
    return _script_beside(one, other)


def _arabic_beside(one: str, other: str) -> float:
    if one in "ةى" and "ء" <= other <= "ي":
        return _ODD
    return _script_beside(one, other)


def _greek_beside(one: str, other: str) -> float:
    if (one == "ς" and other.isalpha()) or (one == "σ" and not other.isalpha()):
        return _ODD
    return _script_beside(one, other)


def _thai_beside(one: str, other: str) -> float:
    """Vowels and tones stand on a consonant, or on each other; some vowels stand before theirs."""
    if other in _ON_CONSONANT:
        return 0.0 if "ก" <= one <= "ฮ" or one in _UNDER_ANOTHER else _ODD
    if one in "เแโใไ":
        return 0.0 if "ก" <= other <= "ฮ" else _ODD
    return _ODD if (one.isascii() and one.isalpha()) or (other.isascii() and other.isalpha()) else 0.0


_ON_CONSONANT, _UNDER_ANOTHER = frozenset("ะัาำิีึืุู็่้๊๋์"), frozenset("ัิีึืุู็่้๊๋า")
_BESIDE: dict[str, Callable[[str, str], float]] = {
    "cp1255": _hebrew_beside,
    "cp1256": _arabic_beside,
    "cp1253": _greek_beside,
    "cp874": _thai_beside,
}


# -- several bytes a character


def _wide(encoding: str, counts: Mapping[str, int], pairs: _Pairs) -> float:
    of_chars = sum(count * _character(encoding, char) for char, count in counts.items())
    spaced = WIDE[encoding].spaced
    return of_chars + sum(
        count * _wide_beside(one, other, spaced=spaced) for (one, other), count in pairs.items() if max(one, other) >= "\x80"
    )


@cache
def _character(encoding: str, char: str) -> float:
    about = WIDE[encoding]
    if char == "\ufffd" or "\ue000" <= char <= "\uf8ff":  # broken, or of private use
        return _BROKEN
    for share, group in about.groups:
        if char in group:
            return math.log(share / len(group))
    written = char.encode(encoding)
    if len(written) == 1:  # katakana of half the width
        return _STRANGE
    first, last = about.usual
    if len(written) == 2 and (encoding in ("big5", "cp932") or min(written) >= 0xA1):
        return math.log(about.usual_share / about.usual_count) if first <= written[0] <= last else about.seldom
    return _RARE


def _wide_beside(one: str, other: str, *, spaced: bool) -> float:
    """Words of such characters are not mixed with Latin ones, and few languages put spaces between them."""
    if (one.isalpha() and one < "\x80") or (other.isalpha() and other < "\x80"):
        return _UNUSUAL
    return _UNUSUAL if not spaced and (one == " " or other == " ") and (one.isalpha() or other.isalpha()) else 0.0
