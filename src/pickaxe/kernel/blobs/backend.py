"""Content-addressed files: what goes in is named by its digest, and what comes out is checked against it.

`LocalBlobs` keeps them in a folder, `KeptBlobs` in a depot (a bucket, sealed files) with a local cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, Protocol, cast

from pickaxe.kernel.digest import PREFIX, ManifestEntry, hex_of
from pickaxe.kernel.errors import BadInput, Corrupted, NotFound

Kind = Literal["file", "folder"]


class Blobs(Protocol):
    """What a blob store does. Every method that takes a digest raises `BadInput` when it is not one."""

    def put_bytes(self, content: bytes) -> tuple[str, int]:
        """Store bytes; (digest, size). Atomic and idempotent; raises `StorageFull` with nothing half-written."""
        ...

    def put_file(self, path: Path) -> tuple[str, int]:
        """Store a file; (digest, size in bytes)."""
        ...

    def put_folder(self, path: Path) -> tuple[str, int]:
        """Store a folder; (digest of its manifest, bytes of its files)."""
        ...

    def exists(self, digest: str) -> bool: ...

    def size(self, digest: str) -> int:
        """Bytes of one blob (of the manifest, for a folder)."""
        ...

    def manifest(self, digest: str) -> list[ManifestEntry]:
        """The files of a stored folder."""
        ...

    def read_bytes(self, digest: str) -> bytes:
        """The content, verified. Raises `NotFound`, `Corrupted`."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """The content as a stream to read, verified before the first byte is handed out."""
        ...

    def materialise(self, digest: str, kind: Kind) -> Path:
        """A local path, to read only, of a file or of a whole folder; verified."""
        ...

    def sweep(self) -> int:
        """Remove what killed processes left half-written; how many things went."""
        ...


class Hashing:
    """Chunks passed on as they are, and what they were: `digest` and `size`, once all are through."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._hasher = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._hasher.update(chunk)
            self.size += len(chunk)
            yield chunk

    @property
    def digest(self) -> str:
        return PREFIX + self._hasher.hexdigest()


def expecting(digest: str, chunks: Iterable[bytes], origin: str) -> Iterator[bytes]:
    """The chunks, and `Corrupted` at their end if they were not what `digest` says: a writer then keeps none of them."""
    hashing = Hashing(chunks)
    yield from hashing
    if hashing.digest != digest:
        raise damaged_blob(digest, origin, hashing.digest)


def parse_manifest(content: bytes, digest: str) -> list[ManifestEntry]:
    """The entries of a manifest; `BadInput` when `content` is not one or a path in it would leave its folder."""
    try:
        document: Any = json.loads(content)
    except ValueError:
        document = None
    files = cast(dict[str, Any], document).get("files") if isinstance(document, dict) else None
    if not isinstance(files, list) or cast(dict[str, Any], document).get("format") != "pickaxe-folder-1":
        raise BadInput(f"{digest} is not a folder", expected="a folder's manifest", got="the content of a file")
    entries = [_parse_entry(entry, digest) for entry in cast(list[Any], files)]
    paths = {entry["path"] for entry in entries}
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    if len(paths) < len(entries) or paths & folders:
        raise BadInput(f"the manifest {digest} names a path twice")
    return entries


def _parse_entry(entry: Any, digest: str) -> ManifestEntry:
    fields = cast(dict[str, Any], entry) if isinstance(entry, dict) else {}
    path, size = fields.get("path"), fields.get("size")
    if not isinstance(path, str) or not _stays_inside(path) or type(size) is not int or size < 0:
        raise BadInput(
            f"the manifest {digest} has an unsafe entry",
            expected="a relative path without '..', a digest and a size",
            got=f"{entry!r:.200}",
        )
    hex_of(fields.get("digest", ""))
    return {"path": path, "digest": fields["digest"], "size": size}


def _stays_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and "/".join(parts) == path and "\0" not in path and not {"..", ".", "/"} & set(parts)


def no_blob(digest: str, where: str) -> NotFound:
    """The error for a blob that is not there."""
    return NotFound(
        f"no blob {digest}",
        got=f"nothing at {where}",
        remedy="restore it from a backup, or make it again in a new workspace: the same content has the same digest",
    )


def damaged_blob(digest: str, where: str, got: str) -> Corrupted:
    """The error for a blob that is not what it was."""
    return Corrupted(
        f"blob {digest} is damaged",
        expected=digest,
        got=f"{got} in {where}",
        remedy="restore it from a backup, or make it again in a new workspace; then check the disk",
        digest=digest,
    )
