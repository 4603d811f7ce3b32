"""Lines of a text file: decoded one by one, in bounded memory, with what is wrong about each.

A file is read as UTF-8 unless a byte-order mark or the caller says otherwise. A line that cannot be decoded is set aside; when
so many lines fail that the file must be in another encoding, reading stops with `BadInput` and the byte offset of the first.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nearest import nearest

UNDECODABLE = "undecodable line"
NUL = "NUL byte"
TOO_LONG = "line too long"

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SUGGESTED = ("cp1252", "cp1251", "shift_jis", "gb18030", "euc-kr", "big5")
_JUDGED_EVERY = 10_000


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
        encoding: ``auto`` or a Python codec name.
        limit: longest line in bytes; longer ones are thrown away while reading and reported as a problem.
        quote: the quote character whose parity is kept for over-long lines.

    Raises `BadInput` for an unknown encoding, UTF-16 without a mark, and a file that is not in the encoding.
    """

    def __init__(self, path: Path, *, encoding: str, limit: int, quote: str = "") -> None:
        self.path, self.limit, self.quote = path, limit, quote.encode("ascii")
        self.size = max(path.stat().st_size, 1)
        self.asked = encoding
        self.encoding = _detected(path) if encoding == "auto" else _known(encoding)
        self.lines = 0
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
            for number, (data, length, odd) in enumerate(_pieces(stream, self.limit, self.quote), start=1):
                self.lines = number
                yield (
                    self._line(number, offset, data, codec, odd)
                    if length <= self.limit
                    else Line(number, data.decode(codec, errors="backslashreplace"), TOO_LONG, odd)
                )
                offset += length
                if number % _JUDGED_EVERY == 0:
                    self.judge()
            self.judge()

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
            return Line(number, data.decode(codec, errors="backslashreplace"), UNDECODABLE, odd)
        return Line(number, text, NUL if b"\x00" in data else None)

    def judge(self) -> None:
        """A whole file in another encoding, or a few broken lines? Only guessed at when no encoding was asked for.

        It is another encoding when most of the lines with non-ASCII bytes fail, and they are more than one line in a hundred.
        """
        if self.asked != "auto" or self._first_bad is None:
            return
        if self._undecodable * 2 <= self._non_ascii or self._undecodable * 100 <= self.lines:
            return
        number, offset, byte = self._first_bad
        utf8 = self.encoding.startswith("utf-8")
        place = f"byte offset {offset} (line {number})" if utf8 else f"line {number}"
        fits = ", ".join(_fitting(self.path))
        leads = f" ({fits} would decode its beginning)" if fits else ""
        raise BadInput(
            f"{self.path.name} is not {self.encoding}",
            expected="UTF-8, or UTF-16 with a byte-order mark",
            got=f"byte 0x{byte.hex()} at {place}; {self._undecodable} of {self.lines} lines read cannot be decoded",
            remedy=f'say which encoding it is, e.g. encoding = "cp1252"{leads}, or convert the file to UTF-8',
            line=number,
            byte_offset=offset if utf8 else None,
            reason="file_encoding_fits" if fits else "file_encoding",
            fits=fits,
            name=self.path.name,
            encoding=self.encoding,
        )


def _pieces(stream: IO[bytes], limit: int, quote: bytes) -> Iterator[tuple[bytes, int, bool]]:
    """(bytes, full length, odd quotes) of each line; what exceeds the limit is read and dropped in small pieces."""
    while data := stream.readline(limit + 1):
        length = len(data)
        if length <= limit:
            yield data, length, False
            continue
        quotes, tail = (data.count(quote) if quote else 0), data
        while not tail.endswith(b"\n") and (tail := stream.readline(1 << 16)):
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
            except UnicodeDecodeError:
                self._ready = b"\xff"
                self._decoder.reset()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


def _detected(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    nuls = head.count(b"\x00")
    if nuls * 4 > len(head):
        order = "le" if head[1::2].count(b"\x00") * 2 > nuls else "be"
        raise BadInput(
            f"{path.name} looks like UTF-16 without a byte-order mark",
            expected="UTF-8, or UTF-16 with a byte-order mark",
            got=f"{nuls} NUL bytes in the first {len(head)}, the first at byte offset {head.index(0)}",
            remedy=f'set encoding = "utf-16-{order}", or convert the file to UTF-8',
            byte_offset=head.index(0),
        )
    return "utf-8"


def _known(encoding: str) -> str:
    try:
        found = codecs.lookup(encoding)
    except LookupError:
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True):
        near = nearest(encoding, ["utf-8", "utf-16", "latin-1", *_SUGGESTED], most=1)
        raise BadInput(
            f"unknown encoding {encoding!r}",
            expected="auto, or a codec that Python knows, such as utf-8, utf-16, cp1252 or shift_jis",
            remedy=f"did you mean {near[0]!r}?" if near else 'use encoding = "auto" to find out what is wrong with the file',
        )
    return found.name


def _fitting(path: Path) -> list[str]:
    """Which common encodings decode the first 64 KB: a lead for the reader of the message, not a verdict."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    return [name for name in _SUGGESTED if _decodes(head, name)]


def _decodes(head: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(head, final=False)
    except UnicodeDecodeError:
        return False
    return True
