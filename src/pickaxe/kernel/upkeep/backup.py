"""Backup of a workspace, while it is in use, into one file; and back.

What is in a database or a bucket is first gathered in a folder (see `move.gather`), so an archive always holds a folder. The catalog is copied first, through SQLite's online backup, so it is the state of one instant. Everything that a catalog row
means was in its store before the row (see `content`), is never changed and never removed, so the tables' metadata and the files
that are copied afterwards hold at least that. The archive is a zstd-compressed tar; its last member lists every other one with its
digest. Left out: scratch, caches, and the checkpoints of runs under way, which begin anew after a restore.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from pickaxe.kernel.errors import BadInput, Conflict, Corrupted, NotFound
from pickaxe.kernel.location import FILE, PRIVATE, PRIVATE_FILE, Location
from pickaxe.kernel.system.disk import storage_errors

FORMAT = "pickaxe-backup-1"
_CONTENTS = "CONTENTS.json"
_DATABASES = ("catalog.db", "lake.db")
_FOLDERS = ("blobs", "tables")
_PASSING = {"tmp", "folders"}
"""Folders of writes in progress and of copies that are made again when they are needed."""

Tell = Callable[[int, int], None]
"""Called with files done and files in all."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What an archive holds: files and their bytes before compression, and when it was made."""

    files: int
    size: int
    made_at: str


def back_up(folder: Path, target: Path, tell: Tell = lambda done, total: None) -> Backup:
    """Write the workspace in `folder` to the file `target`, and read it back: every digest, and that nothing pinned is missing.

    The workspace may be written meanwhile. One in a database or a bucket is gathered beside `target` first, which takes as much room
    as it has content. Raises `NotFound` (no workspace), `Conflict` (the target exists), `Corrupted` (what was written cannot be read
    back, or the workspace lacks a file).
    """
    location = Location.of(folder)
    _refuse(target)
    if not location.elsewhere:
        return _backed_up(location, target, tell)
    from pickaxe.kernel.upkeep.move import gather

    with storage_errors(target.parent), tempfile.TemporaryDirectory(prefix="pickaxe-backup-", dir=target.parent) as scratch:
        gathered = Path(scratch) / "workspace"
        gather(location, gathered, lambda stage, done, total: tell(done, total))
        return _backed_up(Location.of(gathered, {}), target, tell)


def _backed_up(location: Location, target: Path, tell: Tell) -> Backup:
    folder = location.folder
    if not (folder / _DATABASES[0]).exists():
        raise NotFound(f"no workspace at {folder}", remedy="check the path: -w FOLDER")
    partial = target.with_name(target.name + ".partial")
    with storage_errors(target.parent):
        try:
            with tempfile.TemporaryDirectory(prefix="pickaxe-backup-", dir=target.parent) as scratch:
                copies = _copied_databases(folder, Path(scratch))
                contents = _written(folder, copies, partial, tell)
                if location.key is None:  # sealed names say nothing; `pickaxe doctor` with the key does
                    _refuse_missing(copies, contents)
            found = read_back(partial)
            partial.rename(target)
        finally:
            partial.unlink(missing_ok=True)
    return found


def restore(source: Path, folder: Path, tell: Tell = lambda done, total: None) -> Backup:
    """Unpack the archive `source` into the new folder `folder`; nothing is left there unless every digest is right.

    Raises `Conflict` (something is in the folder), `BadInput` (no archive of ours), `Corrupted`.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty", remedy="restore into a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with storage_errors(folder.parent), tempfile.TemporaryDirectory(prefix="pickaxe-restore-", dir=folder.parent) as scratch:
        made = Path(scratch) / "workspace"
        made.mkdir(PRIVATE)
        found = _checked(source, tell, made)
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    return found


def read_back(source: Path, tell: Tell = lambda done, total: None) -> Backup:
    """Read the whole archive and compare every file with its digest. Raises `BadInput`, `Corrupted`."""
    return _checked(source, tell, None)


def _refuse(target: Path) -> None:
    if target.exists():
        raise Conflict(f"{target} exists", remedy="choose another name; backups are never overwritten")
    if not target.parent.is_dir():
        raise BadInput(f"{target.parent} is no folder", remedy="make it first")


def _copied_databases(folder: Path, scratch: Path) -> dict[str, Path]:
    copies: dict[str, Path] = {}
    for name in _DATABASES:  # in this order: what the catalog pins is in the lake by then
        if (folder / name).exists():
            copies[name] = scratch / name
            with (
                closing(sqlite3.connect(f"file:{folder / name}?mode=ro", uri=True, timeout=60)) as source,
                closing(sqlite3.connect(copies[name])) as copy,
            ):
                source.backup(copy)
    return copies


def _written(folder: Path, copies: dict[str, Path], target: Path, tell: Tell) -> dict[str, list[Any]]:
    """Every file into the archive, the list of them last; returns the list: path -> [digest, size]."""
    files = list(_files(folder))
    contents: dict[str, list[Any]] = {}
    with _archive_to(target) as archive:
        for name, copy in copies.items():
            contents[name] = _added(archive, name, copy)
        for done, (name, file) in enumerate(files):
            tell(done, len(files))
            with suppress(FileNotFoundError):  # a leftover that a writer swept away just now
                contents[name] = _added(archive, name, file)
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        listed = json.dumps({"format": FORMAT, "made_at": made_at, "files": contents}).encode()
        member = tarfile.TarInfo(_CONTENTS)
        member.size = len(listed)
        archive.addfile(member, io.BytesIO(listed))
    tell(len(files), len(files))
    return contents


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    if (folder / FILE).exists():
        yield FILE, folder / FILE
    for top in _FOLDERS:
        for file in sorted((folder / top).rglob("*")):
            name = file.relative_to(folder)
            if file.is_file() and not file.is_symlink() and name.parts[1] not in _PASSING:
                yield name.as_posix(), file


def _added(archive: tarfile.TarFile, name: str, file: Path) -> list[Any]:
    with file.open("rb") as content:
        member = tarfile.TarInfo(name)
        member.size = file.stat().st_size
        hashing = _Hashing(content)
        archive.addfile(member, cast(IO[bytes], hashing))
    return [hashing.digest.hexdigest(), member.size]


class _Hashing:
    """A file to read from that keeps the digest of what was read."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        part = self._content.read(size)
        self.digest.update(part)
        return part


def _refuse_missing(copies: dict[str, Path], contents: dict[str, list[Any]]) -> None:
    """Whatever the copied catalog pins is in the archive. (What a file holds, its own digest says.)"""
    with closing(sqlite3.connect(copies["catalog.db"])) as catalog:
        pins = [json.loads(pin) for (pin,) in catalog.execute("SELECT pin FROM artifacts") if isinstance(pin, (str, bytes))]
    plain = any(name.startswith("blobs/sha256/") for name in contents)
    for pin in pins:
        digest = str(pin.get("blob", "")).partition(":")[2]
        if plain and digest and f"blobs/sha256/{digest[:2]}/{digest[2:]}" not in contents:
            raise _incomplete(f"blob sha256:{digest}")
    if "lake.db" in copies:
        with closing(sqlite3.connect(copies["lake.db"])) as lake:
            listed = {PurePosixPath(path).name for (path,) in lake.execute("SELECT path FROM ducklake_data_file")}
        missing = listed - {PurePosixPath(name).name for name in contents if name.startswith("tables/")}
        if missing:
            raise _incomplete(f"table file {min(missing)}")


def _incomplete(what: str) -> Corrupted:
    return Corrupted(
        f"the workspace lacks the {what}", remedy="pickaxe doctor says what is missing and how to mend it; then back up again"
    )


def _checked(source: Path, tell: Tell, folder: Path | None) -> Backup:
    """Read every member, into `folder` when there is one, and compare with the list at the end."""
    found: dict[str, list[Any]] = {}
    contents: dict[str, Any] | None = None
    try:
        with _archive_from(source) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None or not member.isfile() or not _stays_inside(member.name) or contents is not None:
                    raise BadInput(f"{source} is not a backup of Pickaxe", got=f"a member {member.name!r:.80}")
                if member.name == _CONTENTS:
                    contents = json.load(content)
                    continue
                found[member.name] = _unpacked(content, folder / member.name if folder else None)
                tell(len(found), 0)
    except (tarfile.TarError, ValueError, OSError, EOFError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Corrupted(f"{source} cannot be read", got=str(error)[:200], remedy="take another backup") from None
    if contents is None or contents.get("format") != FORMAT:
        raise BadInput(f"{source} is not a whole backup of Pickaxe", expected=f"an archive that ends with {_CONTENTS}")
    if found != contents["files"]:
        wrong = [name for name in {*found, *contents["files"]} if found.get(name) != contents["files"].get(name)]
        raise Corrupted(
            f"{source} is damaged",
            got=f"{len(wrong)} files are not as listed, such as {min(wrong)}",
            remedy="take another backup",
        )
    return Backup(len(found), sum(size for _, size in found.values()), contents["made_at"])


def _unpacked(content: IO[bytes], target: Path | None) -> list[Any]:
    digest, size = hashlib.sha256(), 0
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") if target is not None else io.BytesIO() as sink:
        while part := content.read(1 << 20):
            digest.update(part)
            size += len(part)
            if target is not None:
                sink.write(part)
    if target is not None and target.parts[-3:-2] == ("sha256",):
        target.chmod(0o444)  # as it was: content is named by its digest, nobody writes to it
    return [digest.hexdigest(), size]


def _stays_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and "/".join(parts) == name and not {"..", "/", "."} & set(parts)


@contextmanager
def _archive_to(target: Path) -> Iterator[tarfile.TarFile]:
    import pyarrow as pa

    target.touch(PRIVATE_FILE)
    with pa.CompressedOutputStream(str(target), "zstd") as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
        yield archive


@contextmanager
def _archive_from(source: Path) -> Iterator[tarfile.TarFile]:
    import pyarrow as pa

    with pa.CompressedInputStream(str(source), "zstd") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        yield archive
