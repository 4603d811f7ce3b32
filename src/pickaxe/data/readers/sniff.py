"""Which format a file is in, and which reader opens it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.data.readers.base import Reader
from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    from pickaxe.data.ingest import IngestConfig

_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
NOT_OURS = (
    (b"PK\x03\x04", "a zip archive (perhaps an Excel workbook)", "unpack it, or save the sheet as CSV UTF-8", "file_zip"),
    (b"\x1f\x8b", "a gzip file", "unpack it with gunzip first", "file_gzip"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV UTF-8", "file_xls"),
    (b"%PDF", "a PDF", "extract its text into a CSV or JSON Lines file", "file_pdf"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV", "file_sqlite"),
)
"""How a file begins, what it then is, what to do, and the reason of the error."""


def open_reader(path: Path, name: str, config: IngestConfig) -> Reader:
    """The reader for the file at `path`, which its owner calls `name`.

    Raises `BadInput` for an empty file and for formats that are recognised but not read.
    """
    if path.stat().st_size == 0:
        raise BadInput(
            f"{name} is empty",
            expected="at least one row",
            got="0 bytes",
            remedy="check how the file was written",
            reason="file_empty",
            name=name,
        )
    form = _format(path, name) if config.format == "auto" else config.format
    if form == "parquet":
        from pickaxe.data.readers.parquet import ParquetReader

        return ParquetReader(path)
    from pickaxe.data.readers.lines import LineReader

    quote = config.quote if form in ("csv", "tsv") else ""
    lines = LineReader(path, encoding=config.encoding, limit=config.max_line_bytes, quote=quote)
    if form == "jsonl":
        from pickaxe.data.readers.jsonl import JsonlReader

        return JsonlReader(lines)
    from pickaxe.data.readers.delimited import DelimitedReader

    return DelimitedReader(
        lines,
        form=form,
        delimiter=config.delimiter or ("\t" if form == "tsv" else _delimiter(path, lines.encoding, config.quote)),
        quote=quote,
        header=config.header,
        skip_after_header=config.skip_after_header,
    )


def _format(path: Path, name: str) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
    for magic, what, remedy, reason in NOT_OURS:
        if head.startswith(magic):
            raise BadInput(
                f"{name} is {what}",
                expected="CSV, TSV, JSON Lines or Parquet",
                remedy=remedy,
                reason=reason,
                name=name,
            )
    if form := _BY_SUFFIX.get(Path(name).suffix.lower()):
        return form
    first = head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if first.startswith(b"{"):
        return "jsonl"
    if first.startswith((b"[{", b"[\n", b"[\r", b"[ ")):
        raise BadInput(
            f"{name} is a JSON array",
            expected="JSON Lines: one object a line",
            remedy="convert it, e.g. with: jq -c '.[]' file.json > file.jsonl",
            reason="file_json_array",
            name=name,
        )
    return "tsv" if b"\t" in first.split(b"\n", 1)[0] else "csv"


def _delimiter(path: Path, encoding: str, quote: str) -> str:
    """The delimiter that splits the header into most columns; a comma when none does."""
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        header = file.readline(1 << 16)

    def columns(delimiter: str) -> int:
        return len(next(csv.reader([header], delimiter=delimiter, quotechar=quote or None), []))

    return max(",;\t|", key=columns)
