"""TOML that somebody wrote or sent: files of tasks, scenarios, claims and prices, or lines of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from pickaxe.kernel.errors import BadInput

LONGEST = 100_000
_DEEPEST = 30
# The time to read a dotted key grows with the square of its parts, and nothing else in TOML takes that long.
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DOTTED = re.compile(rf"""(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{_DEEPEST}}}""")


def values_of(text: str, *, what: str, expected: str) -> dict[str, Any]:
    """The values. Raises `BadInput` for what is no TOML, and for keys and lists that are nested deeper than anybody writes them."""
    if len(text) > LONGEST or _DOTTED.search(text):
        raise BadInput(f"{what} cannot be read", expected=f"at most {LONGEST} characters, and keys of {_DEEPEST} parts at most")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{what} cannot be read as TOML: {_said(error)}", expected=expected, got=f"{text!r:.100}") from None


def values_in(path: Path, *, expected: str, remedy: str = "check the path") -> dict[str, Any]:
    """The values of a file. Raises `BadInput` as `values_of` does, and for a file that cannot be read."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST + 1)  # one more than may be: what is too long is refused, not read
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not TOML: {error}", expected=expected) from None
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}", expected=expected, remedy=remedy) from None
    return values_of(text, what=str(path), expected=expected)


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "lists in lists"
    return str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a number has thousands of digits"
