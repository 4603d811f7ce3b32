"""The steps `divide` and `assemble`: which labels teach whom, and every row that a student learns from with who labelled it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.step import StepContext

if TYPE_CHECKING:
    import pyarrow as pa


AUDIT = "audit"


class DivideConfig(Config):
    """Nothing to decide: the audit's arm was drawn when the labels were asked for."""


def divide(ctx: StepContext, config: DivideConfig) -> None:
    """Split the input `gold` by its arm: `lessons` teach the teacher, the blind `audit` sample only ever judges it.

    Raises `BadInput` when there is no audit row, or nothing else.
    """
    import pyarrow.compute as pc

    gold = ctx.inputs["gold"].table()
    is_audit = pc.equal(gold["arm"], AUDIT)
    lessons, audit = gold.filter(pc.invert(is_audit)), gold.filter(is_audit)
    if not lessons.num_rows or not audit.num_rows:
        raise BadInput(
            "the labels cannot be divided",
            expected="some labels to learn from and some of the blind audit",
            got=f"{lessons.num_rows} and {audit.num_rows}",
            remedy="label more rows (people: raise the budget), or change audit_share under [label]",
        )
    ctx.save_table("lessons", lessons, kind="labels")
    ctx.save_table("audit", audit, kind="labels")


class AssembleConfig(Config):
    """Nothing to decide: a human label always goes before a model's."""


def assemble(ctx: StepContext, config: AssembleConfig) -> None:
    """Join the inputs `gold` (people) and `auto_labels` into one `training_set`.

    Columns: row_key, text, label, weight, origin ``human``|``model``, labelled_by list<string> (names, or the artifact id of the
    teacher), probs list<double> or null. A row that people labelled is never taken from a model.
    """
    import pyarrow as pa

    rows = {row["row_key"]: _human(row) for row in ctx.inputs["gold"].table().to_pylist()}
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
