"""Content-addressed files: what goes in is named by its digest, and what comes out is checked against it.

`LocalBlobs` keeps them in a folder::

    sha256/ab/cdef…   one file per content, read-only
    tmp/              writes in progress, on the same file system so that a rename makes them whole
    folders/abcdef…/  folders made from their manifests, hard links to the files above where the file system allows
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, Protocol, cast

from pickaxe.kernel.digest import PREFIX, ManifestEntry, bytes_digest, file_digest, folder_files, hex_of, manifest_bytes
from pickaxe.kernel.errors import BadInput, Corrupted, NotFound
from pickaxe.kernel.storage_errors import storage_errors

_CHUNK = 1 << 20
_STALE_SECONDS = 24 * 3600.0

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


class LocalBlobs:
    """Blobs in a folder of this machine. Safe for many processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: dict[str, tuple[int, int, int]] = {}
        self._building = threading.Lock()

    def put_bytes(self, content: bytes) -> tuple[str, int]:
        return self._put(io.BytesIO(content))

    def put_file(self, path: Path) -> tuple[str, int]:
        if not path.is_file():
            raise NotFound(f"there is no file {path.name!r}", got=str(path))
        digest, size = file_digest(path), path.stat().st_size
        if self._holds(digest, size):
            return digest, size
        with path.open("rb") as source:
            return self._put(source)

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
            raise _corrupted(digest, self._path(digest), bytes_digest(content))
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

    def sweep(self, older_than: float = _STALE_SECONDS) -> int:
        """Remove what killed processes left in ``tmp/``, and whatever is older than `older_than` seconds; how many things went."""
        import time

        limit, gone = time.time() - older_than, 0
        for entry in os.scandir(self.root / "tmp") if (self.root / "tmp").is_dir() else ():
            with suppress(FileNotFoundError):  # its owner was just tidying up
                if not _is_running(entry.name.partition("-")[0]) or entry.stat(follow_symlinks=False).st_mtime < limit:
                    _remove(Path(entry.path))
                    gone += 1
        return gone

    # -- writing

    def _put(self, source: BinaryIO) -> tuple[str, int]:
        with storage_errors(self.root), self._scratch() as scratch:
            kept = scratch / "content"
            digest, size = _copy_hashed(source, kept)
            if not self._holds(digest, size):
                final = self._path(digest)
                _make_durable_folder(final.parent, self.root)
                kept.replace(final)
                _sync_folder(final.parent)
                self._verified[digest] = _stamp(final.stat())
            return digest, size

    def _holds(self, digest: str, size: int) -> bool:
        """True when the content is here and sound: what a disk has spoilt is written again, not trusted."""
        try:
            if self._path(digest).stat().st_size != size:
                return False
            self._verify(digest)
        except (FileNotFoundError, NotFound, Corrupted):
            return False
        return True

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        tmp = self.root / "tmp"
        tmp.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=tmp))
        try:
            yield folder
        finally:
            _remove(folder)

    # -- reading

    def _path(self, digest: str) -> Path:
        name = hex_of(digest)
        return self.root / "sha256" / name[:2] / name[2:]

    def _stat(self, digest: str) -> os.stat_result:
        try:
            return self._path(digest).stat()
        except FileNotFoundError:
            raise NotFound(
                f"no blob {digest}",
                got=f"nothing at {self._path(digest)}",
                remedy="restore it from a backup, or run the step that made it again",
            ) from None

    def _verify(self, digest: str) -> None:
        """Hash the blob once per process, and again whenever its size, time or inode changed."""
        stamp = _stamp(self._stat(digest))
        if self._verified.get(digest) == stamp:
            return
        got = file_digest(self._path(digest))
        if got != digest:
            raise _corrupted(digest, self._path(digest), got)
        self._verified[digest] = stamp

    def _materialise_folder(self, digest: str) -> Path:
        folder, manifest = self.root / "folders" / hex_of(digest), self.manifest(digest)
        # One thread builds and the others wait: a second copy would pull the first from under those who read it already.
        with self._building:
            if not self._folder_is_sound(folder, manifest):
                with storage_errors(self.root), self._scratch() as scratch:
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


def _copy_hashed(source: BinaryIO, target: Path) -> tuple[str, int]:
    """Copy a stream into a new file, on disk when this returns; the digest is that of the bytes written."""
    hasher, size = hashlib.sha256(), 0
    with target.open("xb") as sink:
        while chunk := source.read(_CHUNK):
            sink.write(chunk)
            hasher.update(chunk)
            size += len(chunk)
        sink.flush()
        os.fsync(sink.fileno())
        os.fchmod(sink.fileno(), 0o444)
    return PREFIX + hasher.hexdigest(), size


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


def _make_durable_folder(folder: Path, root: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root:
        folder = folder.parent
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _is_running(pid: str) -> bool:
    """Whether the process that named a scratch folder is alive, as far as this machine can tell."""
    if not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _remove(path: Path) -> None:
    remove: Callable[[Path], None] = shutil.rmtree if path.is_dir() and not path.is_symlink() else os.unlink
    with suppress(FileNotFoundError):
        remove(path)


def _corrupted(digest: str, path: Path, got: str) -> Corrupted:
    return Corrupted(
        f"blob {digest} is damaged",
        expected=digest,
        got=f"{got} in {path}",
        remedy="restore the file from a backup, or delete it and run the step that made it again; then check the disk",
        digest=digest,
    )
