"""Blobs in a folder of this machine.

::

    sha256/ab/cdef…   one file per content, read-only
    tmp/              writes in progress, on the same file system so that a rename makes them whole
    folders/abcdef…/  folders made from their manifests, hard links to the files above where the file system allows
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from pickaxe.kernel.blobs.backend import Hashing, Kind, damaged_blob, expecting, no_blob, parse_manifest
from pickaxe.kernel.depot.backend import file_chunks
from pickaxe.kernel.digest import ManifestEntry, bytes_digest, file_digest, folder_files, hex_of, manifest_bytes
from pickaxe.kernel.errors import BadInput, Corrupted, NotFound
from pickaxe.kernel.system.disk import storage_errors
from pickaxe.kernel.system.durable import STALE_SECONDS, scratch_folder, settle, sweep_scratch, write_flushed


class LocalBlobs:
    """Blobs in a folder of this machine. Safe for many processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: dict[str, tuple[int, int, int]] = {}
        self._building = threading.Lock()

    def put_bytes(self, content: bytes) -> tuple[str, int]:
        return self._put([content])

    def put_file(self, path: Path) -> tuple[str, int]:
        if not path.is_file():
            raise NotFound(f"there is no file {path.name!r}", got=str(path))
        digest, size = file_digest(path), path.stat().st_size
        if self._holds(digest, size):
            return digest, size
        return self._put(file_chunks(path))

    def put_folder(self, path: Path) -> tuple[str, int]:
        manifest: list[ManifestEntry] = []
        for name, file in folder_files(path):
            digest, size = self.put_file(file)
            manifest.append({"path": name, "digest": digest, "size": size})
        digest, _ = self.put_bytes(manifest_bytes(manifest))
        return digest, sum(entry["size"] for entry in manifest)

    def exists(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def size(self, digest: str) -> int:
        return self._stat(digest).st_size

    def manifest(self, digest: str) -> list[ManifestEntry]:
        return parse_manifest(self.read_bytes(digest), digest)

    def read_bytes(self, digest: str) -> bytes:
        self._stat(digest)
        content = self._path(digest).read_bytes()
        if bytes_digest(content) != digest:
            raise damaged_blob(digest, str(self._path(digest)), bytes_digest(content))
        return content

    def open(self, digest: str) -> BinaryIO:
        self._verify(digest)
        return self._path(digest).open("rb")

    def materialise(self, digest: str, kind: Kind) -> Path:
        if kind == "file":
            self._verify(digest)
            return self._path(digest)
        if kind == "folder":
            return self._materialise_folder(digest)
        raise BadInput("unknown kind of blob", expected="file or folder", got=repr(kind))

    def sweep(self, older_than: float = STALE_SECONDS) -> int:
        return sweep_scratch(self.root, older_than)

    def holds(self, digest: str) -> bool:
        """True when the content is here and sound: what a disk has spoilt is written again, not trusted."""
        try:
            self._verify(digest)
        except (NotFound, Corrupted):
            return False
        return True

    def take(self, digest: str, chunks: Iterable[bytes], origin: str) -> None:
        """Keep what came from `origin` if it is what `digest` says. Raises `Corrupted`, and then nothing is kept."""
        self._put(expecting(digest, chunks, origin))

    # -- writing

    def _put(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        with storage_errors(self.root), scratch_folder(self.root) as scratch:
            kept, hashing = scratch / "content", Hashing(chunks)
            write_flushed(kept, hashing)
            digest, size = hashing.digest, hashing.size
            if not self._holds(digest, size):
                final = self._path(digest)
                settle(kept, final, self.root)
                self._verified[digest] = _stamp(final.stat())
            return digest, size

    def _holds(self, digest: str, size: int) -> bool:
        try:
            return self._path(digest).stat().st_size == size and self.holds(digest)
        except FileNotFoundError:
            return False

    # -- reading

    def _path(self, digest: str) -> Path:
        name = hex_of(digest)
        return self.root / "sha256" / name[:2] / name[2:]

    def _stat(self, digest: str) -> os.stat_result:
        try:
            return self._path(digest).stat()
        except FileNotFoundError:
            raise no_blob(digest, str(self._path(digest))) from None

    def _verify(self, digest: str) -> None:
        """Hash the blob once per process, and again whenever its size, time or inode changed."""
        stamp = _stamp(self._stat(digest))
        if self._verified.get(digest) == stamp:
            return
        got = file_digest(self._path(digest))
        if got != digest:
            raise damaged_blob(digest, str(self._path(digest)), got)
        self._verified[digest] = stamp

    def _materialise_folder(self, digest: str) -> Path:
        folder, manifest = self.root / "folders" / hex_of(digest), self.manifest(digest)
        # One thread builds and the others wait: a second copy would pull the first from under those who read it already.
        with self._building:
            if not self._folder_is_sound(folder, manifest):
                with storage_errors(self.root), scratch_folder(self.root) as scratch:
                    made = scratch / "folder"
                    self._build_folder(made, manifest)
                    if not self._folder_is_sound(folder, manifest):  # another process may have been quicker
                        _swap_in(made, folder, scratch / "old")
        return folder

    def _folder_is_sound(self, folder: Path, manifest: list[ManifestEntry]) -> bool:
        """Exactly the manifest's files, each with its content; an altered copy, or one that just goes away, is built anew."""
        if not folder.is_dir():
            return False
        try:
            present = {name for name, _ in folder_files(folder)}
            return present == {entry["path"] for entry in manifest} and all(
                self._copy_is_sound(folder / entry["path"], entry["digest"]) for entry in manifest
            )
        except (BadInput, FileNotFoundError):
            return False

    def _copy_is_sound(self, file: Path, digest: str) -> bool:
        stamp, key = _stamp(file.stat()), str(file)
        if file.is_symlink():
            return False
        if stamp in (self._verified.get(key), self._verified.get(digest)):
            return True
        if file_digest(file) != digest:
            return False
        self._verified[key] = stamp
        return True

    def _build_folder(self, folder: Path, manifest: list[ManifestEntry]) -> None:
        folder.mkdir()
        for entry in manifest:
            self._verify(entry["digest"])
            place, blob = folder / entry["path"], self._path(entry["digest"])
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(blob, place)
            except OSError:  # another file system's rules (no links, too many links): a copy is as good
                shutil.copyfile(blob, place)
                place.chmod(0o444)


def _swap_in(made: Path, place: Path, aside: Path) -> None:
    """Move a finished folder to its place; another process may have been quicker, and then its folder is as good."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.rename(aside)
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino
