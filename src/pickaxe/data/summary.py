"""What the columns of any table look like: nulls, distinct values, range, the most frequent values, a histogram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_BINS = 24
_TOP = 5
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column. `histogram` holds counts of equally wide bins from `low` to `high`: of values, of a text's or list's length."""

    name: str
    type: str
    rows: int
    nulls: int
    distinct: int | None
    low: float | None
    high: float | None
    mean: float | None
    histogram: tuple[int, ...]
    of_lengths: bool
    top: tuple[tuple[str, int], ...]


def summarise(table: pa.Table) -> list[ColumnSummary]:
    """One summary per column, in order."""
    return [_column(field.name, str(field.type), column) for field, column in zip(table.schema, table.columns, strict=True)]


def _column(name: str, kind: str, column: pa.ChunkedArray) -> ColumnSummary:
    import pyarrow as pa
    import pyarrow.types as types

    values = column.drop_null()
    numbers: Sequence[Any] | Any = None
    of_lengths = False
    if types.is_integer(column.type) or types.is_floating(column.type):
        numbers = values.to_numpy().astype("float64")
    elif types.is_timestamp(column.type) or types.is_date(column.type):
        numbers = values.cast(pa.timestamp("ms")).cast(pa.int64()).to_numpy().astype("float64")
    elif types.is_string(column.type) or types.is_large_string(column.type) or types.is_binary(column.type):
        numbers, of_lengths = _lengths(values), True
    elif types.is_list(column.type) or types.is_large_list(column.type):
        numbers, of_lengths = _list_lengths(values), True
    countable = not (types.is_nested(column.type) or types.is_binary(column.type) or types.is_null(column.type))
    low, high, mean, histogram = _spread(numbers)
    return ColumnSummary(
        name=name,
        type=kind,
        rows=len(column),
        nulls=column.null_count,
        distinct=_distinct(values) if countable else None,
        low=low,
        high=high,
        mean=mean,
        histogram=histogram,
        of_lengths=of_lengths,
        top=_top(values) if countable else (),
    )


def _lengths(values: pa.ChunkedArray) -> Any:
    import pyarrow.compute as pc
    import pyarrow.types as types

    length = pc.binary_length if types.is_binary(values.type) else pc.utf8_length
    return length(values).to_numpy().astype("float64")


def _list_lengths(values: pa.ChunkedArray) -> Any:
    import pyarrow.compute as pc

    return pc.list_value_length(values).to_numpy().astype("float64")


def _distinct(values: pa.ChunkedArray) -> int:
    import pyarrow.compute as pc

    return pc.count_distinct(values).as_py()


def _top(values: pa.ChunkedArray) -> tuple[tuple[str, int], ...]:
    """The most frequent values, where any comes more than once; ties in the order of their first row."""
    import numpy as np

    counted = values.value_counts()
    counts = counted.field("counts").to_numpy(zero_copy_only=False)
    order = np.argsort(-counts, kind="stable")[:_TOP].tolist()
    found = [(str(counted.field("values")[at].as_py())[:_SHOWN_CHARS], int(counts[at])) for at in order]
    return tuple(found) if found and found[0][1] > 1 else ()


def _spread(numbers: Any) -> tuple[float | None, float | None, float | None, tuple[int, ...]]:
    import numpy as np

    if numbers is None:
        return None, None, None, ()
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return None, None, None, ()
    low, high = float(finite.min()), float(finite.max())
    try:
        with np.errstate(over="ignore"):
            counts = np.histogram(finite, bins=_BINS)[0].tolist()
    except ValueError:  # ends so far apart, or so near, that what lies between is no number: one bin holds them all
        counts = [len(finite)]
    return low, high, float((finite / len(finite)).sum()), tuple(counts)
