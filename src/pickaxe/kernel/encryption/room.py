"""Where an encrypted workspace is worked on: a private folder outside it, in memory, for what programs must read as plain files.

Models are mapped from files, workers hand over their outputs in files, checkpoints are files. In an encrypted workspace all of
these are in the room: below ``/dev/shm``, which never reaches a disk (but for swap), or where PICKAXE_SCRATCH says. The last
process to leave empties it; what a killed one left goes when the next comes in. Only checkpoints of unfinished runs stay.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pickaxe.kernel.errors import Conflict, Unavailable
from pickaxe.kernel.system.durable import remove

CHECKPOINTS = "checkpoints"
_MEMORY = Path("/dev/shm")  # noqa: S108 - private below it
_USERS = "users"


class Room:
    """This process's share in the room called `name`. Raises `Unavailable` (nowhere to make it), `Conflict` (not ours)."""

    def __init__(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        self.folder = plain_place(environment) / f"pickaxe-{os.getuid()}-{name[:16]}"
        with suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
        _must_be_ours(self.folder)
        self._fd: int | None = os.open(self.folder / _USERS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._empty_if_alone(self._fd)
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Give up the share. Idempotent."""
        fd, self._fd = self._fd, None
        if fd is not None:
            try:
                self._empty_if_alone(fd)
            finally:
                os.close(fd)

    def _empty_if_alone(self, fd: int) -> None:
        # The lock file stays: who opened it a moment ago waits for this very file.
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for entry in list(self.folder.iterdir()):
            if entry.name == CHECKPOINTS:
                for checkpoint in list(entry.iterdir()):
                    if not any(checkpoint.iterdir()):
                        remove(checkpoint)
            elif entry.name != _USERS:
                remove(entry)


def plain_place(environment: Mapping[str, str] | None = None) -> Path:
    """Where plain files of an encrypted workspace may be made. Raises `Unavailable`."""
    environment = os.environ if environment is None else environment
    said = environment.get("PICKAXE_SCRATCH")
    place = Path(said) if said else _MEMORY
    if not place.is_absolute() or not place.is_dir() or not os.access(place, os.W_OK):
        raise Unavailable(
            "an encrypted workspace needs a place for its plain working files",
            expected="a folder in memory or on an encrypted disk, by its absolute path",
            got=f"{place} is not a folder that can be written",
            remedy="set PICKAXE_SCRATCH to one that can",
        )
    return place


def _must_be_ours(folder: Path) -> None:
    """Anybody may make names in a shared place: a link, or a folder of somebody else, is refused."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise Conflict(
            f"{folder} is not a private folder of yours",
            expected="a folder that you own and nobody else may enter (mode 700)",
            got=stat.filemode(found.st_mode),
            remedy="remove it, or set PICKAXE_SCRATCH to a folder that is yours alone",
        )
