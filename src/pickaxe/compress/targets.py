"""What a student learns from: people's labels and the teacher's, each as class probabilities."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pickaxe.compress.config import TargetConfig
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.predictors import MANIFEST

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from pickaxe.kernel.step import StepContext

AUDIT_ARM = "audit"
FEWEST_AUDITED = 50
"""From so many audit rows on, a student is chosen by them alone."""
UNBIASED_ARMS = ("audit", "random")
_ENOUGH_DRAWN = 50


@dataclass(frozen=True)
class Targets:
    """Texts, soft targets of shape (n, classes) and weights of shape (n,)."""

    texts: list[str]
    probs: np.ndarray
    weights: np.ndarray

    def __add__(self, other: Targets) -> Targets:
        import numpy as np

        return Targets(
            self.texts + other.texts,
            np.concatenate([self.probs, other.probs]),
            np.concatenate([self.weights, other.weights]),
        )


@dataclass(frozen=True)
class Held:
    """Rows with people's labels that choose among students.

    Attributes:
        labels: index of each row's class, int64, shape (n,).
        how: where the rows come from, in words.
        borrowed: they were taken out of the rows to learn from, and the chosen student gets them back.
    """

    rows: pa.Table
    labels: np.ndarray
    how: str
    borrowed: bool

    @property
    def texts(self) -> list[str]:
        return self.rows["text"].to_pylist()


def human_targets(gold: pa.Table, classes: Sequence[str], config: TargetConfig) -> Targets:
    """A person's label is believed as far as adjudication trusts it, less the smoothing."""
    import numpy as np

    places, count = label_indices(gold, classes), len(classes)
    trust = np.ones(gold.num_rows)
    if "confidence" in gold.column_names:
        trust = np.asarray(gold["confidence"].fill_null(1.0).to_numpy(), dtype=np.float64).clip(0, 1)
    trust = np.maximum(trust, 1 / count) * (1 - config.human_smoothing) + config.human_smoothing / count
    probs = np.repeat(((1 - trust) / (count - 1))[:, None], count, axis=1)
    probs[np.arange(len(probs)), places] = trust
    return Targets(gold["text"].to_pylist(), probs, np.full(len(probs), config.human_weight))


def model_targets(auto_labels: pa.Table, classes: Sequence[str]) -> Targets:
    """The teacher's probabilities as they are; raises `BadInput` when they do not fit the classes."""
    import numpy as np

    require(auto_labels, ("row_key", "text", "label", "probs"), "auto_labels")
    lists = auto_labels["probs"].to_pylist()
    if any(own is None or len(own) != len(classes) for own in lists):
        raise BadInput(
            "the automatic labels' probabilities do not fit the classes",
            expected=f"{len(classes)} probabilities per row ({', '.join(classes)})",
            got=f"{sorted({len(own or []) for own in lists})}",
            remedy="make them with the teacher that learned from the same classes",
        )
    probs = np.array(lists, dtype=np.float64).reshape(len(lists), len(classes))
    if len(probs) and (probs.argmax(axis=1) != label_indices(auto_labels, classes)).any():
        raise BadInput(
            "the automatic labels are not the likeliest classes of their probabilities",
            expected=f"probabilities in the order {', '.join(classes)}",
            remedy="hand over the teacher too, so that the order of its classes is known",
        )
    return Targets(auto_labels["text"].to_pylist(), probs, np.ones(len(probs)))


def balanced(taught: Targets, human: Targets, shares: np.ndarray) -> Targets:
    """Weigh the teacher's labels so that, together with people's, no class outweighs its share of the task.

    Labels are accepted class by class, perhaps none of one class: unweighted they would teach the student that this class is
    rare (label shift by selection; Lipton, Wang and Smola, ICML 2018, weigh for the same reason). The class with the least for
    its share sets the measure. Classes with less than half of an even share are left alone: they decide little, and the measure
    would hang on a handful of rows.

    Args:
        shares: of each class in the task, shape (classes,), sum 1.
    """
    import numpy as np

    count, own = len(shares), taught.probs.argmax(axis=1)
    theirs = np.bincount(own, weights=taught.weights, minlength=count)
    given = np.bincount(human.probs.argmax(axis=1), weights=human.weights, minlength=count)
    common = shares >= 0.5 / count
    measure = ((given + theirs)[common] / shares[common]).min()
    wanted = np.clip(measure * shares - given, 0, theirs)
    factor = np.where(common & (theirs > 0), wanted / np.maximum(theirs, 1e-12), 1.0)
    return Targets(taught.texts, taught.probs, taught.weights * factor[own])


def class_shares(gold: pa.Table, classes: Sequence[str]) -> np.ndarray:
    """Shares of the classes, shape (classes,): of the rows drawn at random where there are 50 or more, otherwise of all."""
    import numpy as np
    import pyarrow as pa

    if "arm" in gold.column_names:
        drawn = [row for row, arm in enumerate(gold["arm"].to_pylist()) if arm in UNBIASED_ARMS]
        gold = gold.take(pa.array(drawn, pa.int64())) if len(drawn) >= _ENOUGH_DRAWN else gold
    counts = np.bincount(label_indices(gold, classes), minlength=len(classes)) + 0.5
    return counts / counts.sum()


def find_classes(ctx: StepContext, gold: pa.Table, auto_labels: pa.Table | None) -> list[str]:
    """The teacher's classes in its order, otherwise those of the labels, sorted; raises `BadInput` for fewer than two."""
    require(gold, ("row_key", "text", "label"), "gold")
    manifest = ctx.inputs["teacher"].path() / MANIFEST if "teacher" in ctx.inputs else None
    if manifest and manifest.is_file():
        classes = json.loads(manifest.read_text(encoding="utf-8"))["classes"]
    else:
        found = set(gold["label"].to_pylist()) | set(auto_labels["label"].to_pylist() if auto_labels is not None else [])
        classes = sorted(label for label in found if label is not None)
    label_indices(gold, classes)
    if len(set(gold["label"].to_pylist())) < 2:
        raise BadInput(
            "there is nothing to tell apart: people's labels do not cover two classes",
            expected="labels of at least two classes",
            got=f"{gold.num_rows} labels of {', '.join(sorted(set(gold['label'].to_pylist()))) or 'no class'}",
            remedy="label more rows, drawn at random, until a second class turns up; or check the label column",
        )
    return classes


def hold_back(gold: pa.Table, share: float) -> tuple[pa.Table, pa.Table, str]:
    """Split people's labels into rows to learn from and rows to choose by.

    The blind audit is held back first, and nothing else where it has rows enough: the teacher never saw it, while a student that
    copies the teacher shines on rows that taught the teacher. Then come rows drawn at random, since those that active learning
    picked are harder than the task. Within an arm a hash of the key decides.
    """
    import pyarrow as pa

    keys, wanted = gold["row_key"].to_pylist(), max(1, round(share * gold.num_rows))
    arms = gold["arm"].to_pylist() if "arm" in gold.column_names else [None] * gold.num_rows
    order = sorted(
        range(gold.num_rows),
        key=lambda row: (
            arms[row] != AUDIT_ARM,
            arms[row] not in UNBIASED_ARMS,
            hashlib.sha256(f"choice {keys[row]}".encode()).digest(),
        ),
    )
    if (audited := arms.count(AUDIT_ARM)) >= FEWEST_AUDITED:
        wanted = min(wanted, audited)
    held = sorted(order[:wanted])
    unbiased = sum(arms[row] in UNBIASED_ARMS for row in held)
    taken = set(held)
    rest = [row for row in range(gold.num_rows) if row not in taken]
    how = f"{len(held)} of people's labels held back by a hash of their keys, {unbiased} of them drawn at random from the pool"
    return gold.take(pa.array(rest, pa.int64())), gold.take(pa.array(held, pa.int64())), how


def label_indices(table: pa.Table, classes: Sequence[str]) -> np.ndarray:
    """Index of each row's label in `classes`, int64; raises `BadInput` for an unknown or missing label."""
    import numpy as np

    places = {name: index for index, name in enumerate(classes)}
    labels = table["label"].to_pylist()
    unknown = sorted({str(label) for label in labels if label not in places})
    if unknown:
        raise BadInput(
            f"labels of unknown classes: {', '.join(unknown[:5])}",
            expected=f"the classes {', '.join(classes)}",
            remedy="correct these labels, or train a teacher that knows their classes",
        )
    return np.array([places[label] for label in labels], dtype=np.int64)


def require(table: pa.Table, columns: Sequence[str], name: str) -> None:
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise BadInput(
            f"{name} lacks the column(s) {', '.join(missing)}",
            expected=f"columns {', '.join(columns)}",
            got=f"columns {', '.join(table.column_names)}",
            remedy="hand over the table that the earlier step saved, unchanged",
        )
