"""JSON Lines: one object a line. Values inside an object are reached by a path such as ``input[-1].content``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pickaxe.data.readers.base import Record, Reject, shown
from pickaxe.data.readers.lines import LineReader

MISSING = object()
_PART = re.compile(r"([^.\[\]]+)|\[(-?\d+)\]")


class JsonlReader:
    """Streams JSON Lines. A line that is not a JSON object is set aside; blank lines are counted."""

    format = "jsonl"
    delimiter = None

    def __init__(self, lines: LineReader) -> None:
        self.encoding = lines.encoding
        self.blank_lines = 0
        self._lines = lines

    def bytes_read(self) -> float:
        return self._lines.bytes

    def position(self) -> float:
        return self._lines.position()

    def records(self) -> Iterator[Record | Reject]:
        for line in self._lines:
            if line.problem:
                yield Reject(line.number, line.problem, shown(line.text.rstrip("\r\n")))
                continue
            if line.text.isspace():
                self.blank_lines += 1
                continue
            try:
                value = json.loads(line.text)
            except (ValueError, RecursionError) as error:
                yield Reject(line.number, "invalid JSON", shown(f"{_why(error)}: {line.text.rstrip()}"))
                continue
            if isinstance(value, dict):
                yield Record(line.number, value)
            else:
                yield Reject(line.number, "not a JSON object", shown(line.text.rstrip()))


def _why(error: Exception) -> str:
    return f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"


def reach(values: dict[str, Any], path: str) -> Any:
    """The value at `path` (a key, or keys and ``[index]`` joined by dots), or `MISSING`."""
    if path in values:
        return values[path]
    found: Any = values
    for key, index in _PART.findall(path):
        if key and isinstance(found, dict) and key in found:
            found = found[key]
        elif index and isinstance(found, list) and -len(found) <= int(index) < len(found):
            found = found[int(index)]
        else:
            return MISSING
    return found


def paths(values: dict[str, Any], *, depth: int = 3) -> list[str]:
    """Every path of an object that holds a string, number, boolean or null, to `depth` levels."""
    found: list[str] = []

    def walk(value: Any, prefix: str, left: int) -> None:
        if isinstance(value, dict) and left:
            for key, inner in value.items():
                walk(inner, f"{prefix}.{key}" if prefix else str(key), left - 1)
        elif isinstance(value, list) and left:
            for index, inner in enumerate(value[:5]):
                walk(inner, f"{prefix}[{index}]", left - 1)
        elif prefix and not isinstance(value, (dict, list)):
            found.append(prefix)

    walk(values, "", depth)
    return found
