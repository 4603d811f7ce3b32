"""Which encoding a text file is in: told by its mark, or found in a bounded sample of its bytes.

UTF-8 proves itself. Of other encodings the one is taken whose reading is the likeliest text, see `likely`; that is a guess,
and called one, unless there is plenty of text in an encoding of several bytes a character.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pickaxe.data.readers.letters import NARROW, WIDE
from pickaxe.data.readers.likely import reading
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nearest import nearest

AUTO = "auto"
COMMON = ("utf-8", "utf-16", *WIDE, *NARROW)
"""What people may choose from; Python knows more."""
_ENOUGH = 100
"""Characters beyond ASCII from which an encoding of several bytes a character is no mere guess."""
_BROKEN_IN = 50
"""Characters beyond ASCII of which one may be broken."""
_CLEAR, _NONSENSE = 0.3, -7.0
"""Logarithms of probability for each byte: that a reading is ahead of the next when it is no mere guess; less than that is no text."""
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = frozenset(
    {"idna", "punycode", "undefined", "unicode_escape", "unicode-escape", "raw_unicode_escape", "raw-unicode-escape"}
)
"""Codecs of single names, of Python's literals, or of nothing."""
_HEAD = 512 << 10
_WINDOW, _WINDOWS = 16 << 10, 16
"""The beginning of a file is looked at, and as many windows spread over the rest."""
_JUDGED = 64 << 10
"""Bytes of lines beyond ASCII that an encoding is told by."""


class Encoding(NamedTuple):
    """A codec of Python's; not `sure` when another one may be meant."""

    name: str
    sure: bool = True


def found_encoding(path: Path) -> Encoding:
    """The encoding of a file; of what is text in no encoding that is known here, `latin-1`, as a guess."""
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name)
    if wide := _without_mark(head):
        return Encoding(wide, sure=False)
    odd = [line for line in _sampled_lines(path) if not line.isascii()]
    broken = [line for line in odd if not decodes(line, "utf-8")]
    if 2 * len(broken) <= len(odd):  # a few broken lines in a UTF-8 file are set aside, one by one
        return Encoding("utf-8")
    return _guessed(_first(odd))


def known_encoding(name: str, path: Path) -> str:
    """Python's own name of a codec, for this file: ``utf-16`` without a mark says which half comes first.

    Raises `BadInput` with the nearest names.
    """
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):  # a NUL in the name
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True) or found.name in _NO_TEXT:
        near = nearest(name, ["utf-8", "utf-16", "latin-1", "shift_jis", *COMMON], most=1)
        raise BadInput(
            f"unknown encoding {name!r:.100}",
            expected="auto, or a codec that Python knows, such as utf-8, utf-16, cp1252 or gb18030",
            remedy=f"did you mean {near[0]!r}?" if near else 'use encoding = "auto" to find out what is wrong with the file',
            reason="encoding_unknown",
            name=name[:100],
            near=near[0] if near else "",
        )
    if found.name not in ("utf-16", "utf-32"):
        return found.name
    with path.open("rb") as file:
        head = file.read(4096)
    if any(head.startswith(mark) for mark, name in _MARKS if name == found.name):
        return found.name
    return _without_mark(head) or "utf-16-le" if found.name == "utf-16" else "utf-32-le"


def fitting(data: bytes) -> list[str]:
    """Which of the common encodings decode it: a lead for the reader of a message, not a verdict."""
    return [name for name in (*WIDE, *NARROW) if decodes(data, name)]


def decodes(data: bytes, encoding: str) -> bool:
    """Whether it is a beginning of text in this encoding."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(data, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _without_mark(head: bytes) -> str | None:
    """UTF-16 shows itself by the empty halves of its Latin letters, line ends and separators."""
    nuls = head.count(b"\x00")
    if nuls * 4 <= len(head):
        return None
    return "utf-16-le" if head[1::2].count(b"\x00") * 2 > nuls else "utf-16-be"


def _sampled_lines(path: Path) -> Iterator[bytes]:
    """Whole lines of the beginning and of windows over the rest; a line that a window cuts is left out where there are others."""
    size = path.stat().st_size
    with path.open("rb") as file:
        yield from _whole_lines(file.read(_HEAD), begins=True, ends=size <= _HEAD)
        step = max((size - _HEAD) // _WINDOWS, _WINDOW)
        for place in range(_HEAD, size, step):
            file.seek(place)
            yield from _whole_lines(file.read(_WINDOW), begins=False, ends=place + _WINDOW >= size)


def _whole_lines(data: bytes, *, begins: bool, ends: bool) -> list[bytes]:
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").splitlines(keepends=True)
    whole = lines[0 if begins else 1 : None if ends else -1]
    return whole or (lines if begins else [])


def _first(lines: Sequence[bytes]) -> bytes:
    """As many whole lines as are judged by; of one that is longer, its beginning."""
    sample = bytearray()
    for line in lines:
        if sample and len(sample) + len(line) > _JUDGED:
            break
        sample += line
    return bytes(sample[:_JUDGED])


def _guessed(sample: bytes) -> Encoding:
    """The most likely reading, of equals the first."""
    readings = sorted((reading(sample, name) for name in (*WIDE, *NARROW)), key=lambda each: -each.score)
    best, next_best = readings[:2]
    if best.score < _NONSENSE or sample.decode(best.encoding, errors="replace").count("\ufffd") * _BROKEN_IN > best.beyond:
        return Encoding("latin-1", sure=False)
    return Encoding(
        best.encoding, sure=best.encoding in WIDE and best.beyond >= _ENOUGH and best.score - next_best.score >= _CLEAR
    )
