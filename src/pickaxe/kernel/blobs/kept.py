"""Blobs in a depot: a bucket, or sealed files, with a local cache of what was read.

Whatever comes out has passed through the cache, a `LocalBlobs`, which checks it against its digest and makes folders of it.
The cache may be deleted at any time.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import BinaryIO

from pickaxe.kernel.blobs.backend import Kind, damaged_blob, expecting, no_blob, parse_manifest
from pickaxe.kernel.blobs.local import LocalBlobs
from pickaxe.kernel.depot.backend import Depot, file_chunks
from pickaxe.kernel.digest import ManifestEntry, bytes_digest, file_digest, folder_files, hex_of, manifest_bytes
from pickaxe.kernel.errors import BadInput, Corrupted, NotFound


class KeptBlobs:
    """Blobs in `depot`, read through `cache`. Safe for many processes at once.

    What is there already when it is put again is believed by name and size; with `rereads` it is read, so that putting it again
    heals what a disk has spoilt. Otherwise only the process that found it spoilt writes it again.
    """

    def __init__(self, depot: Depot, cache: LocalBlobs, *, rereads: bool = False) -> None:
        self._depot = depot
        self._cache = cache
        self._rereads = rereads
        self._spoilt: set[str] = set()

    def put_bytes(self, content: bytes) -> tuple[str, int]:
        digest = bytes_digest(content)
        if not self._holds(digest, len(content)):
            self._depot.put(_name(digest), [content])
        return digest, len(content)

    def put_file(self, path: Path) -> tuple[str, int]:
        if not path.is_file():
            raise NotFound(f"there is no file {path.name!r}", got=str(path))
        digest, size = file_digest(path), path.stat().st_size
        if not self._holds(digest, size):
            # A file that changes under our hands is not what was hashed: then nothing is kept.
            self._depot.put(_name(digest), expecting(digest, file_chunks(path), str(path)))
        return digest, size

    def put_folder(self, path: Path) -> tuple[str, int]:
        manifest: list[ManifestEntry] = []
        for name, file in folder_files(path):
            digest, size = self.put_file(file)
            manifest.append({"path": name, "digest": digest, "size": size})
        digest, _ = self.put_bytes(manifest_bytes(manifest))
        return digest, sum(entry["size"] for entry in manifest)

    def exists(self, digest: str) -> bool:
        return self._depot.size(_name(digest)) is not None

    def size(self, digest: str) -> int:
        size = self._depot.size(_name(digest))
        if size is None:
            raise no_blob(digest, f"{self._depot.place}/{_name(digest)}")
        return size

    def manifest(self, digest: str) -> list[ManifestEntry]:
        return parse_manifest(self.read_bytes(digest), digest)

    def read_bytes(self, digest: str) -> bytes:
        self._fetch(digest)
        return self._cache.read_bytes(digest)

    def open(self, digest: str) -> BinaryIO:
        self._fetch(digest)
        return self._cache.open(digest)

    def materialise(self, digest: str, kind: Kind) -> Path:
        if kind not in ("file", "folder"):
            raise BadInput("unknown kind of blob", expected="file or folder", got=repr(kind))
        self._fetch(digest)
        if kind == "folder":
            for entry in self._cache.manifest(digest):
                self._fetch(entry["digest"])
        return self._cache.materialise(digest, kind)

    def sweep(self) -> int:
        return self._cache.sweep() + self._depot.sweep()

    def _holds(self, digest: str, size: int) -> bool:
        if digest in self._spoilt or self._depot.size(_name(digest)) != size:
            return False
        if not self._rereads:
            return True
        try:
            deque(expecting(digest, self._depot.get(_name(digest)), self._depot.place), maxlen=0)
        except (Corrupted, NotFound):
            return False
        return True

    def _fetch(self, digest: str) -> None:
        """Make sure that the cache holds it, sound."""
        name = _name(digest)
        if self._cache.holds(digest):
            return
        where = f"{self._depot.place}/{name}"
        try:
            self._cache.take(digest, self._depot.get(name), where)
        except NotFound:
            raise no_blob(digest, where) from None
        except Corrupted as error:
            self._spoilt.add(digest)
            raise damaged_blob(digest, where, error.got or "something else") from None


def _name(digest: str) -> str:
    name = hex_of(digest)
    return f"sha256/{name[:2]}/{name[2:]}"
