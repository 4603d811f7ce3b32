"""CSV, TSV and their kin: quoted newlines kept, every bad record set aside with the line where it starts.

Parsing is `csv` in strict mode, so nothing is repaired silently. When a record cannot be parsed (most often a stray quote that
swallows what follows), only its first line is set aside and parsing starts again at the next line.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from itertools import islice

from pickaxe.data.readers.base import Record, Reject, shown
from pickaxe.data.readers.lines import TOO_LONG, UNDECODABLE, Line, LineReader
from pickaxe.kernel.errors import BadInput


class DelimitedReader:
    """Streams delimited text.

    Args:
        lines: the file's lines.
        form: ``csv`` or ``tsv``, for the profile.
        delimiter: one character.
        quote: one character, or empty for a file without quoting.
        skip_before_header: lines above the header, such as a title.
        header: whether the first record names the columns; without it, and where a name is blank, they are ``column1``, ``column2``…
        skip_after_header: lines between the header and the data (Orange ``.tab`` files have 2).
    """

    def __init__(
        self,
        lines: LineReader,
        *,
        form: str,
        delimiter: str,
        quote: str,
        header: bool = True,
        skip_before_header: int = 0,
        skip_after_header: int = 0,
    ) -> None:
        self.format, self.encoding, self.delimiter = form, lines.encoding, delimiter
        self.blank_lines = 0
        self._lines, self._quote = lines, quote
        self._header, self._above, self._below = header, skip_before_header, skip_after_header
        self._ends_nameless = False

    def bytes_read(self) -> float:
        return self._lines.bytes

    def position(self) -> float:
        return self._lines.position()

    def records(self) -> Iterator[Record | Reject]:
        csv.field_size_limit(max(csv.field_size_limit(), self._lines.limit + 1))
        feed = _Feed(self._lines, self._quote)
        parser = csv.reader(
            feed,
            delimiter=self.delimiter or ",",
            quotechar=self._quote or None,
            quoting=csv.QUOTE_MINIMAL if self._quote else csv.QUOTE_NONE,
            strict=True,
        )
        feed.skip(self._above)
        columns = self._columns(feed, parser) if self._header else None
        while True:
            feed.begin()
            try:
                row = next(parser)
            except StopIteration:
                return
            except (csv.Error, _Runaway) as error:
                yield self._set_aside(feed, error)
                continue
            if problem := feed.problem():
                yield Reject(feed.first, problem, feed.raw())
            elif not row:
                self.blank_lines += 1
            else:
                columns = columns or [f"column{number}" for number in range(1, len(row) + 1)]
                row = self._without_trailing(row, len(columns))
                if len(row) == len(columns):
                    yield Record(feed.first, dict(zip(columns, row, strict=True)))
                else:
                    yield Reject(feed.first, "ragged row", shown(f"{len(row)} of {len(columns)} columns: {feed.raw()}"))

    def _without_trailing(self, row: list[str], columns: int) -> list[str]:
        """A delimiter at the end of a row, and not of the header, ends the last cell and begins no other; or the other way round."""
        if len(row) == columns + 1 and not row[-1]:
            return row[:-1]
        return [*row, ""] if self._ends_nameless and len(row) == columns - 1 else row

    def _columns(self, feed: _Feed, parser: Iterator[list[str]]) -> list[str]:
        feed.begin()
        try:
            names = next(parser)
        except StopIteration:
            raise _no_header(self._lines, "the end of the file") from None
        except (csv.Error, _Runaway) as error:
            raise _no_header(self._lines, f"line {self._above + 1} cannot be parsed: {error}") from None
        problem = feed.problem()
        if problem == UNDECODABLE:
            self._lines.judge()  # the header alone may tell a wrong encoding
        if problem or not any(name.strip() for name in names):
            raise _no_header(self._lines, problem or "a blank line")
        self._ends_nameless = not names[-1].strip()
        names = [name.strip() or f"column{number}" for number, name in enumerate(names, start=1)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BadInput(
                f"{self._lines.path.name} names a column twice: {', '.join(map(repr, twice))}",
                expected="one name per column",
                remedy="rename the columns in the header, or set header = false and use column1, column2…",
                reason="file_column_twice",
                name=self._lines.path.name,
                columns=", ".join(map(repr, twice)),
            )
        feed.skip(self._below)
        return names

    def _set_aside(self, feed: _Feed, error: Exception) -> Reject:
        line, problem, raw = feed.first, feed.first_problem(), feed.raw()
        feed.rewind()
        if problem is None:
            runaway = isinstance(error, _Runaway) or "unexpected end" in str(error)
            problem = "quote never closed" if runaway else "malformed quoting"
        return Reject(line, problem, raw)


class _Runaway(Exception):
    """A record went on past the limit: over-long, or its quote was never closed."""


class _Feed:
    """Feeds lines to the parser, remembers those of the present record, and takes them back when it cannot be parsed."""

    def __init__(self, lines: LineReader, quote: str) -> None:
        self._source, self._quote, self._limit = iter(lines), quote, lines.limit
        self._back: deque[Line] = deque()
        self._record: list[Line] = []
        self._length = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self._length > self._limit:
            raise _Runaway("the record is too long, or its quote is never closed")
        line = self._back.popleft() if self._back else next(self._source)
        self._record.append(line)
        if line.problem is None:
            self._length += len(line.text)
            return line.text
        if line.problem == TOO_LONG:
            # Only whether it opens or closes a quoted field matters: the record is set aside whatever it holds.
            return f"{self._quote if line.odd_quotes else 'x'}\n"
        return line.text.replace("\x00", " ")

    def begin(self) -> None:
        self._record, self._length = [], 0

    def rewind(self) -> None:
        self._back.extendleft(reversed(self._record[1:]))

    def skip(self, count: int) -> None:
        for _ in islice(self._source, count):
            pass

    @property
    def first(self) -> int:
        return self._record[0].number

    def first_problem(self) -> str | None:
        return self._record[0].problem

    def problem(self) -> str | None:
        return next((line.problem for line in self._record if line.problem), None)

    def raw(self) -> str:
        return shown("".join(line.text for line in self._record[:50]).rstrip("\r\n"))


def _no_header(lines: LineReader, got: str) -> BadInput:
    return BadInput(
        f"{lines.path.name} has no header",
        expected="column names in the first line",
        got=got,
        remedy="add a header line, or set header = false and name the text column column1, column2…",
        reason="file_no_header",
        name=lines.path.name,
    )
