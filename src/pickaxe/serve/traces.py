"""Traces and feedback as tables, for the lake and for the steps that look for drift or learn from corrections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pickaxe.kernel.nouns import Event

if TYPE_CHECKING:
    import pyarrow as pa


def materialise_traces(events: Iterable[Event], *, timings: bool = False) -> pa.Table:
    """One row per answered text, sorted by (trace_id, ord).

    Columns: trace_id string, endpoint string, artifact_id string, ord int32 (position in the trace, over all of its requests),
    text string, label string, confidence float64 (highest probability), probs list<float32> in the order of the model's classes.
    With `timings`: also seq int64, span_id string, at timestamp[us, UTC] and ms float64 of the whole request. They differ from run
    to run, so leave them out of what a cached step reads. Events of other kinds and failed answers are skipped.
    """
    import pyarrow as pa

    rows: list[dict[str, object]] = []
    next_ord: dict[str, int] = {}
    for event in sorted((event for event in events if event.kind == "trace"), key=lambda event: event.seq):
        body = event.body
        for text, label, probs in zip(body["texts"], body["labels"], body["probs"], strict=False):
            position = next_ord.get(event.subject, 0)
            next_ord[event.subject] = position + 1
            row: dict[str, object] = {
                "trace_id": event.subject,
                "endpoint": body["endpoint"],
                "artifact_id": body["artifact_id"],
                "ord": position,
                "text": text,
                "label": label,
                "confidence": max(probs),
                "probs": probs,
            }
            if timings:
                row |= {"seq": event.seq, "span_id": body["span_id"], "at": event.at, "ms": body["ms"]}
            rows.append(row)
    rows.sort(key=lambda row: (row["trace_id"], row["ord"]))
    fields = [
        ("trace_id", pa.string()),
        ("endpoint", pa.string()),
        ("artifact_id", pa.string()),
        ("ord", pa.int32()),
        ("text", pa.string()),
        ("label", pa.string()),
        ("confidence", pa.float64()),
        ("probs", pa.list_(pa.float32())),
    ]
    if timings:
        fields += [("seq", pa.int64()), ("span_id", pa.string()), ("at", pa.timestamp("us", tz="UTC")), ("ms", pa.float64())]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


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
