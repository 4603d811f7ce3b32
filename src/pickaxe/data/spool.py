"""Rows on their way into a table: kept in small batches on disk, so that memory stays bounded however many there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 20_000


class Spool:
    """Appends rows to an Arrow IPC file in batches; `table()` maps the file instead of reading it into memory."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow as pa

        self.rows = 0
        self._path, self._schema = path, schema
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._writer = pa.ipc.new_file(str(path), schema)

    def add(self, *values: Any) -> None:
        self.rows += 1
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
        if self.rows % _BATCH == 0:
            self._flush()

    def table(self) -> pa.Table:
        """All rows, in order. The spool is closed."""
        import pyarrow as pa

        self._flush()
        self._writer.close()
        return pa.ipc.open_file(pa.memory_map(str(self._path))).read_all()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._columns[0]:
            arrays = [pa.array(column, type=field.type) for column, field in zip(self._columns, self._schema, strict=True)]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
            self._columns = [[] for _ in self._schema]
