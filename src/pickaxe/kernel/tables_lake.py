"""One process's connection to a DuckLake: extensions, attaching, the metadata, the checks on data files.

DuckLake specification 1.0 (https://ducklake.select/docs/stable/specification/introduction): the names of metadata tables and
columns used here are part of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.digest import file_digest
from pickaxe.kernel.errors import Corrupted, NewerWorkspace, PickaxeError, Unavailable, WriterBusy
from pickaxe.kernel.storage_errors import storage_errors, storage_full

if TYPE_CHECKING:
    import duckdb

    from pickaxe.kernel.tables_read import State

METADATA = "lake.db"
DATA = "tables"
CATALOG = "lake"
META = "__ducklake_metadata_lake"

_FULL = re.compile(r"no space left|disk is full|disk quota exceeded|file too large|database or disk", re.IGNORECASE)
_BROKEN = re.compile(r"malformed|not a database|disk I/O error|no such table: ducklake|does not exist.*ducklake_", re.IGNORECASE)
_LOCKED = re.compile(r"database is locked", re.IGNORECASE)
_NEWER = re.compile(r"ducklake.*version|version.*ducklake|catalog version", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of a table: path relative to the data folder, digest and bytes as recorded when it was written."""

    path: str
    digest: str
    size: int
    rows: int


class Lake:
    """An attached lake. Cursors of one connection, so any thread may use it."""

    def __init__(self, folder: Path, *, read_only: bool, threads: int, memory_limit: str) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / DATA
        self._pid = os.getpid()
        self._broken = False
        self._verified: dict[str, tuple[int, int, int]] = {}
        self.states: dict[tuple[str, int], State] = {}
        self._connection = _connect(self.folder, read_only=read_only, threads=threads, memory_limit=memory_limit)

    @property
    def usable(self) -> bool:
        """False after a fatal error, and in a forked child (DuckDB's threads did not come along)."""
        return not self._broken and self._pid == os.getpid()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own; what DuckDB and SQLite say of the disk or the lake comes out in our words."""
        import duckdb

        with duckdb_errors(self.folder):
            cursor = self._connection.cursor()
            try:
                yield cursor
            except (duckdb.FatalException, duckdb.InternalException):
                self._broken = True
                raise
            finally:
                cursor.close()

    def metadata(self, query: str, params: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query on DuckLake's own tables; ``{meta}`` stands for their schema."""
        with self.cursor() as cursor:
            return cursor.execute(query.replace("{meta}", META), list(params)).fetchall()

    def check(self, files: Iterable[DataFile], *, afresh: bool = False) -> None:
        """Compare data files with their recorded digests: once per process, and again when size, time or inode changed.

        DuckDB does not notice a flipped bit in a data page (Parquet's page checksums are optional and it writes none).
        Raises `Corrupted`.
        """
        for file in files:
            path = self.data / file.path
            try:
                stat = path.stat()
            except FileNotFoundError:
                raise _damaged(path, "the file of a table is gone", file.digest, "nothing") from None
            stamp = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
            if self._verified.get(file.path) == stamp and not afresh:
                continue
            got = file_digest(path)
            if got != file.digest:
                raise _damaged(path, "the file of a table is damaged", file.digest, got)
            self._verified[file.path] = stamp

    def close(self) -> None:
        self._connection.close()
        self._broken = True


@contextmanager
def duckdb_errors(place: Path) -> Iterator[None]:
    """Turn what DuckDB says about the disk, locks and broken files into `PickaxeError`s; let the rest pass."""
    import duckdb

    try:
        with storage_errors(place):
            yield
    except PickaxeError:
        raise
    except duckdb.Error as error:
        said = str(error).partition("\n\nStack Trace")[0].strip()
        if _FULL.search(said):
            raise storage_full(place, said) from None
        if _LOCKED.search(said):
            raise WriterBusy(
                "the lake is locked by another writer", got=said, remedy="let the process that holds the workspace's lock write"
            ) from None
        if _BROKEN.search(said):
            raise _damaged(place / METADATA, "the lake's metadata is damaged", "a DuckLake in an SQLite file", said) from None
        raise


def _connect(folder: Path, *, read_only: bool, threads: int, memory_limit: str) -> duckdb.DuckDBPyConnection:
    import duckdb

    with duckdb_errors(folder):
        if not read_only:
            (folder / DATA).mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": memory_limit,
                "temp_directory": str(folder / "spill"),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_persistent_secrets": False,
            }
        )
        try:
            for extension in ("sqlite_scanner", "ducklake"):
                connection.execute(f"LOAD {_literal(str(_extension_file(extension)))}")
            connection.execute("SET TimeZone='UTC'")
            _attach(connection, folder, read_only=read_only)
        except BaseException:
            connection.close()
            raise
        return connection


def _extension_file(name: str) -> Path:
    """The signed binary in the extension's wheel, loaded where it lies: nothing is downloaded or copied to the home folder."""
    import duckdb

    spec = find_spec(f"duckdb_extension_{name}")
    places = spec.submodule_search_locations if spec else None
    file = Path(places[0]) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension" if places else None
    if file is None or not file.is_file():
        raise Unavailable(
            f"DuckDB's extension {name} is not installed",
            expected=f"the package duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}",
            got="none" if file is None else f"one for another DuckDB than {duckdb.__version__}",
            remedy="install Pickaxe with its pinned constraints",
        )
    return file


def _attach(connection: duckdb.DuckDBPyConnection, folder: Path, *, read_only: bool) -> None:
    import duckdb

    options = {
        # The folder may have been moved since: paths inside are relative, and this one is where it is now.
        "DATA_PATH": _literal(f"{folder / DATA}/"),
        "OVERRIDE_DATA_PATH": "true",
        # Readers go on while the writer commits, and the other way round.
        "META_JOURNAL_MODE": "'WAL'",
        "META_BUSY_TIMEOUT": "10000",
        # Rows in the metadata would have no digest; see docs/decisions.
        "DATA_INLINING_ROW_LIMIT": "0",
        "AUTOMATIC_MIGRATION": "false",
    }
    if read_only:
        options = {key: value for key, value in options.items() if key != "META_JOURNAL_MODE"} | {"READ_ONLY": "true"}
    fresh = not (folder / METADATA).exists()
    words = ", ".join(f"{key} {value}" for key, value in options.items())
    try:
        connection.execute(f"ATTACH {_literal(f'ducklake:sqlite:{folder / METADATA}')} AS {CATALOG} ({words})")
    except duckdb.Error as error:
        if _NEWER.search(str(error)) and not _FULL.search(str(error)) and not _BROKEN.search(str(error)):
            raise NewerWorkspace(
                "the lake has a format that this version does not read",
                expected="DuckLake 1.0",
                got=str(error).partition("\n\n")[0],
                remedy="upgrade Pickaxe",
            ) from None
        raise
    if fresh and not read_only:
        connection.execute(f"CALL {CATALOG}.set_option('parquet_compression', 'zstd')")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _damaged(path: Path, message: str, expected: str, got: str) -> Corrupted:
    return Corrupted(
        message,
        expected=expected,
        got=f"{got}, in {path}",
        remedy="restore the file from a backup, or run the step that wrote the table again; then check the disk",
        path=str(path),
    )
