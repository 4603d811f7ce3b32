"""What the operating system says about a disk, in our words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pickaxe.kernel.errors import StorageFull

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What a disk, a quota or a file-size limit says when no more can be written."""


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn "no space", "quota exceeded" and "file too large" into `StorageFull`; let other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise storage_full(place, error.strerror or str(error)) from None
        raise


def storage_full(place: Path, said: str) -> StorageFull:
    return StorageFull(
        "there is no room left to write",
        got=f"{said}, in {place}",
        remedy="free some space (or raise the quota or the file-size limit) and start again; what was stored before is intact",
    )
