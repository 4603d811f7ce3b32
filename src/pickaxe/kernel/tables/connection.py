"""One process's connection to a DuckLake: extensions, attaching, the metadata.

DuckLake specification 1.0 (https://ducklake.select/docs/stable/specification/introduction): the names of metadata tables and
columns used here are part of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import Corrupted, NotFound, Unavailable
from pickaxe.kernel.tables.errors import NOT_MADE, READ_ONLY, duckdb_errors
from pickaxe.kernel.tables.extensions import connect_with, literal

if TYPE_CHECKING:
    import duckdb

    from pickaxe.kernel.encryption.vault import Vault
    from pickaxe.kernel.tables.files import DataFiles
    from pickaxe.kernel.tables.metadata import Metadata
    from pickaxe.kernel.tables.read import State

CATALOG = "lake"


class LakeNotMade(NotFound):
    """Somebody began to make the lake and has not finished (or was killed): for a reader there is nothing yet."""


class Lake:
    """An attached lake. Cursors of one connection, so any thread may use it."""

    def __init__(
        self,
        folder: Path,
        files: DataFiles,
        metadata: Metadata,
        vault: Vault | None = None,
        *,
        read_only: bool,
        threads: int,
        memory_limit: str,
    ) -> None:
        self.folder = folder.absolute()
        self.files = files
        self.kept_in = metadata
        self.vault = vault
        self._pid = os.getpid()
        self._broken = False
        self.states: dict[tuple[str, int], State] = {}
        self._holder: duckdb.DuckDBPyConnection | None = None
        config = {"threads": threads, "memory_limit": memory_limit, "temp_directory": str(self.folder / "spill")}
        self._connection = _connect(self.folder, files, metadata, config, read_only=read_only)
        if not read_only:
            with duckdb_errors(self.folder, metadata.what):
                self.hold()

    @property
    def usable(self) -> bool:
        """False after a fatal error: attach anew.

        Raises `Unavailable` in a forked child, where DuckDB would wait for ever for threads that did not come along.
        """
        if self._pid != os.getpid():
            raise Unavailable(
                "these tables were opened before this process was forked",
                remedy='open them again in the child, or start it with the "spawn" method',
            )
        return not self._broken

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own; what DuckDB and the metadata's database say comes out in our words."""
        import duckdb

        with duckdb_errors(self.folder, self.kept_in.what):
            cursor = self._connection.cursor()
            try:
                yield cursor
            except (duckdb.FatalException, duckdb.InternalException):
                self._broken = True
                raise
            except BaseException:
                # Closing would roll back too, but in a destructor: when the database is gone, that ends the process.
                with suppress(duckdb.Error):
                    cursor.rollback()
                raise
            finally:
                cursor.close()

    def hold(self) -> None:
        """Keep SQLite's side files in being until the next call, by a transaction that has read the newest state.

        SQLite removes them with its last connection, and without room to make them again nobody could even read. A connection
        of Python's own `sqlite3` must not do this: two copies of SQLite in one process undo each other's file locks
        (https://www.sqlite.org/howtocorrupt.html, section 2.2.1).
        """
        if not self.kept_in.holds_files:
            return
        if self._holder is not None:
            self._holder.close()
        self._holder = self._connection.cursor()
        self._holder.begin()
        self._holder.execute(f"SELECT 1 FROM {self.kept_in.tables}.ducklake_metadata LIMIT 1").fetchall()  # noqa: S608 (a constant)

    def metadata(self, query: str, params: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query on DuckLake's own tables; ``{meta}`` stands for their schema."""
        with self.cursor() as cursor:
            return cursor.execute(query.replace("{meta}", self.kept_in.tables), list(params)).fetchall()

    def close(self) -> None:
        if self._holder is not None:
            self._holder.close()
        self._connection.close()
        self._broken = True


def lake_exists(metadata: Metadata, files: DataFiles) -> bool:
    """Whether there is a lake to attach. Raises `Corrupted` when its data is there and its metadata is not."""
    if metadata.exists():
        return True
    if files.any():
        raise _gone(metadata, files)
    return False


def _spoilt(message: str, metadata: Metadata, got: str) -> Corrupted:
    return Corrupted(
        message,
        expected="what describes the tables",
        got=f"{got}, in {metadata.what}",
        remedy="restore it from a backup, or run the steps that wrote the tables again; then check the disk",
        path=metadata.what,
    )


def _gone(metadata: Metadata, files: DataFiles) -> Corrupted:
    return Corrupted(
        "the lake's metadata is gone",
        expected=f"what describes the tables in {files.place}",
        got=f"nothing, in {metadata.what}",
        remedy="restore it from a backup; if these are another workspace's tables, give this one a place of its own",
        path=metadata.what,
    )


def _connect(
    folder: Path, files: DataFiles, metadata: Metadata, config: dict[str, Any], *, read_only: bool
) -> duckdb.DuckDBPyConnection:
    with duckdb_errors(folder, metadata.what, lambda said: _spoilt("the lake cannot be read", metadata, said)):
        if not read_only:
            files.writing.mkdir(parents=True, exist_ok=True)
        connection = connect_with(
            [metadata.extension, "ducklake"],
            {
                **config,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_persistent_secrets": False,
            },
        )
        try:
            connection.execute("SET TimeZone='UTC'")
            _attach(connection, files, metadata, read_only=read_only)
        except BaseException:
            connection.close()
            raise
        return connection


def _attach(connection: duckdb.DuckDBPyConnection, files: DataFiles, metadata: Metadata, *, read_only: bool) -> None:
    import duckdb

    options = {
        # The folder may have been moved since: paths inside are relative, and this one is where it is now.
        "DATA_PATH": literal(f"{files.writing}/"),
        "OVERRIDE_DATA_PATH": "true",
        # Rows in the metadata would have no digest; see docs/decisions.
        "DATA_INLINING_ROW_LIMIT": "0",
        "AUTOMATIC_MIGRATION": "false",
        **metadata.options(read_only=read_only),
    }
    if read_only:
        options["READ_ONLY"] = "true"
    if read_only or files.any():
        # A new, empty lake beside the data of the old one would be a loss that nobody notices.
        options["CREATE_IF_NOT_EXISTS"] = "false"
    words = ", ".join(f"{key} {value}" for key, value in options.items())
    try:
        connection.execute(f"ATTACH {literal(f'ducklake:{metadata.address(connection)}')} AS {CATALOG} ({words})")
    except duckdb.Error as error:
        # A maker killed before SQLite's first transaction was done leaves one to roll back, which a reader may not do.
        not_made = NOT_MADE.search(str(error)) or (READ_ONLY.search(str(error)) and not files.any())
        if not not_made:
            raise
        raise (_gone(metadata, files) if files.any() else LakeNotMade("there are no tables yet")) from None
    if not read_only:
        connection.execute(f"CALL {CATALOG}.set_option('parquet_compression', 'zstd')")
