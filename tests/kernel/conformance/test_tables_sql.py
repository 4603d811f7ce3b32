"""What a query reads of a table: every table as it is, and no more of it than it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.tables.lake import Tables
from pickaxe.kernel.tables.sql import SqlLimits, answer
from tests.kernel.arrow_tables import arrow_tables
from tests.kernel.conformance.backends import Backend


@pytest.fixture
def store(tables_backend: Backend[Tables], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    store = tables_backend.open(tmp_path_factory.mktemp(tables_backend.name), "w")
    yield store
    store.close()


@pytest.mark.slow
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=arrow_tables())
def test_sql_sees_any_table_as_it_is(store: Tables, table: pa.Table) -> None:
    pin = store.write("any", table)
    try:
        seen = answer("SELECT * FROM t", {"t": table}, [], SqlLimits())
    except BadInput:  # half floats and a few others: not SQL's
        return
    assert repr(store.sql("SELECT * FROM t", {"t": pin}).to_pylist()) == repr(seen.to_pylist())
    assert store.sql("SELECT count(*) FROM t", {"t": pin}).to_pylist() == [{"count_star()": table.num_rows}]


def test_sql_tells_columns_of_odd_names_apart(store: Tables) -> None:
    names = ["a", "A", "a b", "s.a", 'q"', "new\nline", "", "é", "s0c1", "rowid", "filename"]
    pin = store.write("t", pa.table({name: [index, -index] for index, name in enumerate(names)}))
    shown = ["a", "A_1", "a b", "s.a", 'q"', "new\nline", "v6", "é", "s0c1", "rowid", "filename"]
    for index, name in enumerate(shown):
        column = '"' + name.replace('"', '""') + '"'
        found = store.sql(f"SELECT max({column}), count(*) FILTER ({column} = {-index}) FROM t", {"t": pin}).to_pylist()
        assert list(found[0].values()) == [index, 1 if index else 2], name


def test_sql_decodes_only_what_it_needs(store: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 300_000
    pin = store.write(
        "t", pa.table({"n": range(rows), "text": [f"text {n:06}" for n in range(rows)], "half": [n / 2 for n in range(rows)]})
    )
    decoded: list[tuple[list[str], int]] = []
    real = pq.ParquetFile.iter_batches

    def watched(file: Any, size: int, row_groups: list[int], columns: list[str]) -> Any:
        decoded.append((columns, sum(file.metadata.row_group(group).num_rows for group in row_groups)))
        return real(file, size, row_groups=row_groups, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    for query, found, columns, most in (
        ("SELECT count(*) FROM t", rows, None, 0),
        ("SELECT count(*) FROM t WHERE half < 10", 20, ["half"], rows),
        ("SELECT half FROM t WHERE n = 299999", 149999.5, ["half", "n"], rows // 2),
        ("SELECT n FROM t WHERE text = 'text 000007'", 7, ["n", "text"], rows // 2),
        ("SELECT max(n) FROM t WHERE text IN ('text 000001', 'text 299999')", 299999, ["n", "text"], rows),
        ("SELECT count(*) FROM t WHERE n > 1000000", 0, None, 0),
        ("SELECT count(*) FROM t a JOIN t b ON a.n = b.n WHERE a.text = 'text 000007'", 1, ["n", "text"], 2 * rows),
    ):
        decoded.clear()
        assert list(store.sql(query, {"t": pin}).to_pylist()[0].values()) == [found], query
        assert sorted({name for names, _ in decoded for name in names}) == (columns or []), query
        assert sum(count for _, count in decoded) <= most, (query, decoded)
