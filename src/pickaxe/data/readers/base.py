"""What every reader gives: records and rejects, in the order of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

RAW_CHARS = 500


class Record(NamedTuple):
    """One readable record: the 1-based line where it starts and its values by column."""

    line: int
    values: dict[str, Any]


class Reject(NamedTuple):
    """One record that could not be read: where, why, and the beginning of what was there."""

    line: int
    reason: str
    raw: str


class Reader(Protocol):
    """Streams one file in bounded memory."""

    @property
    def format(self) -> str: ...

    @property
    def encoding(self) -> str | None: ...

    @property
    def delimiter(self) -> str | None: ...

    @property
    def blank_lines(self) -> int: ...

    def records(self) -> Iterator[Record | Reject]:
        """Records in file order. Raises `BadInput` when the file as a whole cannot be read."""
        ...

    def bytes_read(self) -> float:
        """Bytes of the file that the records so far were, about."""
        ...

    def position(self) -> float:
        """Share of the file read so far, 0 to 1."""
        ...


def shown(raw: object) -> str:
    """The first 500 characters of something bad, with NUL bytes and lone surrogates made visible."""
    text = raw if isinstance(raw, str) else str(raw)
    text = text[:RAW_CHARS].encode("utf-8", errors="backslashreplace").decode("utf-8")
    return text.replace("\x00", "\\x00")[:RAW_CHARS]
