"""Where bytes are kept by name, out of reach of a plain file path: a bucket, or a folder of sealed files.

Names are relative POSIX paths made by the stores above (`blobs`, `tables`), never by users.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.system.disk import storage_errors
from pickaxe.kernel.system.durable import scratch_folder, settle, sweep_scratch, write_flushed

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing in a depot: its name, bytes, and seconds since it was put there."""

    name: str
    size: int
    age: float


class Depot(Protocol):
    """What a place for bytes does. A thing is visible whole or not at all, and durable when `put` returns."""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        ...

    def put(self, name: str, chunks: Iterable[bytes], *, new: bool = False) -> None:
        """Keep the chunks as one thing; an exception from `chunks` leaves nothing behind.

        With `new` it must not be there yet (`Conflict`, where the store can tell); otherwise it takes the old one's place.
        Raises `StorageFull`, `Unavailable`.
        """
        ...

    def get(self, name: str) -> Iterator[bytes]:
        """The content in chunks. Raises `NotFound` (before the first one), `Unavailable`."""
        ...

    def size(self, name: str) -> int | None:
        """Bytes kept; None when there is no such thing."""
        ...

    def names(self) -> Iterator[Kept]:
        """Everything there."""
        ...

    def remove(self, name: str) -> None:
        """Nothing happens when it is gone."""
        ...

    def sweep(self) -> int:
        """Remove what killed processes left half-written; how many things went."""
        ...


def file_chunks(path: Path) -> Iterator[bytes]:
    """A file's content, a chunk at a time."""
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk


class FolderDepot:
    """A depot in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> str:
        return str(self.root)

    def put(self, name: str, chunks: Iterable[bytes], *, new: bool = False) -> None:
        with storage_errors(self.root), scratch_folder(self.root) as scratch:
            write_flushed(scratch / "content", chunks)
            settle(scratch / "content", self.root / name, self.root)

    def get(self, name: str) -> Iterator[bytes]:
        path = self.root / name
        if not path.is_file():
            raise NotFound(f"there is no {name}", got=f"nothing at {path}")
        return file_chunks(path)

    def size(self, name: str) -> int | None:
        try:
            return (self.root / name).stat().st_size
        except FileNotFoundError:
            return None

    def names(self) -> Iterator[Kept]:
        now = time.time()
        for path in self.root.rglob("*"):
            name = path.relative_to(self.root)
            if path.is_file() and name.parts[0] != "tmp":
                stat = path.stat()
                yield Kept(name.as_posix(), stat.st_size, now - stat.st_mtime)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def sweep(self) -> int:
        return sweep_scratch(self.root)
