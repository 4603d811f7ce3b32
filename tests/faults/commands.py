"""`pickaxe` as a process of its own, to be watched, killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

MAIN = "from pickaxe.cli import main; main()"


def start(workspace: Path, *arguments: object) -> subprocess.Popen[str]:
    """Start a command in a process group of its own; what it says is kept in pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, "-w", str(workspace), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def call(workspace: Path, *arguments: object, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    process = start(workspace, *arguments)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def workers_of(pid: int) -> list[psutil.Process]:
    """The engine's worker processes that are there right now."""
    try:
        children = psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if "pickaxe.kernel.engine.worker" in _command(child)]


def until(condition: Callable[[], object], what: str, seconds: float = 300) -> None:
    """Wait for a condition; fails with `what` when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"timed out: {what}"
        time.sleep(0.01)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
