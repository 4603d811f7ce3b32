"""Feedback from production as rows to learn from."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from pickaxe.data.label.rows import annotations_schema
from pickaxe.data.schemas import text_key
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

SIMULATED = "simulated-"


def collect_feedback(workspace: Workspace, endpoint: str, before_round: int, models: Collection[str]) -> Artifact | None:
    """Every correction of an answer that one of `models` (artifact ids) gave behind `endpoint`, with texts; None without any.

    What people say about a model is for the rounds after it: a round that is called again finds what it found the first time.

    Columns: row_key, text, annotator, label, seconds (0: nobody measured it), round, arm ``feedback``, simulated. The latest
    opinion of a person on a text holds. Rows are sorted by key, so that the same feedback has the same digest.
    """
    import pyarrow as pa

    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for event in workspace.log.each("feedback"):
        body = event.body
        if body["endpoint"] != endpoint or body["artifact_id"] not in models:
            continue
        key = text_key(body["text"])
        latest[key, body["by"]] = {
            "row_key": key,
            "text": body["text"],
            "annotator": body["by"],
            "label": body["label"],
            "seconds": 0.0,
            "round": before_round,
            "arm": "feedback",
            "simulated": body["by"].startswith(SIMULATED),
        }
    if not latest:
        return None
    rows = [latest[key] for key in sorted(latest)]
    return workspace.import_table(pa.Table.from_pylist(rows, schema=_schema()), f"{endpoint}/feedback", kind="feedback")


def _schema() -> pa.Schema:
    """An annotation with its text, which may be of nobody's pool."""
    import pyarrow as pa

    return annotations_schema().insert(1, pa.field("text", pa.string()))
