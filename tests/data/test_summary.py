"""Summaries of columns of every type that a table may have."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.data.summary import summarise


def test_every_type_has_a_summary() -> None:
    table = pa.table(
        {
            "n": pa.array([1, 2, 2, None]),
            "x": pa.array([0.5, float("nan"), float("inf"), 2.5]),
            "s": pa.array(["a", "שלום", "a", None]),
            "b": pa.array([True, False, True, None]),
            "t": pa.array([datetime(2026, 1, n + 1, tzinfo=UTC) for n in range(4)], pa.timestamp("us", tz="UTC")),
            "l": pa.array([[1], [1, 2], [], None]),
            "y": pa.array([b"\0", b"", None, b"xx"], pa.binary()),
            "d": pa.array([{"k": 1}] * 4),
            "e": pa.nulls(4),
        }
    )
    found = {column.name: column for column in summarise(table)}
    assert (found["n"].nulls, found["n"].distinct, found["n"].low, found["n"].high) == (1, 2, 1.0, 2.0)
    assert found["n"].top[0] == ("2", 2)
    assert (found["x"].low, found["x"].high, found["x"].mean) == (0.5, 2.5, 1.5)
    assert (found["s"].of_lengths, found["s"].low, found["s"].high, found["s"].distinct) == (True, 1.0, 4.0, 2)
    assert found["b"].top[0] == ("True", 2)
    assert found["l"].high == 2.0
    assert found["y"].high == 2.0
    assert found["e"].nulls == 4
    assert sum(found["t"].histogram) == 4


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), max_size=50))
def test_any_numbers(values: list[float | None]) -> None:
    (found,) = summarise(pa.table({"x": pa.array(values, pa.float64())}))
    assert found.rows == len(values)
    assert found.nulls == values.count(None)
    assert found.low is None or found.high is None or found.low <= found.high


def test_no_rows() -> None:
    (found,) = summarise(pa.table({"x": pa.array([], pa.string())}))
    assert (found.rows, found.top, found.histogram) == (0, (), ())
