"""A table for a query that is read while the query runs, and no more of it than the query needs.

DuckDB says in its plan which columns it takes and which conditions every row must meet. Whoever reads the rows may leave out what
does not meet them; it need not, for the query applies them again. Each scan of the query gets a stream of its own.

The plan names columns, without quotes, and no tables. So a stream is scanned under names of its own making, ``s0c3`` for the fourth
column of the first table, and a view gives the columns the names that the query knows.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from pickaxe.kernel.tables.arrow import quoted

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_EQUAL = re.compile(r"(\w+)='([\w ./@:+-]{1,200})'")
_AMONG = re.compile(r"(\w+) IN \(('[\w ./@:+-]{1,200}'(?:, '[\w ./@:+-]{1,200}')*)\)")
_AND = re.compile(r" AND (?=(?:[^']*'[^']*')*[^']*$)")
"""Outside of quotes."""
_BOUND = re.compile(r"(\w+)(>=|<=|>|<|=)(\d{1,18})")
_INSTANT = re.compile(r"(\w+)(>=|<=|>|<|=)'(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?\+00)'::TIMESTAMP WITH TIME ZONE")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query needs: these columns (None: all), and only rows that meet all of this."""

    columns: frozenset[str] | None = None
    among: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """column -> the texts that it may be"""
    least: Mapping[str, int | datetime] = field(default_factory=dict[str, "int | datetime"])
    most: Mapping[str, int | datetime] = field(default_factory=dict[str, "int | datetime"])
    """column -> bound, itself included"""

    def takes(self, column: str) -> bool:
        return self.columns is None or column in self.columns

    def as_json(self) -> dict[str, Any]:
        columns = None if self.columns is None else sorted(self.columns)
        among = {name: list(texts) for name, texts in self.among.items()}
        return {"columns": columns, "among": among, "least": _bounds(self.least), "most": _bounds(self.most)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Wanted:
        columns = None if told["columns"] is None else frozenset(told["columns"])
        return cls(columns, told["among"], _bounds_from(told["least"]), _bounds_from(told["most"]))


def _bounds(bounds: Mapping[str, int | datetime]) -> dict[str, int | str]:
    return {name: bound if isinstance(bound, int) else bound.isoformat() for name, bound in bounds.items()}


def _bounds_from(told: Mapping[str, int | str]) -> dict[str, int | datetime]:
    return {name: bound if isinstance(bound, int) else datetime.fromisoformat(bound) for name, bound in told.items()}


Chunk = Mapping[str, Sequence[Any]]
"""Some rows: column -> values. The wanted columns are there and at least one; the others may be."""


class Stopped(Exception):
    """A stream that nobody waits for any more was read on."""


class Streamed:
    """Rows by the chunk. `read` is told what is wanted and yields every row that meets it, and others if that is simpler.

    A chunk that is a table may leave out columns too, but for one. What `read` raises is kept in `failed`: on its way through DuckDB
    it would lose its kind.
    """

    def __init__(self, schema: pa.Schema, read: Callable[[Wanted], Iterable[Chunk | pa.Table]]) -> None:
        self.schema = schema
        self.wanted = Wanted()
        self.failed: Exception | None = None
        self._read = read
        self._reading = threading.Lock()
        self._stopped = False

    def show(self, connection: duckdb.DuckDBPyConnection, alias: str, number: int) -> None:
        """Be the view `alias` of this connection; `number` is no other stream's."""
        scan, place = _Scan(self, number), f"scan {number}"
        connection.register(place, scan)
        shown = zip(scan.schema.names, _told_apart(self.schema.names), strict=True)
        columns = ", ".join(f"{name} AS {quoted(title)}" for name, title in shown)
        connection.execute(f"CREATE TEMP VIEW {quoted(alias)} AS SELECT {columns} FROM {quoted(place)}")  # noqa: S608 (all quoted)
        self._scan = scan

    def learn(self, plan: str) -> None:
        """What the query whose plan this is (``EXPLAIN (FORMAT json)``) needs of the stream."""
        found = wanted_of(plan, self._scan.schema)
        real = dict(zip(self._scan.schema.names, self.schema.names, strict=True))
        self.wanted = Wanted(
            None if found.columns is None else frozenset(real[name] for name in found.columns),
            {real[name]: texts for name, texts in found.among.items()},
            {real[name]: bound for name, bound in found.least.items()},
            {real[name]: bound for name, bound in found.most.items()},
        )

    def stop(self) -> None:
        """End every stream; when this returns, nothing is read any more. Arrow reads ahead in threads of its own."""
        self._stopped = True
        with self._reading:
            pass

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """All rows once, the columns under the names of `schema`."""
        chunks = iter(self._read(self.wanted))
        while (batches := self._next(chunks, schema)) is not None:
            yield from batches

    def _next(self, chunks: Iterator[Chunk | pa.Table], schema: pa.Schema) -> Sequence[pa.RecordBatch] | None:
        import pyarrow as pa

        with self._reading:
            if self._stopped:
                raise Stopped
            try:
                chunk = next(chunks, None)
                return None if chunk is None else pa.Table.from_arrays(self._columns(chunk), schema=schema).to_batches()
            except Exception as error:
                self.failed = error
                raise

    def _columns(self, chunk: Chunk | pa.Table) -> list[pa.Array | pa.ChunkedArray]:
        import pyarrow as pa

        if not isinstance(chunk, Mapping):
            there = dict(zip(chunk.column_names, chunk.columns, strict=True))
            return [there[one.name] if one.name in there else pa.nulls(chunk.num_rows, one.type) for one in self.schema]
        rows = len(next(iter(chunk.values())))
        return [pa.array(chunk[one.name], one.type) if one.name in chunk else pa.nulls(rows, one.type) for one in self.schema]


class _Scan:
    """What DuckDB sees of a stream: an object with a schema that can be read as often as it likes."""

    def __init__(self, stream: Streamed, number: int) -> None:
        import pyarrow as pa

        self.schema = pa.schema([field.with_name(f"s{number}c{index}") for index, field in enumerate(stream.schema)])
        self._stream = stream

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A new stream (the Arrow PyCapsule interface)."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self._stream.batches(self.schema)).__arrow_c_stream__(
            requested_schema
        )


def _told_apart(names: Sequence[str]) -> list[str]:
    """As DuckDB calls the columns of a table: without regard to case, and none without a name."""
    taken, found = set[str](), list[str]()
    for index, name in enumerate(names):
        wanted = first = name or f"v{index}"
        again = 0
        while wanted.lower() in taken:
            again += 1
            wanted = f"{first}_{again}"
        taken.add(wanted.lower())
        found.append(wanted)
    return found


def wanted_of(plan: str, schema: pa.Schema) -> Wanted:
    """What the query whose plan this is needs of the table whose columns it scans under the names of `schema`.

    Conditions count only where it is plain that the table is scanned once: a scan that takes no column may be of any table.
    """
    scans = list(_scans(json.loads(plan)))
    named = [frozenset(_columns_named(scan)) for scan in scans]
    columns = frozenset(schema.names) & frozenset[str]().union(*named)
    mine = [scan for scan, names in zip(scans, named, strict=True) if names & columns]
    if len(mine) != 1 or (len(scans) > 1 and not all(named)):
        return Wanted(columns)
    among, least, most = dict[str, Sequence[str]](), dict[str, int | datetime](), dict[str, int | datetime]()
    for text in _texts(mine[0].get("Filters")):
        for term in () if " OR " in text else _AND.split(text.removeprefix("optional: ")):
            if found := _EQUAL.fullmatch(term):
                among[found[1]] = (found[2],)
            elif found := _AMONG.fullmatch(term):
                among.setdefault(found[1], re.findall(r"'([^']*)'", found[2]))
            elif found := _BOUND.fullmatch(term) or _INSTANT.fullmatch(term):
                bound = int(found[3]) if found[3].isdigit() else datetime.fromisoformat(found[3] + ":00")
                if found[2] in (">", ">=", "="):
                    least[found[1]] = bound
                if found[2] in ("<", "<=", "="):
                    most[found[1]] = bound
    return Wanted(columns, among, least, most)


def _columns_named(scan: Mapping[str, Any]) -> Iterator[str]:
    """The columns that a scan takes or looks at."""
    for text in (*_texts(scan.get("Projections")), *_texts(scan.get("Filters"))):
        yield from re.findall(r"\w+", text)


def _scans(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, list):
        for item in cast(list[Any], node):
            yield from _scans(item)
    elif isinstance(node, dict):
        values = cast(dict[str, Any], node)
        if "SCAN" in values.get("name", "") and values.get("extra_info", {}).get("Function") == "ARROW_SCAN":
            yield values["extra_info"]
        yield from _scans(values.get("children", []))


def _texts(told: Any) -> list[str]:
    return [str(item) for item in told] if isinstance(told, list) else [str(told)] if told else []
