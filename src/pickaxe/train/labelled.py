"""Adjudicated labels, ready to be learned from."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Labelled:
    """Texts with their labels, and which of them are held back.

    Attributes:
        targets: index into `classes`, int64, shape (n,).
        weights: one per text, float32, mean 1.
        training, validation: indices of the rows, disjoint, together all of them.
    """

    texts: list[str]
    targets: np.ndarray
    weights: np.ndarray
    classes: tuple[str, ...]
    training: np.ndarray
    validation: np.ndarray


def read_labelled(gold: pa.Table, *, classes: tuple[str, ...] | None, validation_share: float, use_confidence: bool) -> Labelled:
    """Rows of `gold` in the order of their keys, split by a hash of the key within each class.

    Raises `BadInput` for no rows, a row without a label, fewer than two classes, a class without rows or an unknown label.
    """
    import numpy as np

    _require_columns(gold)
    gold = gold.sort_by("row_key")
    labels = gold["label"].to_pylist()
    _require_labels(labels, gold["row_key"].to_pylist())
    found = _classes(labels, classes)
    validation = _held_back(gold["row_key"].to_pylist(), labels, validation_share)
    place = {name: index for index, name in enumerate(found)}
    everything = np.arange(len(labels))
    return Labelled(
        texts=gold["text"].to_pylist(),
        targets=np.array([place[label] for label in labels], dtype=np.int64),
        weights=_weights(gold, use_confidence),
        classes=found,
        training=everything[~validation],
        validation=everything[validation],
    )


def _require_columns(gold: pa.Table) -> None:
    missing = [name for name in ("row_key", "text", "label") if name not in gold.column_names]
    if missing:
        raise BadInput(
            f"the labels lack the column(s) {', '.join(missing)}",
            expected="columns row_key, text, label and perhaps confidence",
            got=f"columns {', '.join(gold.column_names)}",
            remedy="hand over the table of adjudicated labels, unchanged",
        )


def _require_labels(labels: list[str | None], keys: list[str]) -> None:
    if not labels:
        raise BadInput(
            "there are no labels to learn from", expected="rows with labels", got="an empty table", remedy="label some"
        )
    without = [key for key, label in zip(keys, labels, strict=True) if label is None]
    if without:
        raise BadInput(
            f"{len(without)} rows have no label",
            expected="a label in every row",
            got=f"none in {', '.join(without[:5])}",
            remedy="label these rows or leave them out",
        )


def _classes(labels: list[str], asked: tuple[str, ...] | None) -> tuple[str, ...]:
    counts = Counter(labels)
    if len(counts) < 2:
        raise BadInput(
            "there is nothing to tell apart: all labels are the same",
            expected="labels of at least two classes",
            got=f"{len(labels)} labels, all {next(iter(counts))!r}",
            remedy="label more rows, drawn at random, until a second class turns up; or check the label column",
        )
    if asked is None:
        return tuple(sorted(counts))
    unknown = sorted(set(counts) - set(asked))
    if unknown:
        raise BadInput(
            f"labels of unknown classes: {', '.join(unknown)}",
            expected=f"the classes {', '.join(asked)}",
            remedy="correct these labels or name their classes in the config",
        )
    empty = [name for name in asked if not counts[name]]
    if empty:
        raise BadInput(
            f"no row is labelled {', '.join(empty)}",
            expected="at least one label of every class",
            got=", ".join(f"{name}: {counts[name]}" for name in asked),
            remedy="label rows of the missing classes, or leave these classes out of the config",
        )
    return tuple(asked)


def _held_back(keys: list[str], labels: list[str], share: float) -> np.ndarray:
    """Of every class the rows with the smallest hashes; at least one row of a class stays in training."""
    import numpy as np

    held = np.zeros(len(keys), dtype=bool)
    order = sorted(range(len(keys)), key=lambda row: hashlib.sha256(f"validation {keys[row]}".encode()).digest())
    for name in sorted(set(labels)):
        own = [row for row in order if labels[row] == name]
        held[own[: min(round(share * len(own)), len(own) - 1)]] = True
    return held


def _weights(gold: pa.Table, use_confidence: bool) -> np.ndarray:
    import numpy as np

    if not use_confidence or "confidence" not in gold.column_names:
        return np.ones(gold.num_rows, dtype=np.float32)
    given = np.asarray(gold["confidence"].fill_null(1.0).to_numpy(), dtype=np.float64).clip(0, 1)
    if not given.any():
        return np.ones(gold.num_rows, dtype=np.float32)
    return (given / given.mean()).astype(np.float32)
