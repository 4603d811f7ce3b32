"""A first look at a file of texts, before anything is made of it: its columns, its first rows, and which column is likely what.

Only the beginning is read, so the look is quick at any size. What `pickaxe.data.ingest` would refuse as a whole is refused here too.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pickaxe.data.columns import columns_of, getter, text_column
from pickaxe.data.ingest import IngestConfig, label_name, nothing_usable
from pickaxe.data.readers.base import Record, shown
from pickaxe.data.readers.jsonl import MISSING
from pickaxe.data.readers.sniff import open_reader, settled
from pickaxe.kernel.errors import BadInput

_MOST_RECORDS = 5_000
_MOST_BYTES = 16 << 20
_SHOWN_ROWS = 8
_SHOWN_CHARS = 300
_MOST_COLUMNS = 40
_MOST_CLASSES = 30
_NAMELESS = re.compile(r"column\d+")
"""What readers call a column without a name, such as the one behind a delimiter at the end of each line."""
_ROWS_A_CLASS = 5
"""Rows that a class has on average in a column that may be the label's."""
_LABEL_NAMES = (
    *("label", "labels", "class", "category", "kind", "target", "topic", "tag", "sentiment", "intent", "type", "gold", "answer"),
    *("priority", "urgency", "rating", "stars", "score"),
)


@dataclass(slots=True)
class Column:
    """A column, as far as the file was read. `classes` are its values with their numbers, most frequent first, when they are few."""

    name: str
    filled: int = 0
    words: float = 0.0
    classes: dict[str, int] | None = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Look:
    """What a file holds. `rows` is a count when `whole`, else an estimate; `sample` are the first rows, long values cut.

    Attributes:
        rejected: records that cannot be read, by reason, as far as the file was read.
        text, label: likely columns, None where nothing speaks for one.
        encoding, delimiter: None for a format that has none; `encoding_from` is ``guessed`` where another one may be meant.
        lines_above: above the header.
    """

    name: str
    format: str
    size: int
    rows: int
    whole: bool
    rejected: dict[str, int]
    columns: tuple[Column, ...]
    sample: tuple[tuple[str | None, ...], ...]
    text: str | None
    label: str | None
    encoding: str | None = None
    encoding_from: str = "given"
    delimiter: str | None = None
    lines_above: int = 0

    def column(self, name: str | None) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


def look(path: Path, name: str, config: IngestConfig | None = None) -> Look:
    """Look at the file at `path`, which its owner calls `name`, as `config` has it read.

    Raises `BadInput` for a folder, an empty file, a format that is not read, and a file without one readable record.
    """
    if path.is_dir():
        raise BadInput(f"{name} is a folder", expected="one file: CSV, TSV, JSON Lines or Parquet")
    config = settled(path, name, config or IngestConfig())
    reader = open_reader(path, name, config)
    size, records, rejected, whole = path.stat().st_size, list[Record](), Counter[str](), True
    for count, item in enumerate(reader.records(), start=1):
        if isinstance(item, Record):
            records.append(item)
        else:
            rejected[item.reason] += 1
        if count == _MOST_RECORDS or reader.position() * size > _MOST_BYTES:
            whole = False
            break
    if not records:
        raise nothing_usable(name, rejected)
    share = 1.0 if whole else min(1.0, reader.bytes_read() / size)
    names = [name for name in columns_of(records[:_SHOWN_ROWS]) if shown(name) == name][:_MOST_COLUMNS]
    columns = tuple(_column(records, name) for name in names)
    columns = tuple(column for column in columns if column.filled or not _NAMELESS.fullmatch(column.name))
    text = _likely_text(records, columns, name)
    return Look(
        name=name,
        format=reader.format,
        size=size,
        rows=round(len(records) / share),
        whole=whole,
        rejected=dict(rejected.most_common(5)),
        columns=columns,
        sample=tuple(
            tuple(_shown(getter(column.name)(record.values)) for column in columns) for record in islice(records, _SHOWN_ROWS)
        ),
        text=text,
        label=_likely_label(columns, text),
        encoding=reader.encoding,
        encoding_from=config.encoding_from,
        delimiter=reader.delimiter,
        lines_above=config.skip_before_header or 0,
    )


def _column(records: list[Record], name: str) -> Column:
    column, read, counts = Column(name), getter(name), Counter[str]()
    words = texts = 0
    for record in records:
        value = read(record.values)
        if value is MISSING or value is None or value == "":
            continue
        column.filled += 1
        if isinstance(value, str):
            words, texts = words + len(value.split()), texts + 1
        if column.classes is not None and (label := label_name(value)):
            counts[shown(label)] += 1
            if len(counts) > _MOST_CLASSES:
                column.classes = None
    column.words = words / texts if texts else 0.0
    if column.classes is not None:
        column.classes = dict(counts.most_common())
    return column


def _likely_text(records: list[Record], columns: tuple[Column, ...], name: str) -> str | None:
    """What the line would find by itself, else the column with the most words."""
    try:
        found = text_column(records[:_SHOWN_ROWS], None, name)
    except BadInput:
        found = None
    if any(column.name == found for column in columns):
        return found
    wordy = max(columns, key=lambda column: column.words, default=None)
    return wordy.name if wordy and wordy.words > 1 else None


def _likely_label(columns: tuple[Column, ...], text: str | None) -> str | None:
    """The column with a few values that come again and again; of several the one with a usual name, or none."""
    few = [
        column.name
        for column in columns
        if column.name != text and column.classes and 2 <= len(column.classes) <= column.filled / _ROWS_A_CLASS
    ]
    usual = [name for name in few if name.lower() in _LABEL_NAMES]
    return usual[0] if usual else few[0] if len(few) == 1 else None


def _shown(value: Any) -> str | None:
    if value is MISSING or value is None:
        return None
    text = value if isinstance(value, str) else str(value)
    return shown(text[:_SHOWN_CHARS]) + ("…" if len(text) > _SHOWN_CHARS else "")
