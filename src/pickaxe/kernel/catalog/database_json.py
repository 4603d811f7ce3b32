"""JSON that keeps what Python's has and the standard has not: NaN and infinities, which PostgreSQL refuses.

They are kept as ``{"$float": "nan"}``; everything else is spelt as ever.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, cast

_FLOAT = "$float"


def dumps(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_spelt(value), allow_nan=False)


def loads(text: str | bytes) -> Any:
    marked = _FLOAT.encode() in text if isinstance(text, bytes) else _FLOAT in text
    return json.loads(text, object_hook=_read) if marked else json.loads(text)


def _spelt(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(value)}
    if isinstance(value, Mapping):
        return {key: _spelt(item) for key, item in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, (list, tuple)):
        return [_spelt(item) for item in cast(list[Any], value)]
    return value


def _read(document: dict[str, Any]) -> Any:
    spelling = document.get(_FLOAT)
    return float(spelling) if len(document) == 1 and spelling in ("nan", "inf", "-inf") else document
