"""What DuckDB, DuckLake, SQLite and PostgreSQL say of the disk and of each other, in our words.

They raise one class for most things, so their messages are read. `tests/kernel/test_storage_faults.py` makes each of these
happen, with the pinned versions.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pickaxe.kernel.errors import Corrupted, NewerWorkspace, PickaxeError, Unavailable, WriterBusy
from pickaxe.kernel.system.disk import storage_errors, storage_full
from pickaxe.kernel.system.retry import NotDone

NOT_MADE = re.compile(r"creating a new ducklake is explicitly disabled", re.IGNORECASE)
READ_ONLY = re.compile(r"attempt to write a readonly database", re.IGNORECASE)

_FULL = re.compile(r"no space left|disk is full|disk quota exceeded|file too large", re.IGNORECASE)
_BROKEN = re.compile(r"malformed|not a database|failed to load existing ducklake", re.IGNORECASE)
_LOCKED = re.compile(r"database is locked", re.IGNORECASE)
_NO_ACCESS = re.compile(r"unable to open database|readonly database|permission denied|disk i/o error", re.IGNORECASE)
# libpq's and the server's words for a connection that did not come about, or broke.
_LOST = re.compile(
    r"unable to connect to postgres|server closed the connection|terminating connection|connection to server|connection refused"
    r"|no connection to the server|the database system is|could not (send|receive) data|connection (not open|reset)|broken pipe"
    r"|ssl (connection|syscall)|connection timed out|query \".*\": *$",  # a query that failed without a reason given
    re.IGNORECASE | re.DOTALL,
)
_OTHER_VERSION = re.compile(r"catalog version mismatch", re.IGNORECASE)
# In WAL mode SQLite makes an index file of 32 KiB even to read, and calls it an I/O error when there is no room for it.
_SQLITE_NEEDS = 64 * 1024

_SAYINGS: dict[re.Pattern[str], Callable[[str], PickaxeError]] = {
    _OTHER_VERSION: lambda said: NewerWorkspace(
        "the lake was written in another format", expected="DuckLake 1.0", got=said, remedy="upgrade Pickaxe"
    ),
    _LOCKED: lambda said: WriterBusy(
        "the lake is locked by another writer", got=said, remedy="let the process that holds the workspace's lock write"
    ),
    _NO_ACCESS: lambda said: Unavailable(
        "the lake cannot be opened",
        expected="a folder on a local disk that you may write to (SQLite needs that even to read)",
        got=said,
        remedy="check the permissions, or copy the workspace to a disk that can be written",
    ),
}


class ConnectionLost(NotDone):
    """The database of the lake's metadata went away. What only read may be done again; a commit may have come through."""


@contextmanager
def duckdb_errors(folder: Path, metadata: str, unknown: Callable[[str], PickaxeError] | None = None) -> Iterator[None]:
    """Turn what DuckDB says about the disk, locks, connections and broken files into `PickaxeError`s.

    `metadata` is where the lake's metadata is, for people. What is not known passes as it is, or as `unknown` makes it. A lost
    connection is `ConnectionLost`.
    """
    import duckdb

    try:
        with storage_errors(folder):
            yield
    except PickaxeError:
        raise
    except (duckdb.Error, UnicodeDecodeError) as error:  # a damaged name comes back inside DuckDB's message
        said = str(error).partition("\n\nStack Trace")[0].strip()
        known = _known(folder, metadata, error, said) or (unknown(said) if unknown else None)
        if known is None:
            raise
        raise known from None


def damaged(path: Path, message: str, expected: str, got: str) -> Corrupted:
    """The error for a file that is not what was written."""
    return Corrupted(
        message,
        expected=expected,
        got=f"{got}, in {path}",
        remedy="restore the file from a backup, or write the table again in a new workspace; then check the disk",
        path=str(path),
    )


def _known(folder: Path, metadata: str, error: Exception, said: str) -> PickaxeError | None:
    import duckdb

    if _LOST.search(said):
        remedy = "start the database server, or check the network; then do it again"
        return ConnectionLost(f"the connection to {metadata} was lost", got=said.splitlines()[0][:300], remedy=remedy)
    if _FULL.search(said) or (_NO_ACCESS.search(said) and shutil.disk_usage(folder).free < _SQLITE_NEEDS):
        return storage_full(folder, said)
    if _BROKEN.search(said) or isinstance(error, UnicodeDecodeError):
        return damaged(Path(metadata), "the lake's metadata is damaged", "a DuckLake", said)
    if isinstance(error, duckdb.OutOfMemoryException):
        return Unavailable("DuckDB's memory limit is too small for this table", got=said, remedy="raise memory_limit")
    return next((found(said) for words, found in _SAYINGS.items() if words.search(said)), None)
