"""A table for a query that is read while the query runs, and no more of it than the query needs.

DuckDB says in its plan which columns it takes and which conditions every row must meet. Whoever reads the rows may leave out what
does not meet them; it need not, for the query applies them again. Each scan of the query gets a stream of its own.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pyarrow as pa

_EQUAL = re.compile(r"(\w+)='([\w./@:+-]{1,200})'")
_AMONG = re.compile(r"(\w+) IN \(('[\w./@:+-]{1,200}'(?:, '[\w./@:+-]{1,200}')*)\)")
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


Chunk = Mapping[str, Sequence[Any]]
"""Some rows: column -> values. The wanted columns are there and at least one; the others may be."""


class Stopped(Exception):
    """A stream that nobody waits for any more was read on."""


class Streamed:
    """Rows by the chunk. `read` is told what is wanted and yields every row that meets it, and others if that is simpler.

    What `read` raises is kept in `failed`: on its way through DuckDB it would lose its kind.
    """

    def __init__(self, schema: pa.Schema, read: Callable[[Wanted], Iterable[Chunk | pa.Table]]) -> None:
        self.schema = schema
        self.wanted = Wanted()
        self.failed: Exception | None = None
        self._read = read
        self._reading = threading.Lock()
        self._stopped = False

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A new stream (the Arrow PyCapsule interface)."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self._batches()).__arrow_c_stream__(requested_schema)

    def stop(self) -> None:
        """End every stream; when this returns, nothing is read any more. Arrow reads ahead in threads of its own."""
        self._stopped = True
        with self._reading:
            pass

    def _batches(self) -> Iterator[pa.RecordBatch]:
        chunks = iter(self._read(self.wanted))
        while (batches := self._next(chunks)) is not None:
            yield from batches

    def _next(self, chunks: Iterator[Chunk | pa.Table]) -> Sequence[pa.RecordBatch] | None:
        import pyarrow as pa

        with self._reading:
            if self._stopped:
                raise Stopped
            try:
                chunk = next(chunks, None)
                if chunk is None:
                    return None
                whole = pa.Table.from_arrays(self._columns(chunk), schema=self.schema) if isinstance(chunk, Mapping) else chunk
                return whole.to_batches()
            except Exception as error:
                self.failed = error
                raise

    def _columns(self, chunk: Chunk) -> list[pa.Array]:
        import pyarrow as pa

        rows = len(next(iter(chunk.values())))
        return [pa.array(chunk[one.name], one.type) if one.name in chunk else pa.nulls(rows, one.type) for one in self.schema]


def wanted_of(plan: str, schema: pa.Schema) -> Wanted:
    """What the query whose plan this is (``EXPLAIN (FORMAT json)``) needs of a table with `schema`.

    The plan does not name the tables it scans: of several scans the columns of all count, and no condition.
    """
    scans = list(_scans(json.loads(plan)))
    told = [text for scan in scans for text in (*_texts(scan.get("Projections")), *_texts(scan.get("Filters")))]
    words = set(re.findall(r"\w+", " ".join(told)))
    columns = frozenset(name for name in schema.names if name in words)
    if len(scans) != 1:
        return Wanted(columns)
    among, least, most = dict[str, Sequence[str]](), dict[str, int | datetime](), dict[str, int | datetime]()
    for text in _texts(scans[0].get("Filters")):
        for term in () if " OR " in text else text.removeprefix("optional: ").split(" AND "):
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
