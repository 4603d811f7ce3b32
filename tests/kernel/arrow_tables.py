"""Arrow tables of every kind that the stores promise to keep, for property tests."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
_WHOLE = st.integers(-(2**62), 2**62)
_FLOAT = st.floats(width=64)

LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    (pa.int8(), st.integers(-128, 127)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float16(), st.floats(width=16)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), _FLOAT),
    (pa.string(), _TEXT),
    (pa.large_string(), _TEXT),
    (pa.string_view(), _TEXT),
    (pa.binary(), st.binary(max_size=8)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.date32(), st.dates()),
    (pa.date64(), st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))),
    (pa.timestamp("s"), st.integers(-(2**32), 2**32)),
    (pa.timestamp("ms"), st.integers(-(2**42), 2**42)),
    (pa.timestamp("us"), st.integers(-(2**52), 2**52)),
    (pa.timestamp("ns"), st.integers(-(2**61), 2**61)),
    (pa.timestamp("us", "UTC"), st.integers(-(2**52), 2**52)),
    (pa.timestamp("ms", "Europe/Paris"), st.integers(-(2**42), 2**42)),
    (pa.timestamp("ns", "Europe/Paris"), st.integers(-(2**61), 2**61)),
    (pa.time32("ms"), st.integers(0, 86_399_999)),
    (pa.time64("ns"), st.integers(0, 86_399_999_999_999)),
    (pa.duration("us"), _WHOLE),
    (pa.decimal128(12, 3), st.decimals(-(10**8), 10**8, places=3).map(lambda d: d + Decimal(0))),
    (pa.dictionary(pa.int32(), pa.string()), _TEXT),
    (pa.null(), st.none()),
]


@st.composite
def typed_values(draw: st.DrawFn, *, depth: int = 2) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """A type and values of it, null among them."""
    shape = draw(st.sampled_from(["leaf", "leaf", "leaf", "list", "large_list", "fixed", "struct"])) if depth else "leaf"
    if shape == "leaf":
        kind, values = draw(st.sampled_from(LEAVES))
    elif shape == "struct":
        one, other = draw(typed_values(depth=depth - 1)), draw(typed_values(depth=depth - 1))
        kind = pa.struct([("one", one[0]), ("two", other[0])])
        values = st.fixed_dictionaries({"one": one[1], "two": other[1]})
    else:
        child, child_values = draw(typed_values(depth=depth - 1))
        kind = {"list": pa.list_(child), "large_list": pa.large_list(child), "fixed": pa.list_(child, 2)}[shape]
        values = st.lists(child_values, min_size=2 if shape == "fixed" else 0, max_size=2 if shape == "fixed" else 3)
    return kind, st.none() | values


@st.composite
def arrow_tables(draw: st.DrawFn, *, max_rows: int = 6, max_columns: int = 4) -> pa.Table:
    """A table with odd names, odd types and odd values."""
    count = draw(st.integers(0, max_rows))
    names = draw(st.lists(column_names(), min_size=1, max_size=max_columns, unique=True))
    columns: list[pa.Array] = []
    for _ in names:
        kind, values = draw(typed_values())
        columns.append(pa.array(draw(st.lists(values, min_size=count, max_size=count)), kind))
    return pa.table(columns, names=names)


def column_names() -> st.SearchStrategy[str]:
    hostile = [
        "",
        "row_id",
        "rowid",
        "text",
        "Text",
        "a b",
        '"; drop table x; --',
        "_c0",
        "_pickaxe_ordinal",
        "select",
        "\0",
        "é",
    ]
    return st.sampled_from(hostile) | _TEXT


def rechunked(table: pa.Table, cuts: list[int]) -> pa.Table:
    """The same rows in other chunks, an empty one among them, each a slice of a longer buffer."""
    edges = [0, *sorted(min(cut, table.num_rows) for cut in cuts), table.num_rows]
    return pa.concat_tables([table.slice(start, stop - start) for start, stop in pairwise(edges)])
