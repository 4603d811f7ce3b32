"""What the operating system says about a disk, in our words."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pickaxe.kernel.errors import PickaxeError, StorageFull, Unavailable

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What a disk, a quota or a file-size limit says when no more can be written."""
_KEPT_FREE, _KEPT_SHARE = 1 << 30, 20
"""Bytes of a disk that uploads leave free: so many, or this part of a small one."""
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn "no space", "quota exceeded" and "file too large" into `StorageFull`, and "not allowed" into `Unavailable`.

    Other errors pass. Native libraries (safetensors, tokenizers) raise errors of their own, which only quote what the system said.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise storage_full(place, error.strerror or str(error)) from None
        if error.errno in _FORBIDDEN:
            raise Unavailable(
                "the workspace cannot be written",
                expected=f"permission to write below {place}",
                got=error.strerror or str(error),
                remedy="check the owner and the permissions, or copy the workspace to a disk that can be written",
            ) from None
        raise
    except PickaxeError:
        raise
    except Exception as error:
        said = next((os.strerror(code) for code in sorted(FULL) if os.strerror(code) in str(error)), None)
        if said is None:
            raise
        raise storage_full(place, said) from error


def refuse_full(place: Path, more: int = 0) -> None:
    """Raises `StorageFull` when `more` bytes from outside would take the last room, which those who are here need to go on."""
    disk = shutil.disk_usage(place)
    kept = min(_KEPT_FREE, disk.total // _KEPT_SHARE)
    if disk.free - more < kept:
        raise storage_full(place, f"{disk.free:,} bytes are free, and {kept:,} of them kept for what is under way")


def storage_full(place: Path, said: str) -> StorageFull:
    return StorageFull(
        "there is no room left to write",
        got=f"{said}, in {place}",
        remedy="free some space (or raise the quota or the file-size limit) and start again; what was stored before is intact",
    )
