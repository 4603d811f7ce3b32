"""Where a lake's data files are: in its folder, or in a depot behind a local cache.

A data file is never changed. Its name and the digest of its bytes as they are kept stand in the commit that made it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pickaxe.kernel.blobs.local import LocalBlobs
from pickaxe.kernel.depot.backend import Depot, file_chunks
from pickaxe.kernel.digest import file_digest
from pickaxe.kernel.errors import Corrupted, NotFound
from pickaxe.kernel.system.durable import sync_folder
from pickaxe.kernel.tables.errors import damaged

_SUFFIX = ".parquet"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of a table: path relative to the data folder, digest and bytes as recorded when it was written."""

    path: str
    digest: str
    size: int
    rows: int


class DataFiles(Protocol):
    """What a lake asks of the place of its data files."""

    @property
    def place(self) -> str:
        """Where they are, for people."""
        ...

    @property
    def writing(self) -> Path:
        """The folder that DuckLake writes new files to."""
        ...

    def keep(self, name: str) -> None:
        """Make the file just written, ``writing / name``, last."""
        ...

    def local(self, file: DataFile, *, afresh: bool = False) -> Path:
        """A path to read it from, compared with its digest: once per process, and again when size, time or inode changed.

        With `afresh` what is kept is read in any case. Raises `Corrupted`.
        """
        ...

    def look(self, file: DataFile) -> None:
        """Raises `Corrupted` when it is gone; what is in it is not read."""
        ...

    def any(self) -> bool:
        """Whether there is any data file."""
        ...

    def leftovers(self) -> Iterator[str]:
        """The files that may be removed when no snapshot knows them and nobody else has the turn to write."""
        ...

    def remove(self, name: str) -> None: ...


class FolderFiles:
    """Data files where DuckLake writes them: below a folder of this machine, which one process at a time writes to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: dict[str, tuple[int, int, int]] = {}

    @property
    def place(self) -> str:
        return str(self.root)

    @property
    def writing(self) -> Path:
        return self.root

    def keep(self, name: str) -> None:
        """DuckDB does not flush Parquet files to the disk itself; the commit must not be older than what it names."""
        path = self.root / name
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        sync_folder(path.parent)
        sync_folder(path.parent.parent)

    def local(self, file: DataFile, *, afresh: bool = False) -> Path:
        path = self.root / file.path
        try:
            stat = path.stat()
        except FileNotFoundError:
            raise _gone(path, file) from None
        stamp = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        if afresh or self._verified.get(file.path) != stamp:
            got = file_digest(path)
            if got != file.digest:
                raise damaged(path, "the file of a table is damaged", file.digest, got)
            self._verified[file.path] = stamp
        return path

    def look(self, file: DataFile) -> None:
        if not (path := self.root / file.path).is_file():
            raise _gone(path, file)

    def any(self) -> bool:
        return next(self.leftovers(), None) is not None

    def leftovers(self) -> Iterator[str]:
        for path in self.root.rglob("*" + _SUFFIX):
            yield path.relative_to(self.root).as_posix()

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)


class DepotFiles:
    """Data files in a depot. DuckLake writes to a folder of this process; what is read is read from the cache, whole.

    A digest can only be checked over a whole file, so fetching ranges would gain nothing; the second look is a local one.
    """

    def __init__(self, depot: Depot, cache: LocalBlobs, writing: Path) -> None:
        self._depot = depot
        self._cache = cache
        self._writing = writing

    @property
    def place(self) -> str:
        return self._depot.place

    @property
    def writing(self) -> Path:
        return self._writing

    def keep(self, name: str) -> None:
        path = self._writing / name
        self._depot.put(name, file_chunks(path), new=True)
        self._cache.put_file(path)
        path.unlink()

    def local(self, file: DataFile, *, afresh: bool = False) -> Path:
        if afresh or not self._cache.holds(file.digest):
            where = f"{self._depot.place}/{file.path}"
            try:
                self._cache.take(file.digest, self._depot.get(file.path), where)
            except NotFound:
                raise _gone(Path(where), file) from None
            except Corrupted as error:
                raise damaged(Path(where), "the file of a table is damaged", file.digest, error.got or "") from None
        return self._cache.materialise(file.digest, "file")

    def look(self, file: DataFile) -> None:
        if self._depot.size(file.path) is None:
            raise _gone(Path(f"{self._depot.place}/{file.path}"), file)

    def any(self) -> bool:
        return any(kept.name.endswith(_SUFFIX) for kept in self._depot.names())

    def leftovers(self) -> Iterator[str]:
        """None: a copy of the workspace's folder shares the bucket, and would take the original's newer files for leftovers."""
        yield from ()

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            (self._writing / name).unlink()
        self._depot.remove(name)


def _gone(path: Path, file: DataFile) -> Corrupted:
    return damaged(path, "the file of a table is gone", file.digest, "nothing")
