"""Tables on the wire: Arrow IPC streams for programs, plain JSON for everybody else."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import StreamingResponse

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.tables.arrow import python_values

if TYPE_CHECKING:
    import pyarrow as pa

MEDIA = "application/vnd.apache.arrow.stream"
_BATCH_ROWS = 64_000
_DEEPEST = 50


def wants_arrow(request: Request) -> bool:
    return MEDIA in request.headers.get("accept", "")


def arrow_reply(table: pa.Table) -> StreamingResponse:
    """The table as an Arrow IPC stream, batch by batch: a slow client holds one batch, not a second copy."""
    return StreamingResponse(_batches(table), media_type=MEDIA)


def _batches(table: pa.Table) -> Iterator[bytes]:
    import pyarrow as pa

    sink = _Sink()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """Keeps what is written until somebody takes it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def json_rows(table: pa.Table) -> list[list[Any]]:
    """Rows as JSON values: bytes in base64, numbers that JSON has not (NaN, infinities) as null."""
    columns = [[_plain(value) for value in python_values(column)] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)] if columns else []


def _plain(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value if not isinstance(value, int) or -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if depth == _DEEPEST:
        raise BadInput("a value is nested too deeply to be written as JSON", expected=f"at most {_DEEPEST} levels")
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
