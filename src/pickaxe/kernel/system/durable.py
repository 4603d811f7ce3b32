"""Files that are whole or absent: written beside their place, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STALE_SECONDS = 24 * 3600.0


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """A folder below ``root/tmp`` for writes in progress: on the file system of `root`, so that a rename makes them whole."""
    tmp = root / "tmp"
    tmp.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=tmp))
    try:
        yield folder
    finally:
        remove(folder)


def write_flushed(target: Path, chunks: Iterable[bytes]) -> None:
    """A new, read-only file, on disk when this returns."""
    with target.open("xb") as sink:
        for chunk in chunks:
            sink.write(chunk)
        sink.flush()
        os.fsync(sink.fileno())
        os.fchmod(sink.fileno(), 0o444)


def settle(made: Path, place: Path, root: Path) -> None:
    """Move a flushed file to its place below `root`; the name is on disk too when this returns."""
    _make_durable_folder(place.parent, root)
    made.replace(place)
    sync_folder(place.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Give one small file a new content, at once and durably: a reader sees the old or the new."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_flushed(part, [content])
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def sweep_scratch(root: Path, older_than: float = STALE_SECONDS) -> int:
    """Remove what killed processes left below ``root/tmp``, and whatever is older than `older_than` seconds; how many things went."""
    limit, gone = time.time() - older_than, 0
    for entry in os.scandir(root / "tmp") if (root / "tmp").is_dir() else ():
        with suppress(FileNotFoundError):  # its owner was just tidying up
            if not _is_running(entry.name.partition("-")[0]) or entry.stat(follow_symlinks=False).st_mtime < limit:
                remove(Path(entry.path))
                gone += 1
    return gone


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove(path: Path) -> None:
    """A file or a whole folder; nothing happens when it is gone."""
    take_away: Callable[[Path], None] = shutil.rmtree if path.is_dir() and not path.is_symlink() else os.unlink
    with suppress(FileNotFoundError):
        take_away(path)


def _make_durable_folder(folder: Path, root: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root:
        folder = folder.parent
        sync_folder(folder)


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
