"""The repository's own files, for the tests that look at them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "pickaxe"


@cache
def tracked(*suffixes: str) -> list[Path]:
    """Files that git tracks, or would (new and not ignored), with one of `suffixes` (all without)."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    files = sorted({ROOT / name for name in listing.split("\0") if name})
    return [file for file in files if file.is_file() and (not suffixes or file.suffix in suffixes)]


def relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()
