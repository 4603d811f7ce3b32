"""Lines of a text file: decoded one by one, in bounded memory, with what is wrong about each.

A line that cannot be decoded is set aside. When the encoding was found and not given, and so many lines fail that it must be another
one, reading stops with `BadInput` and the place of the first; a mere guess is given up at the first.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, NamedTuple

from pickaxe.data.readers.encoding import fitting
from pickaxe.kernel.errors import BadInput

UNDECODABLE = "undecodable line"
NUL = "NUL byte"
TOO_LONG = "line too long"

_JUDGED_EVERY = 10_000
_HEAD = 1 << 16
_FIRST_END = re.compile(r'(?:[^"\r\n]|"[^"]*")*?(\r\n|\r|\n)')


class Line(NamedTuple):
    """A line with its terminator. `problem` is None when it was read whole; otherwise `text` is only for showing."""

    number: int
    text: str
    problem: str | None
    odd_quotes: bool = False
    """Whether the part that was thrown away of an over-long line held an odd number of quotes."""


class LineReader:
    """Iterates the lines of a file; at most one line of `limit` bytes is in memory.

    Args:
        path: the file.
        encoding: a Python codec name.
        encoding_from: whether somebody gave that name, it was found by itself, or guessed.
        limit: longest line in bytes; longer ones are thrown away while reading and reported as a problem.
        quote: the quote character whose parity is kept for over-long lines.

    Raises `BadInput` for a file that is not in an encoding that was found or guessed.
    """

    def __init__(
        self,
        path: Path,
        *,
        encoding: str,
        limit: int,
        quote: str = "",
        encoding_from: Literal["given", "found", "guessed"] = "given",
    ) -> None:
        self.path, self.limit, self.quote = path, limit, quote.encode("ascii")
        self.size = max(path.stat().st_size, 1)
        self.encoding, self.encoding_from = encoding, encoding_from
        self.lines = 0
        self.bytes = 0
        """Of the file, that the lines so far were: of UTF-16 and UTF-32 about so many."""
        self._width = {"utf-16": 2, "utf-32": 4}.get(encoding[:6], 0)
        self._non_ascii = self._undecodable = 0
        self._first_bad: tuple[int, int, bytes] | None = None
        self._file: IO[bytes] | None = None

    def position(self) -> float:
        if self._file is None or self._file.closed:
            return 1.0 if self.lines else 0.0
        return min(1.0, self._file.tell() / self.size)

    def __iter__(self) -> Iterator[Line]:
        with self.path.open("rb") as file:
            self._file = file
            stream, codec, offset = self._stream(file)
            source = _AtReturns(stream) if self._ends_at_returns() else stream
            for number, (data, length, odd) in enumerate(_pieces(source, self.limit, self.quote), start=1):
                self.lines = number
                line = (
                    self._line(number, offset, data, codec, odd)
                    if length <= self.limit
                    else Line(number, data.decode(codec, errors="backslashreplace"), TOO_LONG, odd)
                )
                offset += length
                self.bytes += self._width * len(line.text) if self._width and length <= self.limit else length
                yield line
                if number % _JUDGED_EVERY == 0:
                    self.judge()
            self.judge()

    def _ends_at_returns(self) -> bool:
        """Whether lines end with a carriage return alone, as old spreadsheets write them."""
        with self.path.open("rb") as file:
            head = codecs.getincrementaldecoder(self.encoding)(errors="replace").decode(file.read(_HEAD), final=False)
        end = _FIRST_END.match(head) if self.quote == b'"' else re.search(r"(\r\n|\r|\n)", head)
        return end is not None and end[1] == "\r" and not (end.end() == len(head) and self.size > _HEAD)

    def _stream(self, file: IO[bytes]) -> tuple[IO[bytes], str, int]:
        """The bytes to split into lines, the codec of each line, and the offset of the first byte."""
        codec = self.encoding
        if codec.startswith(("utf-16", "utf-32")):
            # A newline is several bytes there, so the file passes through UTF-8 on its way; offsets are then of no use.
            return io.BufferedReader(_Transcoder(file, codec), 1 << 16), "utf-8", 0
        if codec in ("utf-8", "utf-8-sig"):
            if file.read(3) == codecs.BOM_UTF8:
                return file, "utf-8", 3
            file.seek(0)
            return file, "utf-8", 0
        return file, codec, 0

    def _line(self, number: int, offset: int, data: bytes, codec: str, odd: bool) -> Line:
        if not data.isascii():
            self._non_ascii += 1
        try:
            text = data.decode(codec)
        except UnicodeDecodeError as error:
            self._undecodable += 1
            if self._first_bad is None:
                self._first_bad = (number, offset + error.start, data[error.start : error.start + 1])
            if self.encoding_from == "guessed":
                raise self._another(fitting(data)) from None
            return Line(number, data.decode(codec, errors="backslashreplace"), UNDECODABLE, odd)
        return Line(number, text, NUL if b"\x00" in data else None)

    def judge(self) -> None:
        """A whole file in another encoding, or a few broken lines? Only guessed at when no encoding was asked for.

        It is another encoding when most of the lines with non-ASCII bytes fail, and they are more than one line in a hundred.
        """
        if self.encoding_from != "found" or self._first_bad is None:
            return
        if self._undecodable * 2 <= self._non_ascii or self._undecodable * 100 <= self.lines:
            return
        with self.path.open("rb") as file:
            raise self._another(fitting(file.read(_HEAD)))

    def _another(self, fit: list[str]) -> BadInput:
        assert self._first_bad is not None
        number, offset, byte = self._first_bad
        place = f"line {number}" if self._width else f"byte offset {offset} (line {number})"
        lead = f" ({', '.join(fit)} would decode it)" if fit else ""
        return BadInput(
            f"{self.path.name} is not {self.encoding}",
            expected=f"what the beginning of the file looks like: {self.encoding}",
            got=f"byte 0x{byte.hex()} at {place}; {self._undecodable} of {self.lines} lines read cannot be decoded",
            remedy=f'say which encoding it is, e.g. encoding = "cp1252"{lead}, or convert the file to UTF-8',
            line=number,
            byte_offset=None if self._width else offset,
        )


class _AtReturns:
    """Reads lines that end with a carriage return."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._ready = stream, bytearray()

    def readline(self, limit: int) -> bytes:
        end = self._ready.find(b"\r")
        while end < 0 and len(self._ready) < limit and (part := self._stream.read(_HEAD)):
            begin = len(self._ready)
            self._ready += part
            end = self._ready.find(b"\r", begin)
        length = min(limit, end + 1 if end >= 0 else len(self._ready))
        line = bytes(self._ready[:length])
        del self._ready[:length]
        return line


def _pieces(stream: IO[bytes] | _AtReturns, limit: int, quote: bytes) -> Iterator[tuple[bytes, int, bool]]:
    """(bytes, full length, odd quotes) of each line; what exceeds the limit is read and dropped in small pieces."""
    while data := stream.readline(limit + 1):
        length = len(data)
        if length <= limit:
            yield data, length, False
            continue
        quotes, tail = (data.count(quote) if quote else 0), data
        while not tail.endswith((b"\n", b"\r")) and (tail := stream.readline(1 << 16)):
            length += len(tail)
            quotes += tail.count(quote) if quote else 0
        yield data[:2000], length, quotes % 2 == 1


class _Transcoder(io.RawIOBase):
    """A raw stream of UTF-8 made from UTF-16 or UTF-32. Broken units become bytes that no UTF-8 decoder accepts."""

    def __init__(self, file: IO[bytes], codec: str) -> None:
        self._file, self._decoder = file, codecs.getincrementaldecoder(codec)(errors="surrogatepass")
        self._ready, self._ended = b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            chunk = self._file.read(1 << 16)
            self._ended = not chunk
            try:
                self._ready = self._decoder.decode(chunk, final=not chunk).encode("utf-8", errors="surrogatepass")
            except UnicodeError:  # also of a mark that is not there any more
                self._ready = b"\xff"
                self._decoder.reset()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count
