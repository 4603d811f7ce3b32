"""What every table store must do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from pickaxe.kernel.digest import table_digest
from pickaxe.kernel.errors import BadInput, Conflict, Corrupted, NotFound
from pickaxe.kernel.tables import write as tables_write
from pickaxe.kernel.tables.lake import Pin, Tables
from pickaxe.kernel.tables.sql import SqlLimits
from tests.kernel.arrow_tables import arrow_tables
from tests.kernel.conformance.backends import TABLES, Backend

ROWS = pa.table(
    {
        "row_key": ["c", "a", "b", "d"],
        "text": ["tab\there", "", "mañana 🪓 \u202e", "nul \0 inside"],
        "label": pa.array([None, "x", None, "y"]),
        "line": pa.array([3, 1, 2, 4], pa.int64()),
        "confidence": [0.5, float("nan"), float("inf"), -0.0],
        "probs": pa.array([[0.25, 0.75], [], None, [1.0, None]], pa.list_(pa.float64())),
        "annotators": pa.array([["me", "you"], [], None, [None]], pa.list_(pa.string())),
        "simulated": pa.array([True, None, False, True]),
    }
)


_OPEN: dict[str, Tables] = {}
_COUNT = itertools.count()


@pytest.fixture
def store(tables_backend: Backend[Tables], tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """One store for all tests that need no folder of their own: attaching anew for each would be most of their time."""
    if tables_backend.name not in _OPEN:
        _OPEN[tables_backend.name] = tables_backend.open(tmp_path_factory.mktemp(tables_backend.name), "w")
    return _OPEN[tables_backend.name]


@pytest.fixture(scope="module", autouse=True)
def _close() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.popitem()[1].close()


@pytest.fixture
def t() -> str:
    """A name that no other test uses."""
    return f"t{next(_COUNT)}"


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def test_gaps_name_tests_of_this_suite() -> None:
    assert {gap for backend in TABLES for gap in backend.gaps} <= set(globals())


def test_rows_come_back_as_they_were(store: Tables) -> None:
    pin = store.write("headlines/rows", ROWS)
    back = store.read(pin)
    assert back.schema.equals(ROWS.schema)
    assert table_digest(back) == table_digest(ROWS)
    assert (pin.name, pin.rows) == ("headlines/rows", 4)
    assert pin.bytes > 0
    store.look(pin)
    store.verify(pin)


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=arrow_tables())
def test_any_table_comes_back_as_it_was(store: Tables, table: pa.Table) -> None:
    pin = store.write("any", table)
    back = store.read(pin)
    back.validate(full=True)
    assert back.schema.equals(table.schema)
    assert table_digest(back) == table_digest(table)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[], None], pa.list_(pa.null())),
        pa.array([None, [["a", None], None]], pa.list_(pa.list_(pa.string_view(), 2), 2)),
        pa.array([None, {"one": None}], pa.struct([("one", pa.dictionary(pa.int32(), pa.string()))])),
        pa.array([{"at": 1}, None], pa.struct([("at", pa.timestamp("ns", "Asia/Kolkata"))])),
        pa.array([[1], None], pa.list_(pa.duration("ns"))),
        pa.chunked_array([["a"], [], ["b"]]),
    ],
    ids=["lists of nulls", "fixed lists in fixed lists", "a null over an empty dictionary", "zoned ns", "durations", "chunks"],
)
def test_odd_columns_come_back(store: Tables, t: str, column: pa.Array) -> None:
    table = pa.table({"x": column})
    back = store.read(store.write(t, table))
    back.validate(full=True)
    assert back.schema.equals(table.schema)
    assert table_digest(back) == table_digest(table)


@pytest.mark.parametrize("empty", [ROWS.slice(0, 0), pa.table({"x": pa.chunked_array([], pa.list_(pa.float32()))})])
def test_an_empty_table_comes_back(store: Tables, empty: pa.Table) -> None:
    pin = store.write("empty", empty)
    back = store.read(pin)
    assert (pin.rows, back.num_rows) == (0, 0)
    assert back.schema.equals(empty.schema)
    store.verify(pin)


def test_order_is_kept_over_many_rows_and_appends(store: Tables) -> None:
    scattered = [index * 7919 % 200_003 for index in range(200_003)]
    store.write("n", numbers(*scattered))
    pin = store.write("n", numbers(5, 4, 3), mode="append")
    assert pin.rows == 200_006
    assert store.read(pin)["n"].to_pylist() == [*scattered, 5, 4, 3]


def test_every_state_stays(store: Tables, t: str) -> None:
    pins = [
        store.write(t, numbers(1)),
        store.write(t, numbers(2), mode="append"),
        store.write(t, pa.table({"other": ["columns"]})),
        store.write(t, numbers(9)),
    ]
    assert store.snapshots(t) == pins
    assert store.write(t, numbers(), mode="append") == pins[-1], "nothing added is no new state"
    states = [store.read(pin).to_pydict() for pin in pins]
    assert states == [{"n": [1]}, {"n": [1, 2]}, {"other": ["columns"]}, {"n": [9]}]
    assert [pin.rows for pin in pins] == [1, 2, 1, 1]


def test_appending_to_nothing_makes_the_table(store: Tables, t: str) -> None:
    assert store.read(store.write(t, numbers(1), mode="append")) == numbers(1)


def test_an_append_with_other_columns_is_refused(store: Tables, t: str) -> None:
    pin = store.write(t, numbers(1))
    for other in (pa.table({"m": [1]}), pa.table({"n": ["1"]}), pa.table({"n": [1], "m": [1]})):
        with pytest.raises(BadInput, match="other columns"):
            store.write(t, other, mode="append")
    assert store.snapshots(t) == [pin]


def test_several_tables_are_one_snapshot(store: Tables, t: str) -> None:
    a, b, c = f"{t}/a", f"{t}/b/c", f"{t}/d"
    store.write(a, numbers(0))
    pins = store.write_many({a: numbers(1), b: numbers(2), c: numbers()})
    assert len({pin.snapshot_id for pin in pins.values()}) == 1
    assert [store.read(pins[name])["n"].to_pylist() for name in (a, b, c)] == [[1], [2], []]
    assert store.write_many({}) == {}


def test_one_bad_table_stops_them_all(store: Tables, t: str) -> None:
    a, b = f"{t}/a", f"{t}/b"
    before = store.write(a, numbers(0))
    with pytest.raises(BadInput):
        store.write_many({a: numbers(1), b: pa.table({"m": pa.nulls(1, pa.map_(pa.string(), pa.string()))})})
    assert store.snapshots(a) == [before]
    assert store.snapshots(b) == []
    assert store.read(store.write(a, numbers(2))) == numbers(2)


def test_a_table_whose_first_write_failed_can_be_written_again(store: Tables, t: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tables_write, "_describe", _fail)
        with pytest.raises(ArithmeticError):
            store.write(t, numbers(1))
    assert store.snapshots(t) == []
    assert store.read(store.write(t, numbers(2))) == numbers(2)


def _fail(*_: object) -> None:
    raise ArithmeticError("on purpose, after the files and before the commit")


def test_names_that_differ_only_in_case_are_two_tables(store: Tables, t: str) -> None:
    names = [f"{t}/{end}" for end in ("a/b", "A/b", "a/B", "a.b", "a_b", "a-b", "0")]
    pins = [store.write(name, numbers(index)) for index, name in enumerate(names)]
    assert [store.read(pin)["n"].to_pylist() for pin in pins] == [[index] for index in range(7)]
    assert [store.snapshots(name) for name in names] == [[pin] for pin in pins]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "../a",
        "a/../b",
        ".",
        "a b",
        'a"b',
        "a'; drop table x; --",
        "a\0b",
        "é",
        "a^b",
        "x" * 201,
        "-a",
        None,
        3,
    ],
)
def test_a_hostile_name_is_refused(store: Tables, name: Any) -> None:
    with pytest.raises(BadInput, match="not a table name"):
        store.write(name, numbers(1))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pa.table({}), "no columns"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), "told apart"),
        (pa.table({"m": pa.nulls(1, pa.map_(pa.string(), pa.string()))}), "cannot keep"),
        (pa.table({"t": pa.Array.from_buffers(pa.string(), 1, [None, *pa.array([b"\xff"]).buffers()[1:]])}), "not valid text"),
    ],
    ids=["no columns", "one name twice", "map", "not UTF-8"],
)
def test_a_table_that_cannot_be_kept_is_refused(store: Tables, t: str, table: pa.Table, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        store.write(t, table)
    assert store.snapshots(t) == []


def test_some_columns(store: Tables, t: str) -> None:
    pin = store.write(t, ROWS)
    assert store.read(pin, ["probs", "row_key"]).equals(ROWS.select(["probs", "row_key"]))
    for wrong in (["nope"], ["line", "line"], "line"):
        with pytest.raises(BadInput):
            store.read(pin, wrong)


def test_some_rows(store: Tables, t: str) -> None:
    rows = pa.table({"n": range(300_000), "s": [f"s{n % 97}" for n in range(300_000)]})
    store.write(t, rows.slice(0, 200_000))
    pin = store.write(t, rows.slice(200_000), mode="append")
    for begin, count in ((0, 3), (122_870, 20), (199_990, 20), (299_990, 100), (0, 300_000), (5, 0), (300_000, 5)):
        assert store.read_slice(pin, begin, count).equals(rows.slice(begin, count)), (begin, count)
    assert store.read_slice(pin, 7, 2, ["s"]).equals(rows.select(["s"]).slice(7, 2))


def test_what_is_not_there_is_not_found(store: Tables, t: str) -> None:
    assert store.snapshots(t) == []
    with pytest.raises(NotFound):
        store.read(Pin(t, 1, 0, 0))
    pin = store.write(t, numbers(1))
    for absent in (Pin("u", pin.snapshot_id, 0, 0), Pin(t, pin.snapshot_id + 99, 0, 0), Pin(t, 0, 0, 0), Pin(t, -1, 0, 0)):
        for ask in (store.read, store.verify, store.look):
            with pytest.raises(NotFound):
                ask(absent)


def test_a_reader_needs_no_writer_and_cannot_write(tables_backend: Backend[Tables], tmp_path: Path) -> None:
    reader = tables_backend.open(tmp_path / "lake", "r")
    assert reader.snapshots("t") == []
    with pytest.raises(NotFound):
        reader.read(Pin("t", 1, 0, 0))
    with pytest.raises(Conflict, match="read only"):
        reader.write("t", numbers(1))
    writer = tables_backend.open(tmp_path / "lake", "w")
    pin = writer.write("t", numbers(1))
    assert reader.read(pin) == numbers(1)
    later = writer.write("t", numbers(2))
    assert (reader.read(later), reader.read(pin)) == (numbers(2), numbers(1))
    writer.close()
    reader.close()
    assert tables_backend.open(tmp_path / "lake", "r").read(later) == numbers(2)


def test_a_store_can_be_moved(tables_backend: Backend[Tables], tmp_path: Path) -> None:
    store = tables_backend.open(tmp_path / "here", "w")
    pin = store.write("t", ROWS)
    store.close()
    (tmp_path / "there").mkdir()
    (tmp_path / "here").rename(tmp_path / "there" / "it's")
    moved = tables_backend.open(tmp_path / "there" / "it's", "w")
    assert moved.read(pin).num_rows == 4
    assert moved.read(moved.write("t", numbers(1))) == numbers(1)
    moved.close()


def test_a_flipped_bit_is_found(tables_backend: Backend[Tables], tmp_path: Path) -> None:
    writer = tables_backend.open(tmp_path / "lake", "w")
    pin = writer.write("t", ROWS)
    writer.close()
    assert tables_backend.spoil(tmp_path / "lake")
    reader = tables_backend.open(tmp_path / "lake", "r")
    for ask in (reader.read, reader.verify, lambda pin: reader.sql("SELECT 1 FROM t", {"t": pin})):
        with pytest.raises(Corrupted) as caught:
            ask(pin)
        assert caught.value.remedy


# -- SQL


def test_sql_over_pins(store: Tables, t: str) -> None:
    old, new = store.write(t, ROWS), store.write(t, ROWS.slice(0, 1))
    answer = store.sql(
        "SELECT (SELECT count(*) FROM old) AS before, (SELECT count(*) FROM new) AS now, list(label) AS labels FROM old WHERE line > ?",
        {"old": old, "new": new},
        [1],
    )
    assert answer.to_pylist() == [{"before": 4, "now": 1, "labels": [None, None, "y"]}]
    assert store.sql("SELECT * FROM t", {"t": old}).column_names == ROWS.column_names
    assert store.sql("WITH x AS (SELECT 1 AS n) SELECT n FROM x", {}).to_pylist() == [{"n": 1}]


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE t",
        "INSERT INTO t SELECT * FROM t",
        "CREATE TABLE x AS SELECT 1",
        "COPY t TO '{place}/out.csv'",
        "COPY (SELECT 1) TO '{place}/out.csv'",
        "ATTACH '{place}/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '64GB'",
        "SELECT 1; DROP TABLE t",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('{place}/**/*.parquet')",
        "SELECT * FROM 'https://example.org/x.csv'",
        "SELECT getenv('HOME')",
        "SELECT * FROM tables_backend",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{place}/out.csv''')",
        "SELEC 1",
        "SELECT nope FROM t",
        "",
        "SELECT ?",
    ],
)
def test_sql_only_reads_and_only_the_pins(store: Tables, t: str, tmp_path: Path, query: str) -> None:
    pin = store.write(t, numbers(1))
    with pytest.raises(BadInput):
        store.sql(query.replace("{place}", str(tmp_path)), {"t": pin})
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path / "x.db").exists()


def test_sql_is_limited(store: Tables) -> None:
    pin = store.write("n", numbers(*range(1000)))
    with pytest.raises(BadInput, match="too large"):
        store.sql("SELECT a.n FROM n a, n b", {"n": pin}, limits=SqlLimits(rows=10_000))
    with pytest.raises(BadInput, match="too long"):
        store.sql("SELECT sum(a.n * b.n * c.n + d.n) FROM n a, n b, n c, n d", {"n": pin}, limits=SqlLimits(seconds=0.3))
    with pytest.raises(BadInput, match=r"[Mm]emory"):
        store.sql("SELECT list(a.n || 'x' || b.n) FROM n a, n b", {"n": pin}, limits=SqlLimits(memory="20MB"))
    with pytest.raises(BadInput, match="alias"):
        store.sql("SELECT 1", {'x"; drop': pin})
