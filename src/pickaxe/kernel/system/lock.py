"""One writer per workspace, enforced by the operating system.

The lock is `flock(2)` on a file that is never deleted: the kernel lets go of it when the holder dies, however it dies. What
the file says (who holds it) is for people; it is never believed when deciding who holds the lock.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shlex
import socket
import sys
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, cast

from pickaxe.kernel.errors import PickaxeError, Unavailable, WriterBusy
from pickaxe.kernel.system.disk import FULL, storage_full

_POLL_SECONDS = 0.05


class WriterLock:
    """The right to write, held by one process at a time.

    Not inherited by children: the descriptor closes on exec, and a forked child lets go of its copy.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        return self._fd is not None

    def acquire(self, wait: float = 0.0) -> Self:
        """Take the lock, trying for `wait` seconds. Taking it twice from the same object is fine.

        Raises `WriterBusy`, naming the holder's process, command, host and since when; `Unavailable` when the lock file
        cannot be made (read-only folder, file system without locks); `StorageFull` when there is no room even for that.
        """
        if self._fd is not None:
            return self
        deadline = time.monotonic() + wait
        fd = self._open()
        try:
            while not _try_lock(fd, self.path):
                if time.monotonic() >= deadline:
                    raise _busy(self.path, _holder(fd))
                time.sleep(_POLL_SECONDS)
            _describe_holder(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        _HELD.add(self)
        return self

    def tell(self, **about: Any) -> None:
        """Add to what the file says of its holder, for example where it can be reached."""
        if self._fd is not None:
            _describe_holder(self._fd, **about)

    def release(self) -> None:
        """Let go; nothing happens when it is not held. The file stays: deleting it would let two processes in."""
        fd, self._fd = self._fd, None
        _HELD.discard(self)
        if fd is not None:
            try:
                os.ftruncate(fd, 0)
            finally:
                os.close(fd)

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _cannot_lock(self.path, error) from None

    def _forget_in_child(self) -> None:
        # A flock belongs to the open file, which a fork shares: a living child would keep a dead parent's lock.
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


_HELD: weakref.WeakSet[WriterLock] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for lock in list(_HELD):
        lock._forget_in_child()  # pyright: ignore[reportPrivateUsage]
    _HELD.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _try_lock(fd: int, path: Path) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise _cannot_lock(path, error) from None
    return True


def _describe_holder(fd: int, **more: Any) -> None:
    about = {
        "pid": os.getpid(),
        "command": shlex.join(sys.orig_argv)[:300],
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        **more,
    }
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(about).encode(), 0)
    except OSError as error:
        # The lock is held whether or not the note fits on a full disk.
        if error.errno not in FULL:
            raise


def holder_of(path: Path) -> dict[str, Any]:
    """What the holder of the lock at `path` says of itself; empty when nobody holds it, or it says nothing. The lock is not taken.

    A file that its reader may not read or lock says nothing either: then nobody can be asked.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        said = _holder(fd)
        if not said:
            return {}
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # what is written may be a dead holder's, who could not erase it
        except BlockingIOError:
            return said
        except OSError:
            return {}
        return {}
    finally:
        os.close(fd)


def _holder(fd: int) -> dict[str, Any]:
    """What the file says about its holder; empty when it says nothing that can be read."""
    try:
        about = json.loads(os.pread(fd, 4096, 0))
    except (OSError, ValueError):
        return {}
    return cast(dict[str, Any], about) if isinstance(about, dict) else {}


def _busy(path: Path, about: dict[str, Any]) -> WriterBusy:
    if about:
        who = f"process {about.get('pid')} on {about.get('host')} ({about.get('command')}), since {about.get('since')}"
    else:
        who = "a process that has not said who it is"
    return WriterBusy(
        "another process is writing to this workspace",
        expected="one writer at a time",
        got=f"{path} is held by {who}",
        remedy=f'go through it: pickaxe.connect("{about["url"]}"), or open the workspace to read only (mode="r")'
        if about.get("url")
        else 'wait for it, stop it, or open the workspace to read only (mode="r")',
        holder=about,
    )


def _cannot_lock(path: Path, error: OSError) -> PickaxeError:
    if error.errno in FULL:
        return storage_full(path.parent, error.strerror or str(error))
    return Unavailable(
        "the workspace cannot be locked for writing",
        expected=f"a lock on {path}",
        got=f"{error.strerror or error} ({errno.errorcode.get(error.errno or 0, '?')})",
        remedy='use a local folder that you may write to, or open the workspace to read only (mode="r")',
    )
