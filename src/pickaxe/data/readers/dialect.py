"""How the beginning of a delimited file is laid out: its separator, and the lines above its header."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

DELIMITERS = (",", ";", "\t", "|")
_NAMED = re.compile(r"sep=(.)\s*")
"""A first line that spreadsheets understand."""
_MOST_ABOVE = 20
_NAME_CHARS = 80


class Dialect(NamedTuple):
    """The separator, and how many lines stand above the header."""

    delimiter: str
    above: int


class _Row(NamedTuple):
    first: int
    """Index of its first line."""
    cells: list[str]


def found_dialect(lines: Sequence[str], quote: str, delimiter: str | None = None, *, header: bool = True) -> Dialect:
    """The dialect of a file that begins with `lines`; `delimiter` when it is known."""
    told = _NAMED.fullmatch(lines[0]) if lines and delimiter is None else None
    if told:
        return Dialect(told[1], 1)
    if delimiter is None:
        delimiter = _delimiter(lines, quote)
    return Dialect(delimiter, _above(_rows(lines, delimiter, quote)) if header else 0)


def _delimiter(lines: Sequence[str], quote: str) -> str:
    """The one by which most rows have the same number of cells, two or more.

    Where none does, it is the one that splits the first line most; a file of one column gets one that does not occur in it.
    """
    by = {delimiter: [len(row.cells) for row in _rows(lines, delimiter, quote) if row.cells] for delimiter in DELIMITERS}
    agreed = {delimiter: _agreement(counts) for delimiter, counts in by.items()}
    best = max(DELIMITERS, key=lambda delimiter: agreed[delimiter])
    if agreed[best][0] > 0.5:
        return best
    first = {delimiter: counts[0] for delimiter, counts in by.items() if counts}
    if any(count > 1 for count in first.values()):
        return max(DELIMITERS, key=lambda delimiter: first.get(delimiter, 0))
    alone = (delimiter for delimiter, counts in by.items() if all(count == 1 for count in counts))
    return next(alone, ",")


def _agreement(counts: Sequence[int]) -> tuple[float, int]:
    """Share of rows with the most frequent number of cells, and that number."""
    usual, often = Counter(counts).most_common(1)[0] if counts else (1, 0)
    return (often / len(counts), usual) if usual > 1 else (0.0, 1)


def _above(rows: Sequence[_Row]) -> int:
    """Lines above the header: empty ones, and titles, where a header follows. A title is several words in one cell."""
    usual = Counter(len(row.cells) for row in rows if row.cells).most_common(1)
    width = usual[0][0] if usual else 1
    for index, row in enumerate(rows[:_MOST_ABOVE]):
        if not any(cell.strip() for cell in row.cells):
            continue
        if width > 1 and _is_title(row.cells):
            continue
        return row.first if index == 0 or _is_header(row.cells, width) else 0
    return 0


def _is_title(cells: Sequence[str]) -> bool:
    filled = [cell.strip() for cell in cells if cell.strip()]
    return len(filled) == 1 and len(filled[0].split()) > 1


def _is_header(cells: Sequence[str], width: int) -> bool:
    names = [cell.strip() for cell in cells]
    return len(names) == width and (width == 1 or len({name for name in names if 0 < len(name) <= _NAME_CHARS}) >= width - 1)


def _rows(lines: Sequence[str], delimiter: str, quote: str) -> list[_Row]:
    """As far as they can be parsed."""
    parser = csv.reader(
        (line.replace("\x00", " ") for line in lines),
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    rows, before = list[_Row](), 0
    try:
        for cells in parser:
            rows.append(_Row(before, cells))
            before = parser.line_num
    except csv.Error:
        pass
    return rows
