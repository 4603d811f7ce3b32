"""Functions that run apart, for what may be a trap: a process with a limit of memory and time, without secrets of ours.

``python -m pickaxe.kernel.system.confined MODULE:FUNCTION`` reads its arguments as a JSON list from standard input and writes what
the function returns, which is JSON too, to standard output.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pickaxe.kernel.errors import BadInput, PickaxeError, from_dict

_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "TZ")
_START_SECONDS = 60.0
_AFTER_ITS_TIME = 3


def confined(address: str, arguments: Sequence[Any], *, what: str, seconds: float, memory_bytes: int) -> Any:
    """What the function at ``module:name`` returns for `arguments`, both JSON.

    Raises what it raises of our errors, and `BadInput` about `what` when it takes more than it may.
    """
    asked = json.dumps({"arguments": list(arguments), "seconds": seconds, "memory": memory_bytes}).encode()
    command = [sys.executable, "-m", "pickaxe.kernel.system.confined", address]
    try:
        done = subprocess.run(
            command,
            input=asked,
            capture_output=True,
            timeout=seconds + _START_SECONDS,
            env=_bare_environment(),
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_much(what, seconds, memory_bytes) from None
    if done.returncode != 0:
        raise _too_much(what, seconds, memory_bytes)
    said = json.loads(done.stdout)
    if "error" in said:
        raise from_dict(said["error"])
    return said["value"]


def _too_much(what: str, seconds: float, memory_bytes: int) -> BadInput:
    return BadInput(
        f"{what} takes more to read than it may",
        expected=f"{seconds:g} s and {memory_bytes / 1e9:g} GB at most",
        remedy="write it again: with less in one piece (row groups, rows), or as CSV or JSON Lines",
    )


def started_apart(module: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """``python -m MODULE FD``, which answers through the socket `FD`, and our end of it. It gets no secret and no file of ours."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            cwd="/",
            env=_bare_environment(),
        )
    return process, ours


def _bare_environment() -> dict[str, str]:
    """What a process needs to find our code, and nothing that only we should know."""
    search = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"PYTHONPATH": search, "ARROW_DEFAULT_MEMORY_POOL": "system"} | passed


def limit_memory(more: int) -> None:
    """From here on this process gets `more` bytes than it has, where the system can limit that."""
    with suppress(OSError, ValueError, AttributeError):
        told = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if told is not None:
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (int(told[1]) * 1024 + more, hard))


def limit_time(seconds: float, cores: int) -> None:
    """Of the processor, from here on: for a process whose parent was killed before it could end it."""
    used, (_, hard) = resource.getrusage(resource.RUSAGE_SELF), resource.getrlimit(resource.RLIMIT_CPU)
    most = int(used.ru_utime + used.ru_stime + seconds * cores) + _AFTER_ITS_TIME
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


def main() -> None:
    """Run the function that the command line names."""
    asked = json.load(sys.stdin)
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(module), name)
    limit_memory(asked["memory"])
    seconds = int(asked["seconds"]) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        said = {"value": function(*asked["arguments"])}
    except PickaxeError as error:
        said = {"error": error.as_dict()}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
