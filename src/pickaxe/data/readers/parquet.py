"""Parquet: read a batch at a time, only the columns that are asked for. Line numbers are 1-based row numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.data.readers.base import Record, Reject, shown
from pickaxe.data.readers.lines import UNDECODABLE
from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 8192


class ParquetReader:
    """Streams a Parquet file. Raises `BadInput` when the file is not readable Parquet."""

    format = "parquet"
    encoding = None
    delimiter = None
    blank_lines = 0

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable(path, error) from None
        self._rows = max(self._file.metadata.num_rows, 1)
        self._done = 0

    def bytes_read(self) -> float:
        return self.position() * self._path.stat().st_size

    def position(self) -> float:
        return self._done / self._rows

    def records(self) -> Iterator[Record | Reject]:
        import pyarrow as pa

        try:
            for batch in self._file.iter_batches(batch_size=_BATCH):
                columns = [_values(column) for column in batch.columns]
                for values in zip(*columns, strict=True):
                    self._done += 1
                    if any(value is _BROKEN for value in values):
                        yield Reject(self._done, UNDECODABLE, shown(values))
                    else:
                        yield Record(self._done, dict(zip(batch.schema.names, values, strict=True)))
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable(self._path, error) from None


class _Broken:
    def __repr__(self) -> str:
        return "<not UTF-8>"


_BROKEN = _Broken()


def _values(column: pa.Array) -> list[Any]:
    """The column's values; strings that are not UTF-8 (other writers do not always check) become `_BROKEN`."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_decoded(value) for value in column.cast(pa.large_binary()).to_pylist()]


def _decoded(value: bytes | None) -> Any:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return _BROKEN


def _unreadable(path: Path, error: Exception) -> BadInput:
    return BadInput(
        f"{path.name} is not a readable Parquet file",
        expected="a complete Parquet file",
        got=str(error)[:200],
        remedy="write the file again, or export it as CSV or JSON Lines",
        reason="file_parquet",
        name=path.name,
    )
