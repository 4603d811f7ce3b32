"""Which format a file is in, how it is written, and which reader opens it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.data.readers.base import Reader
from pickaxe.data.readers.dialect import found_dialect
from pickaxe.data.readers.encoding import AUTO, found_encoding, known_encoding
from pickaxe.data.readers.no_text import refuse_what_is_no_text
from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    from pickaxe.data.ingest import IngestConfig
    from pickaxe.data.readers.lines import LineReader

_LOOKED_AT = 100
"""Lines from which separator and header are found."""
_MOST_LOOKED_AT = 1 << 18
"""Characters of them."""
_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def settled(path: Path, name: str, config: IngestConfig) -> IngestConfig:
    """`config` with everything that it leaves to be found by itself: what a run has on record is how its file was read.

    Raises `BadInput` for an empty file, an unknown encoding, and formats that are recognised but not read.
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
    if config.format != "parquet":
        refuse_what_is_no_text(path, name)
    form = _format(path, name) if config.format == "auto" else config.format
    found = config.model_copy(update={"format": form})
    if form == "parquet":
        return found
    if config.encoding == AUTO:
        encoding = found_encoding(path)
        found = found.model_copy(update={"encoding": encoding.name, "encoding_from": "found" if encoding.sure else "guessed"})
    else:
        found = found.model_copy(update={"encoding": known_encoding(config.encoding, path)})
    if form == "jsonl" or (config.delimiter is not None and config.skip_before_header is not None):
        return found
    given = "\t" if form == "tsv" and config.delimiter is None else config.delimiter
    dialect = found_dialect(_beginning(_lines(path, found)), config.quote, given, header=config.header)
    above = dialect.above if config.skip_before_header is None else config.skip_before_header
    return found.model_copy(update={"delimiter": dialect.delimiter, "skip_before_header": above})


def open_reader(path: Path, name: str, config: IngestConfig) -> Reader:
    """The reader for the file at `path`, which its owner calls `name`. Raises as `settled` does."""
    config = settled(path, name, config)
    if config.format == "parquet":
        from pickaxe.data.readers.parquet import ParquetReader

        return ParquetReader(path)
    lines = _lines(path, config)
    if config.format == "jsonl":
        from pickaxe.data.readers.jsonl import JsonlReader

        return JsonlReader(lines)
    from pickaxe.data.readers.delimited import DelimitedReader

    return DelimitedReader(
        lines,
        form=config.format,
        delimiter=config.delimiter or ",",
        quote=config.quote,
        header=config.header,
        skip_before_header=config.skip_before_header or 0,
        skip_after_header=config.skip_after_header,
    )


def _lines(path: Path, config: IngestConfig) -> LineReader:
    from pickaxe.data.readers.lines import LineReader

    return LineReader(
        path,
        encoding=config.encoding,
        encoding_from=config.encoding_from,
        limit=config.max_line_bytes,
        quote="" if config.format == "jsonl" else config.quote,
    )


def _beginning(lines: LineReader) -> list[str]:
    """The first lines, without the one that a limit may have cut in its record."""
    found, left = list[str](), _MOST_LOOKED_AT
    for line in islice(lines, _LOOKED_AT):
        left -= len(line.text)
        if left < 0 and found:
            break
        found.append(line.text[:_MOST_LOOKED_AT])
    return found


def _format(path: Path, name: str) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
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
