"""The schemas of the tables that the data room hands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def rows() -> pa.Schema:
    """`row_key` (unique; from the text), `text`, `label` (null where the source has none), `line` (1-based), `source` (file)."""
    import pyarrow as pa

    return pa.schema(
        [("row_key", pa.string()), ("text", pa.string()), ("label", pa.string()), ("line", pa.int64()), ("source", pa.string())]
    )


def quarantine() -> pa.Schema:
    """`line` (1-based, where the record starts), `reason`, `raw` (its first 500 characters)."""
    import pyarrow as pa

    return pa.schema([("line", pa.int64()), ("reason", pa.string()), ("raw", pa.string())])


def dropped() -> pa.Schema:
    """`row_key`, `text`, `reason`, `of` (the row_key it duplicates, or null)."""
    import pyarrow as pa

    return pa.schema([("row_key", pa.string()), ("text", pa.string()), ("reason", pa.string()), ("of", pa.string())])


def text_key(text: str) -> str:
    """The row key of a text that occurs once: 16 hex digits of its BLAKE2b hash."""
    import hashlib

    return hashlib.blake2b(text.encode("utf-8"), digest_size=8).hexdigest()
