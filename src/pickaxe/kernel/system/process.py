"""Which process is this, and is that one still there? For what several processes of one machine share."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_SAME_START_SECONDS = 1.0


def this_process() -> dict[str, Any]:
    """What tells this process from every other: its number, when it started, and in which numbering of which machine."""
    import psutil

    return {"pid": os.getpid(), "started": psutil.Process().create_time(), "numbering": _numbering()}


def is_alive(about: Mapping[str, Any]) -> bool | None:
    """Whether the process that `this_process` described is there; None when that cannot be known from here."""
    import psutil

    pid, started = about.get("pid"), about.get("started")
    if about.get("numbering") != _numbering() or not isinstance(pid, int) or not isinstance(started, float):
        return None
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started) <= _SAME_START_SECONDS
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return None


def _numbering() -> str:
    """Process numbers can be compared within one boot of one machine, and one container of it."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def scratch_name() -> str:
    """A folder's name for what this process alone works on, among others of any machine."""
    about = this_process()
    return f"{about['pid']}-{int(about['started'])}-{hashlib.sha256(about['numbering'].encode()).hexdigest()[:12]}"


def sweep_scratch(place: Path) -> None:
    """Remove the folders of processes of this machine that are gone."""
    numbering = hashlib.sha256(_numbering().encode()).hexdigest()[:12]
    for folder in place.iterdir() if place.is_dir() else ():
        pid, _, rest = folder.name.partition("-")
        started, _, where = rest.partition("-")
        if where == numbering and pid.isdecimal() and started.isdecimal():
            about = {"pid": int(pid), "started": float(started), "numbering": _numbering()}
            if is_alive(about) is False:
                shutil.rmtree(folder, ignore_errors=True)
