"""Other Python processes that import what the tests import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pickaxe

SOURCE = Path(pickaxe.__file__).parents[1]


def python(code: str, *args: object, **options: Any) -> subprocess.Popen[str]:
    """Start `code` in a new interpreter; its standard output can be read line by line."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE), str(SOURCE.parent)]), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, **options)


def line(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints, without its end; empty when it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")
