"""The labelling stage: simulated annotators, labels that the file has, or people at the terminal; feedback joins in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pydantic import Field

from pickaxe.data.label.config import AdjudicateConfig
from pickaxe.data.label.rows import AnnotationRow, from_table, to_table
from pickaxe.data.label.service import adjudicate, label
from pickaxe.flows.line import Line
from pickaxe.flows.people import ask_people
from pickaxe.flows.task import Task, overridden
from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.human import KIND
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.step import StepContext

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "file"


def label_pool(
    line: Line, task: Task, pool: Artifact, annotations: Artifact | None, feedback: Artifact | None
) -> dict[str, Artifact]:
    """Ask whoever the task names, and return `annotations`, `gold` and the report `labelling`.

    `annotations` are the answers of earlier rounds, `feedback` the corrections from production since.
    """
    known = _gathered(line, annotations, feedback)
    inputs = {"pool": pool, **known}
    if annotations is not None:
        task = task.model_copy(update={"label": overridden_budget(task)})
    if task.annotators == "simulated":
        inputs |= line.stage("label", label, task.label, inputs, counts="annotations", cores=1).outputs
    elif task.annotators == "file":
        found = line.stage(
            "label", read_labels, ReadLabelsConfig(audit_share=task.label.audit_share), inputs, counts="annotations", cores=1
        )
        inputs["annotations"] = found["annotations"]
    else:
        inputs["annotations"] = ask_people(line, task, inputs)
    if task.without and line.round == task.rounds:
        _refuse_strangers(line, task, inputs["annotations"])
    told = AdjudicateConfig(classes=task.label.classes, without=task.without)
    judged = line.stage("adjudicate", adjudicate, told, inputs, counts="gold", cores=1)
    return {**judged.outputs, "annotations": inputs["annotations"]}


def _refuse_strangers(line: Line, task: Task, annotations: Artifact) -> None:
    """Raise `BadInput` for a name in `without` under which nobody ever answered: a slip would leave nothing out."""
    answers = line.workspace.read_table(annotations, ["row_key", "annotator"])
    people = set(answers["annotator"].to_pylist())
    if strange := sorted(set(task.without) - people - set(answers["row_key"].to_pylist())):
        raise BadInput(
            f"{task.name}: there is no answer of {', '.join(strange)} to leave out",
            expected=f"row keys, or people among {', '.join(sorted(people)[:20])}",
            remedy="check the spelling",
        )


def overridden_budget(task: Task) -> Config:
    """The budget of a further round."""
    return overridden(task, label=task.label.model_dump() | {"max_labels": task.more_labels, "rounds": 2}).label


def _gathered(line: Line, annotations: Artifact | None, feedback: Artifact | None) -> dict[str, Artifact]:
    """What is known before anybody is asked, as the labelling steps expect it: `annotations`, and `texts` from outside the pool."""
    if feedback is None:
        return {"annotations": annotations} if annotations is not None else {}
    given = {"feedback": feedback, **({"annotations": annotations} if annotations is not None else {})}
    return dict(line.stage("feedback", join_feedback, JoinConfig(), given, counts="texts", cores=1).outputs)


class JoinConfig(Config):
    """Nothing to decide."""


def join_feedback(ctx: StepContext, config: JoinConfig) -> None:
    """Append the input `feedback` to the input `annotations`; save both as `annotations`, and its texts as `texts`."""
    feedback = ctx.inputs["feedback"].table()
    earlier = from_table(ctx.inputs["annotations"].table()) if "annotations" in ctx.inputs else []
    fields = [name for name in AnnotationRow._fields if name != "note"]
    told = [AnnotationRow(*(row[name] for name in fields)) for row in feedback.to_pylist()]
    ctx.save_table("annotations", to_table([*earlier, *told]), kind=KIND)
    ctx.save_table("texts", _once(feedback.select(["row_key", "text"])))


class ReadLabelsConfig(Config):
    """How labels that came with the data are used."""

    audit_share: float = Field(0.2, gt=0, lt=1, description="share set apart as the blind audit sample")


def read_labels(ctx: StepContext, config: ReadLabelsConfig) -> None:
    """Take the labels of the input `pool` as answers of the annotator ``file``, at no cost of time; a uniform share is the audit.

    Raises `BadInput` when no row has a label.
    """
    rows = [row for row in ctx.inputs["pool"].table().to_pylist() if row["label"] is not None]
    if not rows:
        raise BadInput(
            "no row of the pool has a label", expected="labels in the label column", remedy="name the column, or let people label"
        )
    answers = [
        AnnotationRow(
            row["row_key"],
            FILE,
            row["label"],
            0.0,
            0,
            "audit" if _share(row["row_key"]) < config.audit_share else "random",
            False,
        )
        for row in rows
    ]
    earlier = from_table(ctx.inputs["annotations"].table()) if "annotations" in ctx.inputs else []
    had = {(row.row_key, row.annotator) for row in earlier}
    ctx.save_table("annotations", to_table([*earlier, *(row for row in answers if row[:2] not in had)]), kind=KIND)


def labelled_test(line: Line, task: Task, test: Artifact, profile: Artifact) -> Artifact:
    """The frozen test split without the rows that came without a label: no verdict can rest on those.

    The `profile` of the file says whether there are any, so that a line served from the cache opens no table.
    """
    if not line.workspace.read_json(profile)["unlabelled"]:
        return test
    scope = f"{task.name}/test"
    done = line.stage(
        "test-sample", keep_labelled, KeepLabelledConfig(), {"rows": test}, counts="test_sample", scope=scope, cores=1
    )
    return done["test_sample"]


class KeepLabelledConfig(Config):
    """Nothing to decide."""


def keep_labelled(ctx: StepContext, config: KeepLabelledConfig) -> None:
    """Those of the input `rows` that have a label, as `test_sample`. Raises `BadInput` when there is none."""
    import pyarrow.compute as pc

    rows = ctx.inputs["rows"].table()
    kept = rows.filter(pc.is_valid(rows["label"]))
    if not kept.num_rows:
        raise BadInput(
            f"none of the {rows.num_rows} rows of the test split has a label",
            expected="labels in the label column, spread over the whole file",
            remedy="name the right column, label more rows, or let people label (leave --label out, or set annotators to people)",
        )
    ctx.save_table("test_sample", kept)


def _share(row_key: str) -> float:
    """Uniform in [0, 1), from the key alone."""
    return int.from_bytes(hashlib.blake2b(f"audit:{row_key}".encode(), digest_size=8).digest(), "big") / 2**64


def _once(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    rows = {row["row_key"]: row for row in table.to_pylist()}
    return pa.Table.from_pylist(list(rows.values()), schema=table.schema)
