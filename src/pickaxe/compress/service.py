"""The steps of the room: search for a student, train a given one, export a teacher."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.compress import export as exporting
from pickaxe.compress.calibrate import set_temperature, temperature
from pickaxe.compress.candidates import SETTINGS, Candidate, Workshop
from pickaxe.compress.config import ExportConfig, OnnxSettings, StudentConfig, TargetConfig, TrainStudentConfig
from pickaxe.compress.search import choose, people_alone, try_all
from pickaxe.compress.targets import (
    Held,
    Targets,
    balanced,
    class_shares,
    find_classes,
    hold_back,
    human_targets,
    label_indices,
    model_targets,
    require,
)
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.step import StepContext

if TYPE_CHECKING:
    import pyarrow as pa


def search_students(ctx: StepContext, config: StudentConfig) -> None:
    """Try small models taught by people and by the teacher; keep the best under the latency budget and say why.

    Inputs:
        gold: people's labels (row_key, text, label, and perhaps confidence and arm).
        auto_labels: optional or empty, the teacher's accepted labels (row_key, text, label, probs).
        validation: optional, labelled rows (row_key, text, label) to choose by; never the test set. Without it some of the
            people's labels are held back for the choice, those drawn at random first; the chosen student then learns from them too.
        teacher: optional, the encoder that static and onnx students come from.

    Outputs: the model `student`; JSON `search` with every candidate, the choice and its reason. Latencies are told as metrics.

    Raises:
        BadInput: fewer than two classes, labels that do not fit the classes, or every candidate was cut.
    """
    import numpy as np

    gold, auto = ctx.inputs["gold"].table(), _auto_labels(ctx)
    classes = find_classes(ctx, gold, auto)
    learn, held = _split(ctx, gold, classes, config)
    set_threads(config.threads)
    _warn_of_no_auto_labels(ctx, auto)

    human = human_targets(learn, classes, config)
    taught = _taught(auto, classes, gold, learn, config, held.rows)
    returned = human_targets(held.rows, classes, config) if held.borrowed else _nothing(len(classes))
    targets = human + taught + returned
    workshop = Workshop(ctx, targets, _teacher(ctx))
    learning = np.arange(len(targets.texts) - len(returned.texts))
    trials = try_all(ctx, config, workshop, learning, held, classes)
    chosen, why = choose(trials)
    ctx.log(why)
    alone = people_alone(ctx, workshop, chosen, learning[: len(human.texts)], held, classes) if taught.texts else None
    rows = np.arange(len(targets.texts))
    if alone and alone["better"]:
        ctx.log("people's labels alone taught the student as well or better: the automatic labels are left out", level="warning")
        rows = np.delete(rows, np.arange(len(human.texts), len(human.texts) + len(taught.texts)))

    ctx.progress(len(trials), len(trials) + 1, f"the student: {chosen.candidate.name}")
    folder = workshop.make(chosen.candidate, rows, classes, ctx.scratch / "student")
    assert chosen.probs is not None
    found = temperature(chosen.probs, held.labels)
    set_temperature(folder, found)
    ctx.metric("temperature", found)
    ctx.save_files("student", folder, kind="model", meta={"format": chosen.candidate.family, "classes": list(classes)})
    ctx.save_json(
        "search",
        {
            "classes": list(classes),
            "chosen": {"family": chosen.candidate.family, "settings": chosen.candidate.settings.model_dump(mode="json")},
            "why": why,
            "validation": held.how,
            "validation_rows": len(held.texts),
            "rows": {"human": learn.num_rows + len(returned.texts), "model": len(rows) - learn.num_rows - len(returned.texts)},
            "people_alone": alone,
            "temperature": found,
            "latency_budget_ms": config.latency_ms,
            "candidates": [trial.as_dict() | {"chosen": trial is chosen} for trial in trials],
        },
        kind="report",
    )


def train_student(ctx: StepContext, config: TrainStudentConfig) -> None:
    """Train one student with given settings: those a search chose, or those in the config.

    Given `gold` alone it makes the baseline that shows what the automatic labels are worth.

    Inputs:
        gold: people's labels (row_key, text, label and perhaps confidence).
        search: optional, the search whose choice is repeated; needed unless the config names a family.
        auto_labels: optional, the teacher's accepted labels.
        teacher: needed for the families static and onnx; for static a folder with a pretrained encoder will do.

    Outputs: the model `baseline`.

    Raises:
        BadInput: neither the config nor a search says what to train, or the labels do not fit.
    """
    import numpy as np

    gold, auto = ctx.inputs["gold"].table(), _auto_labels(ctx)
    candidate = _asked(ctx, config)
    classes = ctx.inputs["search"].json()["classes"] if "search" in ctx.inputs else find_classes(ctx, gold, auto)
    set_threads(config.threads)
    targets = human_targets(gold, classes, config)
    targets += _taught(auto, classes, gold, gold, config)
    ctx.progress(0, 1, candidate.name)
    folder = Workshop(ctx, targets, _teacher(ctx)).make(
        candidate, np.arange(len(targets.texts)), classes, ctx.scratch / "baseline"
    )
    ctx.save_files("baseline", folder, kind="model", meta={"format": candidate.family, "classes": list(classes)})
    ctx.progress(1, 1, candidate.name)


def export_onnx(ctx: StepContext, config: ExportConfig) -> None:
    """Export a fine-tuned encoder to ONNX, by default with weights in 8 bits.

    Inputs: `teacher`, a model of format "encoder". Outputs: the model `onnx`.

    Raises:
        BadInput: the model is no fine-tuned encoder.
        Unavailable: the exporter is not installed.
    """
    scratch = ctx.scratch / "export"
    scratch.mkdir(parents=True, exist_ok=True)
    ctx.progress(0, 1, "exporting")
    exporting.export(ctx.inputs["teacher"].path(), ctx.scratch / "onnx", scratch, OnnxSettings(precision=config.precision))
    ctx.save_files("onnx", ctx.scratch / "onnx", kind="model", meta={"format": "onnx", "precision": config.precision})
    ctx.progress(1, 1, "exported")


def set_threads(threads: int) -> None:
    """Fix the threads of this process's matrix products, in whichever libraries are loaded."""
    import numpy as np  # noqa: F401 - only what is loaded can be limited
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
    threadpool_limits(threads)


def _split(ctx: StepContext, gold: pa.Table, classes: list[str], config: StudentConfig) -> tuple[pa.Table, Held]:
    """People's labels to learn from, and the rows to choose by."""
    if "validation" not in ctx.inputs:
        learn, table, how = hold_back(gold, config.validation_share)
        return learn, Held(table, label_indices(table, classes), how, borrowed=True)
    table = ctx.inputs["validation"].table()
    require(table, ("row_key", "text", "label"), "validation")
    if not table.num_rows:
        raise BadInput("the validation table is empty", expected="labelled rows", remedy="leave it out or fill it")
    how = f"a table of {table.num_rows} labelled rows that no student learned from"
    return _without(gold, table), Held(table, label_indices(table, classes), how, borrowed=False)


def _auto_labels(ctx: StepContext) -> pa.Table | None:
    if "auto_labels" not in ctx.inputs:
        return None
    table = ctx.inputs["auto_labels"].table()
    return table if table.num_rows else None


def _taught(
    auto: pa.Table | None, classes: list[str], gold: pa.Table, learn: pa.Table, config: TargetConfig, *others: pa.Table
) -> Targets:
    """The teacher's labels of rows that no person labelled, balanced against the people's labels in `learn`."""
    if auto is None:
        return _nothing(len(classes))
    taught = model_targets(_without(auto, gold, *others), classes)
    return balanced(taught, human_targets(learn, classes, config), class_shares(gold, classes)) if taught.texts else taught


def _warn_of_no_auto_labels(ctx: StepContext, auto: pa.Table | None) -> None:
    if auto is None:
        ctx.log("there are no automatic labels: the student learns from people's labels alone", level="warning")


def _without(table: pa.Table, *others: pa.Table) -> pa.Table:
    """Rows of `table` whose key is in none of the others: a person's label goes before a model's, and choosing is not learning."""
    import pyarrow as pa

    taken = {key for other in others for key in other["row_key"].to_pylist()}
    keep = [row for row, key in enumerate(table["row_key"].to_pylist()) if key not in taken]
    return table.take(pa.array(keep, pa.int64()))


def _nothing(classes: int) -> Targets:
    import numpy as np

    return Targets([], np.zeros((0, classes)), np.zeros(0))


def _teacher(ctx: StepContext) -> Path | None:
    return ctx.inputs["teacher"].path() if "teacher" in ctx.inputs else None


def _asked(ctx: StepContext, config: TrainStudentConfig) -> Candidate:
    if config.family:
        chosen: dict[str, Any] = {"family": config.family, "settings": config.settings}
    elif "search" in ctx.inputs:
        chosen = ctx.inputs["search"].json()["chosen"]
    else:
        raise BadInput("it is not said what to train", expected="a family in the config, or an input `search`", remedy="give one")
    return Candidate(chosen["family"], SETTINGS[chosen["family"]].parse(chosen["settings"], where="settings"))
