"""The step `ingest`: a CSV, TSV, JSON Lines or Parquet file becomes a table of rows, a quarantine and a profile.

Text is never altered: no Unicode normalisation, no trimming, no case folding. What a person wrote, right-to-left marks and emoji
included, is what is stored, hashed, labelled and served. Labels are trimmed, since a class is a name.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from pickaxe.data import schemas
from pickaxe.data.columns import columns_of, getter, label_column, text_column
from pickaxe.data.profile import profile
from pickaxe.data.readers.base import Reader, Record, Reject, shown
from pickaxe.data.readers.jsonl import MISSING
from pickaxe.data.readers.lines import NUL, TOO_LONG
from pickaxe.data.readers.sniff import open_reader, settled
from pickaxe.data.spool import Spool
from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.step import Input, StepContext
from pickaxe.kernel.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE = 200
_HOPELESS = 10_000
_MANY_BAD = 0.05


class IngestConfig(Config):
    """How to read a file of texts."""

    format: Literal["auto", "csv", "tsv", "jsonl", "parquet"] = "auto"
    text: str | None = Field(
        default=None, description="column of the text; JSON paths such as input[-1].content; None: found by itself"
    )
    label: str | None = Field(default=None, description="column of the label, if the source has one")
    encoding: str = Field(
        default="auto", max_length=100, description="auto (UTF-8, what a mark says, or a guess) or a Python codec such as cp1252"
    )
    encoding_from: Literal["given", "found", "guessed"] = Field(
        default="given", description="set by the line when it has found the encoding by itself, or guessed it"
    )
    max_line_bytes: int = Field(
        default=1_000_000, ge=100, le=100_000_000, description="longer lines are quarantined, never held in memory"
    )
    delimiter: str | None = Field(default=None, description="one character; None: found by itself")
    quote: str = Field(default='"', max_length=1, description="quote character; empty for a file without quoting")
    header: bool = Field(default=True, description="whether the first line names the columns (else column1, column2…)")
    skip_before_header: int | None = Field(
        default=None, ge=0, le=1000, description="lines above the header, such as a title; None: found by themselves"
    )
    skip_after_header: int = Field(default=0, ge=0, description="lines to skip below the header (2 for Orange .tab files)")
    language_sample: int = Field(default=200, ge=0, description="rows whose language is guessed for the profile; 0 for none")

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 1 or value in '\r\n"'):
            raise ValueError("the delimiter is one character, such as , ; | or a tab")
        return value


def ingest(ctx: StepContext, config: IngestConfig) -> None:
    """Read the file of input `source`, record by record, in bounded memory.

    Outputs:
        rows: see `schemas.rows`; in the order of the file. `row_key` is the BLAKE2b-64 of the text in hex; further rows with
            the same text get ``-2``, ``-3``…, so that a key is unique and stays the same when rows are added at the end.
        quarantine: see `schemas.quarantine`.
        profile: JSON, see `profile.profile`.

    Raises `BadInput` for an empty file, a missing column, a wrong encoding and a file without a usable row.
    """
    source = ctx.inputs["source"]
    path, name = source.path(), _name(source)
    config = settled(path, name, config)
    reader = open_reader(path, name, config)
    stream = reader.records()
    head = list(islice(stream, _SAMPLE))
    sample = [item for item in head if isinstance(item, Record)]
    while not sample and len(head) < _HOPELESS and (more := list(islice(stream, _SAMPLE))):
        head += more
        sample = [item for item in more if isinstance(item, Record)]
    if not sample:
        raise nothing_usable(name, Counter(item.reason for item in head if isinstance(item, Reject)))
    text, label = text_column(sample, config.text, name), label_column(sample, config.label, name)

    kept = Spool(ctx.scratch / "rows.arrow", schemas.rows().remove(0))
    bad = Spool(ctx.scratch / "quarantine.arrow", schemas.quarantine())
    sorter = _Sorter(name, text, label, config.max_line_bytes, kept, bad)
    for count, item in enumerate(chain(head, stream), start=1):
        sorter.take(item)
        if count % 5000 == 0:
            ctx.progress(reader.position(), 1.0, counted(kept.rows, "row"))
    if not kept.rows:
        raise nothing_usable(name, sorter.reasons)

    rows = _with_keys(kept.table(), sorter.hashes)
    quarantine = bad.table()
    if bad.rows > _MANY_BAD * (kept.rows + bad.rows):
        ctx.log(f"{bad.rows:,} of {kept.rows + bad.rows:,} records are in quarantine: {dict(sorter.reasons)}", level="warning")
    if config.encoding_from == "guessed":
        ctx.log(
            f"{name} was read as {config.encoding}, which is a guess: set ingest.encoding if texts look wrong", level="warning"
        )
    ctx.save_table("rows", rows, meta={"text": text, "label": label, "source": name})
    ctx.save_table("quarantine", quarantine, kind="quarantine")
    ctx.save_json("profile", _profile(reader, config, sorter, rows, quarantine, columns_of(sample)))
    ctx.progress(1.0, 1.0, f"{counted(kept.rows, 'row')}, {bad.rows:,} in quarantine")


class _Sorter:
    """Puts each record into the rows or the quarantine."""

    def __init__(self, source: str, text: str, label: str | None, limit: int, rows: Spool, quarantine: Spool) -> None:
        from array import array

        self.source, self.text, self.label = source, text, label
        self.reasons: Counter[str] = Counter()
        self.filled: Counter[str] = Counter()
        self.records = 0
        self.hashes = array("Q")
        self._text = getter(text)
        self._label = getter(label) if label else None
        self._limit, self._rows, self._quarantine = limit, rows, quarantine

    def take(self, item: Record | Reject) -> None:
        if isinstance(item, Reject):
            self._reject(item)
        else:
            self._take(item)

    def _take(self, item: Record) -> None:
        self.records += 1
        self.filled.update(key for key, value in item.values.items() if value is not None and value != "")
        text = self._text(item.values)
        label = self._label(item.values) if self._label else None
        if reason := self._problem(text, label):
            self._reject(Reject(item.line, reason, shown(item.values)))
            return
        try:
            digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
        except UnicodeEncodeError:
            self._reject(Reject(item.line, "lone surrogate in text", shown(text)))
            return
        self.hashes.append(int.from_bytes(digest, "big"))
        self._rows.add(text, label_name(label), item.line, self.source)

    def _problem(self, text: Any, label: Any) -> str | None:
        if text is MISSING:
            return f"no field {self.text!r}"
        if text is None:
            return "empty text"
        if not isinstance(text, str):
            return "text is not a string"
        if not text or text.isspace():
            return "empty text"
        if "\x00" in text:
            return NUL
        if len(text) > self._limit:
            return TOO_LONG
        if isinstance(label, (list, dict, bytes)) or (isinstance(label, str) and not _clean(label)):
            return "label is not a name"
        return None

    def _reject(self, item: Reject) -> None:
        self.reasons[item.reason] += 1
        self._quarantine.add(item.line, item.reason, item.raw)


def _clean(label: str) -> bool:
    return "\x00" not in label and not any("\ud800" <= char <= "\udfff" for char in label)


def label_name(label: Any) -> str | None:
    """The class that a value of the label column names; None for a row without a label."""
    if label is None or label is MISSING or label != label:  # NaN stands for null in many exports
        return None
    if isinstance(label, bool):
        return "true" if label else "false"
    return str(label).strip() or None


def _with_keys(table: pa.Table, hashes: Any) -> pa.Table:
    """Put the key column first: 16 hex digits, and ``-2``, ``-3``… for the second, third… row with the same text."""
    import numpy as np
    import pyarrow as pa

    values = np.frombuffer(hashes, dtype=np.uint64)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    new = np.r_[True, ordered[1:] != ordered[:-1]]
    nth = np.empty(len(values), dtype=np.int64)
    nth[order] = np.arange(len(values)) - np.flatnonzero(new)[np.cumsum(new) - 1]
    keys = pa.array(
        (f"{value:016x}" if again == 0 else f"{value:016x}-{again + 1}" for value, again in zip(values, nth, strict=True)),
        type=pa.string(),
        size=len(values),
    )
    return table.add_column(0, "row_key", keys)


def _profile(
    reader: Reader, config: IngestConfig, sorter: _Sorter, rows: pa.Table, quarantine: pa.Table, columns: list[str]
) -> dict[str, Any]:
    document = profile(rows, quarantine, config.language_sample)
    document["source"] = {
        "name": sorter.source,
        "format": reader.format,
        "encoding": reader.encoding,
        "encoding_from": config.encoding_from,
        "delimiter": reader.delimiter,
        "lines_above": config.skip_before_header or 0,
        "columns": columns,
        "text_column": sorter.text,
        "label_column": sorter.label,
        "blank_lines": reader.blank_lines,
    }
    document["nulls"] = {key: sorter.records - count for key, count in sorted(sorter.filled.items())} | {
        column: sorter.records for column in columns if "." not in column and "[" not in column and column not in sorter.filled
    }
    return document


def _name(source: Input) -> str:
    """What the file is called: as whoever brought it did, whatever the store calls it."""
    return str(source.artifact.meta.get("file") or source.path().name)


def nothing_usable(name: str, reasons: Counter[str]) -> BadInput:
    got = ", ".join(f"{count} × {reason}" for reason, count in reasons.most_common(5))
    return BadInput(
        f"{name} has no usable row",
        expected="at least one record with a text",
        got=f"everything is in quarantine: {got}" if got else "a header and nothing else",
        remedy="check the delimiter, the quote character, the encoding and the text column",
        reasons=dict(reasons),
        reason="file_nothing_usable",
        name=name,
    )
