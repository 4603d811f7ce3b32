"""Traces and feedback as tables for SQL."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pickaxe.kernel.catalog.database_json import loads
from pickaxe.kernel.nouns import Event

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_KEPT_IN = {
    "artifact_id": "artifact_id",
    "span_id": "span_id",
    "text": "texts",
    "label": "labels",
    "confidence": "probs",
    "probs": "probs",
}
"""column -> where a trace's document has it; the others are beside the document"""


class Answered(Protocol):
    """A trace as the log gives it: `name` is the endpoint, `value` its milliseconds, `body` a JSON text."""

    @property
    def seq(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def subject(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> float | None: ...
    @property
    def body(self) -> str: ...


def trace_schema() -> pa.Schema:
    """trace_id, endpoint, artifact_id, ord (position in the trace, over all of its requests), text, label, confidence (highest
    probability), probs (in the order of the model's classes), seq, span_id, at, ms (of the whole request)."""
    import pyarrow as pa

    texts = {name: pa.string() for name in ("trace_id", "endpoint", "artifact_id")}
    answers = {
        "ord": pa.int32(),
        "text": pa.string(),
        "label": pa.string(),
        "confidence": pa.float64(),
        "probs": pa.list_(pa.float32()),
    }
    of_request = {"seq": pa.int64(), "span_id": pa.string(), "at": pa.timestamp("us", tz="UTC"), "ms": pa.float64()}
    return pa.schema(list((texts | answers | of_request).items()))


def trace_rows(traces: Sequence[Answered], columns: Container[str], positions: dict[str, int]) -> pa.Table:
    """One row per answered text, in the order of the traces; of `trace_schema` the `columns`, or ``seq``. Failed answers have none.

    Documents are read as a whole by Arrow, and of each only what a column needs: there may be millions.

    Args:
        positions: trace id -> texts of it that came before; kept up to date when ``ord`` is wanted.
    """
    import numpy as np
    import pyarrow as pa

    schema = trace_schema()
    schema = pa.schema([field for field in schema if field.name in columns] or [schema.field("seq")])
    documents = _documents(
        [trace.body for trace in traces], {"labels", *(_KEPT_IN[name] for name in schema.names if name in _KEPT_IN)}
    )
    counts = _lengths(documents["labels"])
    trace = np.repeat(np.arange(len(traces)), counts)
    place = np.arange(len(trace)) - np.repeat(np.cumsum(counts) - counts, counts)

    def column(name: str) -> Any:
        match name:
            case "trace_id":
                return pa.array([one.subject for one in traces], pa.string()).take(pa.array(trace))
            case "endpoint":
                return pa.array([one.name for one in traces], pa.string()).take(pa.array(trace))
            case "seq":
                return np.array([one.seq for one in traces], dtype=np.int64)[trace]
            case "at":
                return np.array([one.at_ns // 1000 for one in traces], dtype=np.int64)[trace]
            case "ms":
                return pa.array([one.value for one in traces], pa.float64()).take(pa.array(trace))
            case "ord":
                return _numbered(traces, counts, positions)[trace] + place
            case "artifact_id" | "span_id":
                return documents[name].take(pa.array(trace))
            case _:
                values = _element(documents[_KEPT_IN[name]], trace, place)
                return _largest(values) if name == "confidence" else values

    return pa.table([pa.array(column(field.name)).cast(field.type) for field in schema], schema=schema)


def _documents(bodies: Sequence[str], wanted: Container[str]) -> Mapping[str, Any]:
    """The wanted fields of JSON objects, an array each."""
    import pyarrow as pa
    import pyarrow.json

    kinds: dict[str, pa.DataType] = {"artifact_id": pa.string(), "span_id": pa.string()}
    kinds |= {"texts": pa.list_(pa.string()), "labels": pa.list_(pa.string()), "probs": pa.list_(pa.list_(pa.float64()))}
    schema = pa.schema([(name, kind) for name, kind in kinds.items() if name in wanted])
    lines = "\n".join(bodies).encode()
    try:
        found = pyarrow.json.read_json(
            pa.BufferReader(lines),
            pyarrow.json.ReadOptions(use_threads=False, block_size=max(len(lines), 1) + 1),
            pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except pa.ArrowInvalid:  # numbers that JSON has not, or half a surrogate
        found = pa.Table.from_pylist([loads(body) for body in bodies], schema=schema)
    return {name: found[name].combine_chunks() for name in schema.names}


def _lengths(lists: Any) -> np.ndarray:
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its functions are made at import time, where no type checker sees them
    return compute.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)


def _element(lists: Any, which: np.ndarray, place: np.ndarray) -> Any:
    """Of the list `which` the value at `place`; null where a list is shorter."""
    import numpy as np
    import pyarrow as pa

    lengths = _lengths(lists)
    starts = np.cumsum(lengths) - lengths
    return lists.flatten().take(pa.array(starts[which] + place, mask=place >= lengths[which]))


def _largest(lists: Any) -> Any:
    """The largest number of each list; null where there is none."""
    import numpy as np
    import pyarrow as pa

    lengths = _lengths(lists)
    found = np.zeros(len(lengths))
    some = lengths > 0
    if some.any():
        found[some] = np.maximum.reduceat(lists.flatten().to_numpy(zero_copy_only=False), (np.cumsum(lengths) - lengths)[some])
    return pa.array(found, mask=~some)


def _numbered(traces: Sequence[Answered], counts: np.ndarray, positions: dict[str, int]) -> np.ndarray:
    """The position of each trace's first text."""
    import numpy as np

    found = np.zeros(len(traces), dtype=np.int64)
    for index, (one, count) in enumerate(zip(traces, counts.tolist(), strict=True)):
        found[index] = positions.get(one.subject, 0)
        positions[one.subject] = int(found[index]) + count
    return found


def materialise_feedback(events: Iterable[Event]) -> pa.Table:
    """One row per feedback, oldest first.

    Columns: trace_id, endpoint, artifact_id, index int32 (of the text in its request), text, predicted (string, null when the
    model had failed), label, by, comment (string or null).
    """
    import pyarrow as pa

    rows = [
        {
            "trace_id": event.subject,
            "endpoint": event.body["endpoint"],
            "artifact_id": event.body["artifact_id"],
            "index": event.body["index"],
            "text": event.body["text"],
            "predicted": event.body["predicted"],
            "label": event.body["label"],
            "by": event.body["by"],
            "comment": event.body.get("comment"),
        }
        for event in sorted((event for event in events if event.kind == "feedback"), key=lambda event: event.seq)
    ]
    names = ("trace_id", "endpoint", "artifact_id", "index", "text", "predicted", "label", "by", "comment")
    return pa.Table.from_pylist(
        rows, schema=pa.schema([(name, pa.int32() if name == "index" else pa.string()) for name in names])
    )
