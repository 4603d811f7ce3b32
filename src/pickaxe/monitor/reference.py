"""Held-out in-distribution data, kept as numbers, for traffic to be compared with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import BadInput
from pickaxe.monitor.config import ReferenceConfig
from pickaxe.monitor.features import Vocabulary, features

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from pickaxe.kernel.step import StepContext

FORMAT = "drift-reference-1"
SMALLEST = 50


@dataclass(frozen=True)
class Window:
    """Consecutive requests: texts and, where known, what the model answered."""

    texts: Sequence[str]
    labels: Sequence[str] | None = None
    confidence: Sequence[float] | None = None


@dataclass(frozen=True)
class Reference:
    """Held-out in-distribution data, as numbers: no text and no word is kept.

    Attributes:
        length, unknown, surprise: shape (m,); vectors: shape (m, d); confidence: shape (m,) or None;
        labels: m predicted classes, or None.
    """

    vocabulary: Vocabulary
    length: np.ndarray
    unknown: np.ndarray
    surprise: np.ndarray
    vectors: np.ndarray
    confidence: np.ndarray | None = None
    labels: Sequence[str] | None = None

    @classmethod
    def of(cls, vocabulary: Vocabulary, window: Window) -> Reference:
        import numpy as np

        seen = features(window.texts, vocabulary)
        confidence = None if window.confidence is None else np.asarray(window.confidence, dtype=float)
        return cls(vocabulary, seen.length, seen.unknown, seen.surprise, seen.vectors, confidence, window.labels)

    def save(self, folder: Path) -> None:
        """Write `reference.json` and `reference.safetensors` into `folder`."""
        import numpy as np
        from safetensors.numpy import save_file

        arrays = {
            "hashes": self.vocabulary.hashes, "counts": self.vocabulary.counts, "idf": self.vocabulary.idf,
            "length": self.length, "unknown": self.unknown, "surprise": self.surprise, "vectors": self.vectors,
        }  # fmt: skip
        if self.confidence is not None:
            arrays["confidence"] = self.confidence
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / "reference.safetensors")
        document = {"format": FORMAT, "labels": None if self.labels is None else list(self.labels)}
        (folder / "reference.json").write_text(json.dumps(document), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Reference:
        """Read what `save` wrote; raises `BadInput` when the folder holds something else."""
        from safetensors.numpy import load_file

        manifest = folder / "reference.json"
        document: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
        if document.get("format") != FORMAT:
            raise BadInput("this is not a drift reference", expected=f"reference.json with format {FORMAT}",
                           got=str(document.get("format")), remedy="make one with fit_drift_reference")  # fmt: skip
        arrays = load_file(folder / "reference.safetensors")
        vocabulary = Vocabulary(arrays.pop("hashes"), arrays.pop("counts"), arrays.pop("idf"))
        return cls(vocabulary, **arrays, labels=document["labels"])


def fit_drift_reference(ctx: StepContext, config: ReferenceConfig) -> None:
    """Keep what drift tests need of held-out data.

    Inputs:
        rows: held-out rows (row_key, text) that are like the traffic to be expected and were not trained on.
        predictions: optional, the served model on those rows (row_key, label, confidence); or
        model: optional, the model itself. Without either, confidences and classes are not watched.
        train: optional, rows whose texts teach the vocabulary; without it a part of `rows` does and is then no reference. Neither
            `rows` nor the traffic may be among them: texts that taught the vocabulary look more familiar than new ones.

    Output: files `drift_reference`, see `Reference`.

    Raises:
        BadInput: fewer than 50 reference rows, or a predictions table that lacks some.
    """
    import numpy as np

    rows = ctx.inputs["rows"].table().select(["row_key", "text"])
    order = np.random.default_rng(ctx.seed).permutation(rows.num_rows)
    if "train" in ctx.inputs:
        teaching = ctx.inputs["train"].table()["text"].to_pylist()
    else:
        taught = int(config.vocabulary_share * rows.num_rows)
        teaching, order = rows["text"].take(order[:taught]).to_pylist(), order[taught:]
    kept = rows.take(np.sort(order[: config.rows]))
    if kept.num_rows < SMALLEST:
        raise BadInput("too few held-out rows for a drift reference", expected=f"at least {SMALLEST} after the vocabulary's part",
                       got=str(kept.num_rows), remedy="hold out more rows, or give training rows for the vocabulary")  # fmt: skip

    ctx.progress(0.2, 1, "vocabulary")
    vocabulary = Vocabulary.learn(teaching, config.dimensions)
    ctx.progress(0.5, 1, "reference")
    labels, confidence = _answers(ctx, kept)
    reference = Reference.of(vocabulary, Window(kept["text"].to_pylist(), labels, confidence))
    reference.save(ctx.scratch)
    ctx.save_files(
        "drift_reference", ctx.scratch, kind="reference", meta={"rows": kept.num_rows, "words": len(vocabulary.hashes)}
    )


def _answers(ctx: StepContext, kept: pa.Table) -> tuple[list[str] | None, list[float] | None]:
    if "predictions" in ctx.inputs:
        table = ctx.inputs["predictions"].table()
        said = dict(
            zip(
                table["row_key"].to_pylist(),
                zip(table["label"].to_pylist(), table["confidence"].to_pylist(), strict=True),
                strict=True,
            )
        )
        missing = [key for key in kept["row_key"].to_pylist() if key not in said]
        if missing:
            raise BadInput(f"predictions lacks {len(missing)} of the held-out rows", expected="every row_key", got=f"without {missing[0]}",
                           remedy="predict on the same rows")  # fmt: skip
        answers = [said[key] for key in kept["row_key"].to_pylist()]
        return [label for label, _ in answers], [confidence for _, confidence in answers]
    if "model" in ctx.inputs:
        model = ctx.inputs["model"].predictor()
        probs = model.predict_proba(kept["text"].to_pylist())
        return [str(model.classes[index]) for index in probs.argmax(1)], probs.max(1).astype(float).tolist()
    return None, None
