"""Reading: what a snapshot holds of a table, its rows, and its history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.depot.backend import file_chunks
from pickaxe.kernel.digest import canonical_json, json_digest
from pickaxe.kernel.errors import BadInput, Corrupted, NotFound
from pickaxe.kernel.tables.arrow import ORDINAL, restored, schema_from_text, table_identifier
from pickaxe.kernel.tables.connection import Lake
from pickaxe.kernel.tables.files import DataFile
from pickaxe.kernel.tables.lake import Pin

if TYPE_CHECKING:
    import pyarrow as pa

_FORMAT = "pickaxe-commit-1"
_TABLE_AT = """
SELECT t.table_id, t.begin_snapshot, s.path || t.path
FROM {meta}.ducklake_table t JOIN {meta}.ducklake_schema s USING (schema_id)
WHERE t.table_name = ? AND s.schema_name = 'main'
  AND t.begin_snapshot <= ? AND (t.end_snapshot IS NULL OR t.end_snapshot > ?)
"""
_FILES_AT = """
SELECT path, record_count, begin_snapshot FROM {meta}.ducklake_data_file
WHERE table_id = ? AND begin_snapshot <= ? AND (end_snapshot IS NULL OR end_snapshot > ?)
ORDER BY data_file_id
"""


@dataclass(frozen=True, slots=True)
class State:
    """What one snapshot holds of a table. `identifiers` are the stored columns, in the order of `schema`'s fields."""

    snapshot_id: int
    schema: pa.Schema
    identifiers: tuple[str, ...]
    files: tuple[DataFile, ...]
    folder: str

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def read(lake: Lake, pin: Pin, columns: Sequence[str] | None) -> pa.Table:
    """The rows of a table at a snapshot; see `Tables.read`."""
    state = state_at(lake, pin)
    schema, identifiers = _chosen(state, pin.name, columns)
    if not state.files:
        return schema.empty_table()
    sources = [source_of(lake, file) for file in state.files]
    with own_query(f"table {pin.name!r}"):
        stored = _rows(sources, [*identifiers, ORDINAL])
    if stored.num_rows != state.rows:
        raise unlike(pin, f"{stored.num_rows} rows")
    return restored(stored, schema)


def read_slice(lake: Lake, pin: Pin, begin: int, count: int, columns: Sequence[str] | None) -> pa.Table:
    """Rows `begin` to `begin + count` (excluded) of a table at a snapshot; only the row groups that hold them are read."""
    import numpy as np
    import pyarrow as pa

    state = state_at(lake, pin)
    schema, identifiers = _chosen(state, pin.name, columns)
    found: list[pa.Table] = []
    passed = 0
    for file in state.files:
        low, high = max(begin - passed, 0), min(begin + count - passed, file.rows)
        passed += file.rows
        if low < high:
            with own_query(f"table {pin.name!r}"):
                found.append(_slice(source_of(lake, file), [*identifiers, ORDINAL], low, high))
    if not found:
        return schema.empty_table()
    rows = pa.concat_tables(found)
    if not np.array_equal(rows[ORDINAL], np.arange(begin, begin + rows.num_rows)):  # files that are not in row order
        return read(lake, pin, columns).slice(begin, count)
    return restored(rows, schema)


def _slice(source: Path | pa.BufferReader, columns: list[str], low: int, high: int) -> pa.Table:
    import pyarrow.parquet as pq

    with pq.ParquetFile(source) as file:
        groups, first, end = list[int](), 0, 0
        for group in range(file.metadata.num_row_groups):
            begin, end = end, end + file.metadata.row_group(group).num_rows
            if begin < high and low < end:
                first = first if groups else begin
                groups.append(group)
        return file.read_row_groups(groups, columns=columns).select(columns).slice(low - first, high - low)


def source_of(lake: Lake, file: DataFile) -> Path | pa.BufferReader:
    """The file itself; or, sealed, its content, in memory only."""
    import pyarrow as pa

    path = lake.files.local(file)
    if lake.vault is None:
        return path
    return pa.BufferReader(b"".join(lake.vault.open(file_chunks(path), file.path)))


def _rows(sources: Sequence[Path | pa.BufferReader], columns: list[str]) -> pa.Table:
    """What the files hold, in their order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [pq.read_table(source, columns=columns, partitioning=None).select(columns) for source in sources]
    return pa.concat_tables(parts)


@contextmanager
def own_query(what: str) -> Iterator[None]:
    """Our own query on a lake that we wrote fails only if the lake is no longer what we wrote."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException:
        raise
    except (duckdb.Error, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        said = str(error).partition("\n\nStack Trace")[0]
        raise _unrecorded(f"{what} that makes sense ({type(error).__name__}: {said})") from error


def state_at(lake: Lake, pin: Pin) -> State:
    """What the pin means. Raises `NotFound` when there is no such snapshot, or the table was not in it."""
    known = lake.states.get((pin.name, pin.snapshot_id))
    if known is None:
        with own_query(f"table {pin.name!r}"):
            found = lake.metadata("SELECT 1 FROM {meta}.ducklake_snapshot WHERE snapshot_id = ?", [pin.snapshot_id])
            known = _state(lake, pin.name, pin.snapshot_id) if found else None
        if known is None:
            raise NotFound(
                f"no table {pin.name!r} at snapshot {pin.snapshot_id}",
                got="no such table there" if found else "no such snapshot",
                remedy="take the pin from the catalog, or list the table's snapshots",
            )
        lake.states[pin.name, pin.snapshot_id] = known
    if (known.rows, known.size) != (pin.rows, pin.bytes):
        raise unlike(pin, f"{known.rows} rows in {known.size} bytes")
    return known


def unlike(pin: Pin, got: str) -> Corrupted:
    return Corrupted(
        f"table {pin.name!r} at snapshot {pin.snapshot_id} is not what was pinned",
        expected=f"{pin.rows} rows in {pin.bytes} bytes",
        got=got,
        remedy="restore lake.db from a backup, or write the table again in a new workspace",
    )


def newest_state(lake: Lake, name: str) -> State | None:
    with own_query(f"table {name!r}"):
        [(newest,)] = lake.metadata("SELECT max(snapshot_id) FROM {meta}.ducklake_snapshot")
        return _state(lake, name, newest)


def snapshots(lake: Lake, name: str) -> list[Pin]:
    """Every state of the table, oldest first."""
    table_identifier(name)
    # A sealed record says nothing to a query; each is opened and looked at.
    mentioned = json.dumps(name) if lake.vault is None else ""
    with own_query(f"table {name!r}"):
        rows = lake.metadata(
            "SELECT snapshot_id, commit_extra_info FROM {meta}.ducklake_snapshot_changes"
            " WHERE contains(commit_extra_info, ?) ORDER BY snapshot_id",
            [mentioned],
        )
        records = [(snapshot, _tables_of(lake, snapshot, text).get(name)) for snapshot, text in rows]
        return [Pin(name, snapshot, record["rows"], record["bytes"]) for snapshot, record in records if record]


def _state(lake: Lake, name: str, snapshot_id: int) -> State | None:
    tables = lake.metadata(_TABLE_AT, [table_identifier(name), snapshot_id, snapshot_id])
    if not tables:
        return None
    [(table_id, made_at, folder)] = tables
    files = lake.metadata(_FILES_AT, [table_id, snapshot_id, snapshot_id])
    records = _records(lake, name, sorted({made_at, *(begin for _, _, begin in files)}))
    made = records[made_at]
    return State(
        snapshot_id=snapshot_id,
        schema=schema_from_text(made["schema"]),
        identifiers=tuple(made["columns"]),
        files=tuple(_data_file(name, folder + path, rows, records[begin]) for path, rows, begin in files),
        folder=folder,
    )


def _records(lake: Lake, name: str, snapshot_ids: list[int]) -> dict[int, dict[str, Any]]:
    """What the commits said of this table."""
    rows = lake.metadata(
        "SELECT snapshot_id, commit_extra_info FROM {meta}.ducklake_snapshot_changes WHERE list_contains(?, snapshot_id)",
        [snapshot_ids],
    )
    found = {snapshot: _tables_of(lake, snapshot, text).get(name) for snapshot, text in rows}
    records = {snapshot: record for snapshot, record in found.items() if record}
    for snapshot in snapshot_ids:
        if snapshot not in records:
            raise _unrecorded(f"snapshot {snapshot} of table {name!r}")
    return records


def commit_record(lake: Lake, tables: dict[str, dict[str, Any]]) -> str:
    """What a commit says of its tables, and the digest of that: SQLite does not notice a flipped bit either."""
    record = canonical_json({"format": _FORMAT, "tables": tables, "digest": json_digest(tables)}).decode()
    return record if lake.vault is None else lake.vault.seal_name(record, _FORMAT)


def _tables_of(lake: Lake, snapshot: int, text: str | None) -> dict[str, dict[str, Any]]:
    """The tables of a commit; empty when it is not one of ours (making the lake is the first)."""
    if text and lake.vault is not None:
        text = lake.vault.open_name(text, _FORMAT)
    record = json.loads(text or "{}")
    tables = record.get("tables", {})
    if text and (record.get("format") != _FORMAT or record.get("digest") != json_digest(tables)):
        raise _unrecorded(f"snapshot {snapshot} that is intact")
    return tables


def _data_file(name: str, path: str, rows: int, record: dict[str, Any]) -> DataFile:
    recorded = record["files"].get(path)
    if recorded is None:
        raise _unrecorded(f"file {path} of table {name!r}")
    digest, size = recorded
    return DataFile(path=path, digest=digest, size=size, rows=rows)


def _unrecorded(what: str) -> Corrupted:
    return Corrupted(
        f"the lake has no record of {what}",
        expected="a commit written by Pickaxe, with the digests of its files",
        got="none (the metadata was damaged, or another program wrote to the lake)",
        remedy="restore lake.db from a backup, or write the table again in a new workspace",
    )


def _chosen(state: State, name: str, columns: Sequence[str] | None) -> tuple[pa.Schema, list[str]]:
    """The fields wanted and where they are stored."""
    import pyarrow as pa

    if columns is None:
        return state.schema, list(state.identifiers)
    stored = dict(zip(state.schema.names, state.identifiers, strict=True))
    missing = [column for column in columns if column not in stored]
    if missing or len(set(columns)) < len(columns) or isinstance(columns, str):
        raise BadInput(
            f"table {name!r} cannot be read so",
            expected=f"different columns out of {', '.join(state.schema.names)}",
            got=f"{list(columns)!r:.300}",
        )
    return pa.schema([state.schema.field(column) for column in columns]), [stored[column] for column in columns]
