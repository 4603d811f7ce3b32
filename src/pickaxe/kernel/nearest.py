"""Which known name somebody probably meant. A far-off guess is worse than none: it sends the reader the wrong way."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_ALIKE = 0.7
"""Share of letters in common (Ratcliff and Obershelp, as `difflib` counts) from which one name passes for a slip of the other."""
_LEAST_PART = 3
"""Letters of a beginning, middle or end from which it speaks for the whole name."""


def nearest(asked: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Those of `known` that `asked` may have been meant for, the likeliest first.

    Names with parts (``headlines/rows``) are compared part by part, so that a shared first part does not make neighbours of two
    different things; a single part may stand for the last one (``rows``) or for the first (``headlines``).
    """
    likely = [(parts, name) for name in dict.fromkeys(known) if min(parts := _likeness(asked, name)) >= _ALIKE]
    return [name for _, name in sorted(likely, key=lambda pair: (-sum(pair[0]), pair[1]))[:most]]


def did_you_mean(asked: str, known: Iterable[str], *, most: int = 3) -> str | None:
    """``did you mean a or b?``, None when nothing is near."""
    near = nearest(asked, known, most=most)
    return f"did you mean {' or '.join(near)}?" if near else None


def _likeness(asked: str, name: str) -> list[float]:
    ours, theirs = asked.split("/"), name.split("/")
    if len(ours) == len(theirs):
        return [_of_parts(one, other) for one, other in zip(ours, theirs, strict=True)]
    if len(ours) == 1:
        return [max(_of_parts(asked, theirs[-1]), _ALIKE * (_folded(asked) == _folded(theirs[0])))]
    return [0.0]


def _of_parts(one: str, other: str) -> float:
    one, other = _folded(one), _folded(other)
    short, long = sorted((one, other), key=len)
    if len(short) >= _LEAST_PART and short in long:
        return max(_ALIKE, len(short) / len(long))
    return difflib.SequenceMatcher(None, one, other).ratio()


def _folded(text: str) -> str:
    """Case and what joins words set aside."""
    return "".join(letter for letter in text.casefold() if letter.isalnum() or letter == ".") or text
