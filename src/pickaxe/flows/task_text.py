"""TOML that somebody sent: the text of a task file, or lines of one."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from pickaxe.kernel.errors import BadInput

LONGEST = 100_000
_DEEPEST = 30
# The time to read a dotted key grows with the square of its parts, and nothing else in TOML takes that long.
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DOTTED = re.compile(rf"""(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{_DEEPEST}}}""")


def values_of(text: str, *, what: str, expected: str) -> dict[str, Any]:
    """The values. Raises `BadInput` for what is no TOML, and for keys and lists that are nested deeper than any task is."""
    if len(text) > LONGEST or _DOTTED.search(text):
        raise BadInput(f"{what} cannot be read", expected=f"at most {LONGEST} characters, and keys of {_DEEPEST} parts at most")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        said = "lists in lists" if isinstance(error, RecursionError) else str(error)
        raise BadInput(f"{what} cannot be read: {said}", expected=expected, got=f"{text!r:.100}") from None
