"""The steps of the room: fine-tune a teacher, predict with any stored model."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.step import StepContext
from pickaxe.train.backends import encoder as encoder_format
from pickaxe.train.calibrate import FEWEST_ROWS, temperature
from pickaxe.train.config import PredictConfig, TeacherConfig
from pickaxe.train.finetune import FineTuning, validation_figures
from pickaxe.train.labelled import Labelled, read_labelled
from pickaxe.train.network import Network, build
from pickaxe.train.predicting import predict_in_chunks, predictions_table, require_texts

if TYPE_CHECKING:
    import numpy as np


def train_teacher(ctx: StepContext, config: TeacherConfig) -> None:
    """Fine-tune an encoder on people's labels.

    Inputs:
        gold: the labels (row_key, text, label and perhaps confidence), without the audit rows.
        encoder: a folder with config.json, model.safetensors and tokenizer.json.
        warm_start: optional, an earlier teacher whose weights are the start in place of the encoder's.

    Outputs: the model `teacher`, format "encoder"; JSON `training` with the figures of each epoch.

    Killed at any moment and started again, it ends with the same bytes.

    Raises:
        BadInput: the labels have fewer than two classes or lack one asked for, or the encoder's folder cannot be used.
    """
    labelled = read_labelled(
        ctx.inputs["gold"].table(),
        classes=config.classes,
        validation_share=config.validation_share,
        use_confidence=config.use_confidence,
    )
    warm = "warm_start" in ctx.inputs
    source = ctx.inputs["warm_start" if warm else "encoder"].path()
    network = _start(ctx, config, source, labelled, warm)
    set_threads(config.threads)
    epochs = min(config.warm_epochs if warm else config.epochs, max(1, config.max_texts // len(labelled.training)))
    ctx.log(
        f"{len(labelled.training)} labels to learn from, {len(labelled.validation)} held back, {len(labelled.classes)} classes, "
        f"at most {epochs} passes over {min(config.max_texts, len(labelled.training))} of them"
    )

    training = FineTuning(
        ctx, network, labelled, config, epochs=epochs, learning_rate=config.warm_learning_rate if warm else config.learning_rate
    )
    history = training.run()
    report = {"epochs": history, "labels": len(labelled.targets), **_calibration(ctx, training)}
    manifest = {
        "classes": list(labelled.classes),
        "pooling": config.pooling,
        "max_length": config.max_length,
        "temperature": report["temperature"],
    }
    encoder_format.save(ctx.scratch / "teacher", network, source, manifest)
    ctx.save_files("teacher", ctx.scratch / "teacher", kind="model", meta={"format": "encoder", "classes": manifest["classes"]})
    ctx.save_json("training", report, kind="report")


def predict(ctx: StepContext, config: PredictConfig) -> None:
    """Run a stored model over a table.

    Inputs:
        model: a model of any format.
        rows: a table with row_key and text.

    Outputs: table `predictions` (row_key, label, confidence, probs), one row per input row in the same order.

    Raises:
        BadInput: the table lacks a column or the model cannot be loaded.
    """
    rows = ctx.inputs["rows"].table()
    require_texts(rows)
    model = ctx.inputs["model"].predictor()
    set_threads(config.threads)
    started = time.monotonic()
    probs = predict_in_chunks(ctx, model, rows["text"].to_pylist(), config.chunk_size)
    table = predictions_table(rows["row_key"], probs, list(model.classes))
    ctx.log(f"{table.num_rows} texts in {time.monotonic() - started:.1f} s")
    ctx.save_table("predictions", table, kind="predictions", meta={"classes": list(model.classes)})


def set_threads(threads: int) -> None:
    """Fix the threads of this process's matrix products, in whichever libraries are loaded."""
    import numpy as np  # noqa: F401 - only what is loaded can be limited
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
    threadpool_limits(threads)


def _start(ctx: StepContext, config: TeacherConfig, source: Path, labelled: Labelled, warm: bool) -> Network:
    options: dict[str, Any] = {
        "pooling": config.pooling,
        "max_length": config.max_length,
        "dropout": config.dropout,
        "seed": ctx.seed,
    }
    if not warm:
        return build(source, len(labelled.classes), **options)
    network, same = encoder_format.load_network(source, labelled.classes, **options)
    ctx.log("starts from an earlier teacher" + ("" if same else ", with a new head because the classes differ"))
    return network


def _calibration(ctx: StepContext, training: FineTuning) -> dict[str, Any]:
    """Fit the temperature on the labels held back."""
    rows = training.labelled.validation
    if not len(rows):
        ctx.log("no labels were held back: the confidence is not calibrated", level="warning")
        return {"temperature": 1.0}
    targets = training.labelled.targets[rows]
    logits = training.network.scores([training.ids[row] for row in rows])
    found = temperature(logits, targets)
    if len(targets) < FEWEST_ROWS:
        ctx.log(f"{len(targets)} labels held back are too few to calibrate the confidence", level="warning")
    after: np.ndarray = logits / found
    ctx.metric("temperature", found)
    return {"temperature": found, "before": validation_figures(logits, targets), "after": validation_figures(after, targets)}
