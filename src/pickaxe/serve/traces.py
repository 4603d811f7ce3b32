"""Traces and feedback as tables, for the lake and for the steps that look for drift or learn from corrections."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING

from pickaxe.kernel.nouns import Event

if TYPE_CHECKING:
    import pyarrow as pa


def materialise_traces(
    events: Iterable[Event],
    *,
    timings: bool = False,
    only: Container[str] | None = None,
    positions: dict[str, int] | None = None,
) -> pa.Table:
    """One row per answered text, sorted by (trace_id, ord).

    Columns: trace_id string, endpoint string, artifact_id string, ord int32 (position in the trace, over all of its requests),
    text string, label string, confidence float64 (highest probability), probs list<float32> in the order of the model's classes.
    With `timings`: also seq int64, span_id string, at timestamp[us, UTC] and ms float64 of the whole request. They differ from run
    to run, so leave them out of what a cached step reads. Events of other kinds and failed answers are skipped.

    Args:
        only: columns that are read; the others hold nulls.
        positions: trace id -> texts of it that came before; kept up to date, for who comes with the events in several parts.
    """
    import pyarrow as pa

    next_ord = {} if positions is None else positions
    answers: list[tuple[Event, int, str, str, Sequence[float]]] = []
    for event in sorted((event for event in events if event.kind == "trace"), key=lambda event: event.seq):
        body = event.body
        for text, label, probs in zip(body["texts"], body["labels"], body["probs"], strict=False):
            position = next_ord.get(event.subject, 0)
            next_ord[event.subject] = position + 1
            answers.append((event, position, text, label, probs))
    answers.sort(key=lambda answer: (answer[0].subject, answer[1]))
    fields: list[tuple[str, pa.DataType, Callable[[Event, int, str, str, Sequence[float]], object]]] = [
        ("trace_id", pa.string(), lambda event, *_: event.subject),
        ("endpoint", pa.string(), lambda event, *_: event.body["endpoint"]),
        ("artifact_id", pa.string(), lambda event, *_: event.body["artifact_id"]),
        ("ord", pa.int32(), lambda _event, position, *_: position),
        ("text", pa.string(), lambda _event, _position, text, *_: text),
        ("label", pa.string(), lambda _event, _position, _text, label, _: label),
        ("confidence", pa.float64(), lambda *answer: max(answer[4])),
        ("probs", pa.list_(pa.float32()), lambda *answer: answer[4]),
    ]
    if timings:
        fields += [
            ("seq", pa.int64(), lambda event, *_: event.seq),
            ("span_id", pa.string(), lambda event, *_: event.body["span_id"]),
            ("at", pa.timestamp("us", tz="UTC"), lambda event, *_: event.at),
            ("ms", pa.float64(), lambda event, *_: event.body["ms"]),
        ]
    columns = [
        pa.array([value(*answer) for answer in answers] if only is None or name in only else [None] * len(answers), kind)
        for name, kind, value in fields
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema([(name, kind) for name, kind, _ in fields]))


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
