"""Writing: one transaction, one snapshot, with the digests of its files in the commit itself.

The order is: data files, their digests and an fsync, then the commit. A process killed before the commit leaves files that
no snapshot knows (`sweep` removes them); after it, everything is on disk.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.digest import file_digest
from pickaxe.kernel.errors import BadInput, Corrupted, PickaxeError
from pickaxe.kernel.system.disk import storage_errors
from pickaxe.kernel.system.durable import STALE_SECONDS, write_flushed
from pickaxe.kernel.tables.arrow import ORDINAL, column_identifiers, quoted, schema_text, storage_table, table_identifier
from pickaxe.kernel.tables.connection import CATALOG, Lake
from pickaxe.kernel.tables.errors import ConnectionLost
from pickaxe.kernel.tables.files import DataFile
from pickaxe.kernel.tables.lake import Pin
from pickaxe.kernel.tables.read import State, commit_record, newest_state, snapshots

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from pickaxe.kernel.encryption.vault import Vault

_ROW_GROUP = 122_880
"""Rows of a part of a file that is read by itself: as DuckDB makes them."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One table of a commit: what it is now, what goes in."""

    name: str
    identifier: str
    before: State | None
    appends: bool
    stored: pa.Table
    schema: str
    columns: list[str]

    @property
    def kept(self) -> State | None:
        """The state whose rows stay."""
        return self.before if self.appends else None

    @property
    def changes(self) -> bool:
        return not self.appends or self.stored.num_rows > 0


def commit(lake: Lake, tables: Mapping[str, pa.Table], *, append: bool) -> dict[str, Pin]:
    """Write all `tables` in one snapshot; see `Tables.write_many`."""
    import duckdb

    jobs = _jobs(lake, tables, append=append)
    if not any(job.changes for job in jobs):
        # DuckLake makes no snapshot of a transaction that adds no rows; the states that are there are the answer.
        return {job.name: snapshots(lake, job.name)[-1] for job in jobs}
    # DuckLake names a new table's folder after the table, if it can: a write that failed may have left it there.
    folders = {job.before.folder for job in jobs if job.before} | {f"main/{job.identifier}/" for job in jobs}
    watch = _NewFiles(lake.files.writing, sorted(folders))
    records: dict[str, dict[str, Any]] = {}
    try:
        with lake.cursor() as cursor:
            cursor.begin()
            for job in jobs:
                records[job.name] = _record(job, _write_files(cursor, lake, job, watch))
            _describe(cursor, lake, records)
            lake.kept_in.check_turn()
            cursor.commit()
            pins = _pins(cursor, records)
    except ConnectionLost:
        # Its files stay where nobody can say that they are not needed; a later sweep removes them.
        snapshot = lake.kept_in.snapshot_of(commit_record(lake, records))
        if snapshot is None:
            raise
        return _pins_at(snapshot, records)
    except BaseException:
        # Whether the commit came through is for the lake to say: an interrupt may come right after it.
        with suppress(PickaxeError, duckdb.Error):
            _remove_unknown(lake, (watch.relative(path) for path in watch.taken()))
        raise
    with suppress(duckdb.Error):  # the write is done; that the disk is full now is for the next one to say
        lake.hold()
    return pins


def sweep(lake: Lake) -> int:
    """Remove data files that no snapshot knows; how many went."""
    return _remove_unknown(lake, (name for name in lake.files.leftovers() if not _may_be_anothers(lake, name)))


def _may_be_anothers(lake: Lake, name: str) -> bool:
    """Whether another process may be about to commit that file: one whose turn a restart of the database has just ended."""
    path = lake.files.writing / name
    return lake.kept_in.shared and path.exists() and time.time() - path.stat().st_mtime < STALE_SECONDS


def _remove_unknown(lake: Lake, names: Iterable[str]) -> int:
    known = lake.metadata(
        "SELECT s.path || t.path || f.path FROM {meta}.ducklake_data_file f"
        " JOIN {meta}.ducklake_table t USING (table_id) JOIN {meta}.ducklake_schema s USING (schema_id)"
    )
    kept = {path for (path,) in known}
    unknown = [name for name in names if name not in kept]
    for name in unknown:
        lake.files.remove(name)
    return len(unknown)


def _jobs(lake: Lake, tables: Mapping[str, pa.Table], *, append: bool) -> list[_Job]:
    jobs: list[_Job] = []
    for name, table in tables.items():
        identifier = table_identifier(name)
        columns = column_identifiers(table.column_names)
        before = newest_state(lake, name)
        if append and before:
            _refuse_other_schema(name, before, table)
        first = before.rows if append and before else 0
        jobs.append(
            _Job(
                name=name,
                identifier=identifier,
                before=before,
                appends=append and before is not None,
                stored=storage_table(table, columns, first),
                schema=schema_text(table.schema),
                columns=columns,
            )
        )
    return jobs


def _refuse_other_schema(name: str, state: State, table: pa.Table) -> None:
    if state.schema.equals(table.schema.remove_metadata()):
        return
    raise BadInput(
        f"table {name!r} has other columns",
        expected=", ".join(f"{field.name}: {field.type}" for field in state.schema),
        got=", ".join(f"{field.name}: {field.type}" for field in table.schema),
        remedy='cast the rows to the table\'s schema, or write with mode="replace"',
    )


def _write_files(cursor: duckdb.DuckDBPyConnection, lake: Lake, job: _Job, watch: _NewFiles) -> list[DataFile]:
    """Have DuckLake write the rows inside the open transaction; hash the files that appeared and make them last.

    DuckLake puts the smallest and largest value of each column into its metadata. So in a sealed lake it is given the rows'
    numbers only, and the file that it wrote gives way to a sealed one with the rows themselves.
    """
    import pyarrow.parquet as pq

    target = f"{CATALOG}.main.{quoted(job.identifier)}"
    cursor.register("incoming", job.stored if lake.vault is None else job.stored.select([ORDINAL]))
    cursor.execute(f"INSERT INTO {target} FROM incoming" if job.appends else f"CREATE OR REPLACE TABLE {target} AS FROM incoming")
    cursor.unregister("incoming")
    files: list[DataFile] = []
    for path in watch.take():
        rows = pq.read_metadata(path).num_rows
        if lake.vault is not None:
            _seal(lake.vault, path, watch.relative(path), job.stored)
        files.append(DataFile(watch.relative(path), file_digest(path), path.stat().st_size, rows))
        lake.files.keep(watch.relative(path))
    if sum(file.rows for file in files) != job.stored.num_rows:
        raise Corrupted(
            f"table {job.name!r} was not written whole",
            expected=f"{job.stored.num_rows} rows in new files",
            got=f"{[(file.path, file.rows) for file in files]}",
            remedy="check the disk; nothing was committed",
        )
    return files


def _seal(vault: Vault, path: Path, name: str, rows: pa.Table) -> None:
    """Put those of `rows` whose numbers are in the file at `path` into its place, sealed; they are never on disk otherwise."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = pq.read_table(path, partitioning=None)[ORDINAL]
    whole = numbers.equals(rows[ORDINAL])
    content = pa.BufferOutputStream()
    those = rows if whole else rows.take(pa.compute.index_in(numbers, rows[ORDINAL]))
    pq.write_table(those, content, compression="zstd", row_group_size=_ROW_GROUP)
    path.unlink()
    with storage_errors(path.parent):
        write_flushed(path, vault.seal([content.getvalue().to_pybytes()], name))


def _record(job: _Job, files: list[DataFile]) -> dict[str, Any]:
    """What the commit says of a table: enough to read it back as it was and to see that nothing changed."""
    kept = job.kept
    return {
        "schema": job.schema,
        "columns": job.columns,
        "rows": job.stored.num_rows + (kept.rows if kept else 0),
        "bytes": sum(file.size for file in files) + (kept.size if kept else 0),
        "files": {file.path: [file.digest, file.size] for file in files},
    }


def _describe(cursor: duckdb.DuckDBPyConnection, lake: Lake, records: dict[str, dict[str, Any]]) -> None:
    message = "write " + ", ".join(records)
    cursor.execute(f"CALL {CATALOG}.set_commit_message('pickaxe', ?, extra_info => ?)", [message, commit_record(lake, records)])


def _pins(cursor: duckdb.DuckDBPyConnection, records: dict[str, dict[str, Any]]) -> dict[str, Pin]:
    [(snapshot,)] = cursor.execute(f"FROM {CATALOG}.last_committed_snapshot()").fetchall()
    return _pins_at(snapshot, records)


def _pins_at(snapshot: int, records: dict[str, dict[str, Any]]) -> dict[str, Pin]:
    return {name: Pin(name, snapshot, record["rows"], record["bytes"]) for name, record in records.items()}


class _NewFiles:
    """The data files that appear below the data folder. Only the one writer makes any, so new means ours."""

    def __init__(self, data: Path, folders: list[str]) -> None:
        self.data = data
        self._folders = set(_names(data / "main"))
        self._seen = {path for folder in folders for path in (data / folder).glob("*.parquet")}
        self._old = [data / folder for folder in folders]
        self._taken: list[Path] = []

    def take(self) -> list[Path]:
        """Those that appeared since the last time, in the order of their names (DuckLake's are in order of time)."""
        new = [self.data / "main" / name for name in _names(self.data / "main") if name not in self._folders]
        found = sorted({path for folder in (*self._old, *new) for path in folder.glob("*.parquet")} - self._seen)
        self._seen.update(found)
        self._taken += found
        return found

    def relative(self, path: Path) -> str:
        return path.relative_to(self.data).as_posix()

    def taken(self) -> list[Path]:
        """All that appeared, whether anybody has taken it yet or not."""
        self.take()
        return self._taken


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
