"""A table of the lake as a stream for a query: only the wanted columns of the row groups that may hold a wanted row are decoded.

The query's own DuckDB opens no file: that would let SQL name paths, and sealed files are plain in memory only. So the files are read
here, checked against their digests as ever, and batch by batch, so that memory does not grow with the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.tables.arrow import as_types
from pickaxe.kernel.tables.connection import Lake
from pickaxe.kernel.tables.lake import Pin
from pickaxe.kernel.tables.read import State, own_query, source_of, state_at, unlike
from pickaxe.kernel.tables.streamed import Streamed, Wanted

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH = 16_384
"""Rows that are decoded at once. Whoever reads Arrow's streams reads a dozen batches ahead."""


def scan(lake: Lake, pin: Pin) -> Streamed:
    """The rows of a table at a snapshot. Raises what `read` raises; of the files, while they are read."""
    state = state_at(lake, pin)

    def read(wanted: Wanted) -> Iterator[pa.Table]:
        for file in state.files:
            source = source_of(lake, file)
            with own_query(f"table {pin.name!r}"):
                yield from _of_file(source, state, wanted, pin, file.rows)

    return Streamed(state.schema, read)


def _of_file(source: Any, state: State, wanted: Wanted, pin: Pin, rows: int) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stored = {name: place for name, place in zip(state.schema.names, state.identifiers, strict=True) if wanted.takes(name)}
    schema = pa.schema([state.schema.field(name) for name in stored])
    with pq.ParquetFile(source) as file:
        if file.metadata.num_rows != rows:
            raise unlike(pin, f"a file of {file.metadata.num_rows} rows instead of {rows}")
        conditions = _conditions(file, state, wanted)
        groups = [group for group in range(file.metadata.num_row_groups) if _may_hold(file.metadata.row_group(group), conditions)]
        if not stored:
            for group in groups:
                yield _counted(state.schema.field(0), file.metadata.row_group(group).num_rows)
            return
        for batch in file.iter_batches(_BATCH, row_groups=groups, columns=list(stored.values())) if groups else ():
            yield as_types(pa.Table.from_batches([batch]).select(list(stored.values())), schema)


def _counted(field: pa.Field, rows: int) -> pa.Table:
    """Rows of which nothing is asked but that they are there."""
    import pyarrow as pa

    return pa.table({field.name: pa.nulls(rows, field.type)})


def _conditions(file: pq.ParquetFile, state: State, wanted: Wanted) -> dict[int, tuple[Any, Any]]:
    """Place of a column in the file -> the smallest and the largest value that it may have, None where that is open."""
    import pyarrow.types as types

    places = {column.path: index for index, column in enumerate(file.schema)}
    found: dict[int, tuple[Any, Any]] = {}
    for name, identifier in zip(state.schema.names, state.identifiers, strict=True):
        kind, place = state.schema.field(name).type, places.get(identifier)
        if place is None:
            continue
        if (types.is_string(kind) or types.is_large_string(kind)) and (texts := wanted.among.get(name)):
            found[place] = (min(texts).encode(), max(texts).encode())  # text is ordered by its bytes
        elif types.is_signed_integer(kind) and (name in wanted.least or name in wanted.most):
            found[place] = (wanted.least.get(name), wanted.most.get(name))
    return found


def _may_hold(group: pq.RowGroupMetaData, conditions: dict[int, tuple[Any, Any]]) -> bool:
    """By the smallest and largest value of each column, as the file tells them."""
    for place, (least, most) in conditions.items():
        told = group.column(place).statistics
        if told is None or not told.has_min_max:
            continue
        if (least is not None and told.max_raw < least) or (most is not None and told.min_raw > most):
            return False
    return True
