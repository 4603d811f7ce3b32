"""The step `assemble`: every row that a student learns from, with who labelled it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pickaxe.kernel.config import Config
from pickaxe.kernel.step import StepContext

if TYPE_CHECKING:
    import pyarrow as pa


class AssembleConfig(Config):
    """Nothing to decide: a human label always goes before a model's."""


def assemble(ctx: StepContext, config: AssembleConfig) -> None:
    """Join the inputs `gold` (people; several roles may start with ``gold``) and `auto_labels` into one `training_set`.

    Columns: row_key, text, label, weight, origin ``human``|``model``, labelled_by list<string> (names, or the artifact id of the
    teacher), probs list<double> or null. A row that people labelled is never taken from a model.
    """
    import pyarrow as pa

    rows: dict[str, dict[str, Any]] = {}
    for role in sorted(ctx.inputs):
        if role.startswith("gold"):
            for row in ctx.inputs[role].table().to_pylist():
                rows.setdefault(row["row_key"], _human(row))
    if "auto_labels" in ctx.inputs:
        for row in ctx.inputs["auto_labels"].table().to_pylist():
            rows.setdefault(row["row_key"], _by_model(row))
    ctx.save_table("training_set", pa.Table.from_pylist(list(rows.values()), schema=_schema()), kind="training")


def _human(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "row_key": row["row_key"],
        "text": row["text"],
        "label": row["label"],
        "weight": row["confidence"],
        "origin": "human",
        "labelled_by": row["annotators"],
        "probs": None,
    }


def _by_model(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "row_key": row["row_key"],
        "text": row["text"],
        "label": row["label"],
        "weight": row["confidence"],
        "origin": "model",
        "labelled_by": [row["labelled_by"]],
        "probs": row["probs"],
    }


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("row_key", pa.string()),
            ("text", pa.string()),
            ("label", pa.string()),
            ("weight", pa.float64()),
            ("origin", pa.string()),
            ("labelled_by", pa.list_(pa.string())),
            ("probs", pa.list_(pa.float64())),
        ]
    )
