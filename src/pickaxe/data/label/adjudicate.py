"""One label per text from several answers: majority, and Dawid and Skene's EM.

A. P. Dawid and A. M. Skene, *Maximum likelihood estimation of observer error-rates using the EM algorithm*, Applied Statistics
28(1), 1979: every annotator has a confusion matrix, every item a true class; both are estimated in turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Vote = tuple[str, str, str]
"""(item, annotator, label)."""


@dataclass(frozen=True)
class Adjudication:
    """What is believed after all answers.

    Attributes:
        items: in order of first appearance, n of them.
        labels: the adjudicated label of each item. An item with a single annotator keeps the answer it got.
        confidence: posterior probability of that label, shape (n,). 1.0 throughout when no item has two annotators, since
            nothing was measured then (`measured` is False).
        majority: the most frequent answer (ties: the class named first).
        confusions: annotator -> matrix (true class, answer), shape (classes, classes), rows sum to 1.
        seen: annotator -> number of items on which its matrix rests (those with two or more annotators).
        prior: class shares, shape (classes,).
    """

    items: list[str]
    labels: list[str]
    confidence: np.ndarray
    majority: list[str]
    classes: list[str]
    confusions: dict[str, np.ndarray]
    seen: dict[str, int]
    prior: np.ndarray
    measured: bool

    def error_rate(self, annotator: str) -> float | None:
        """Estimated share of wrong answers, weighted by class; None when no item of this annotator had a second one."""
        if not self.seen.get(annotator):
            return None
        return float(1.0 - self.prior @ self.confusions[annotator].diagonal())


def adjudicate(
    votes: Sequence[Vote], classes: Sequence[str], *, smoothing: float = 1.0, iterations: int = 500, tolerance: float = 1e-8
) -> Adjudication:
    """Estimate the true labels.

    Confusion matrices are estimated on the items with two annotators or more, which alone tell about errors; class shares
    and posteriors then on all items. Annotators without such items get the pooled matrix.

    Args:
        votes: answers; one annotator may answer the same item more than once (all count).
        classes: every class that may be true; all labels are among them.
        smoothing: pseudo-answers per true class and annotator, nine tenths of them right. 0 is the paper's plain estimate.
    """
    import numpy as np

    items = list(dict.fromkeys(item for item, _, _ in votes))
    names = sorted({annotator for _, annotator, _ in votes})
    counts = _counts(votes, items, names, classes)
    tally = counts.sum(axis=1)
    several = (counts.sum(axis=2) > 0).sum(axis=1) >= 2
    confusions = _estimated(counts[several], smoothing, iterations, tolerance)
    prior, posterior = _believed(counts, confusions, iterations, tolerance)

    lone = ~several
    best = np.where(lone, tally.argmax(axis=1), posterior.argmax(axis=1)) if len(items) else np.zeros(0, dtype=int)
    measured = bool(several.any())
    confidence = posterior[np.arange(len(items)), best] if measured else np.ones(len(items))
    answered = (counts.sum(axis=2) > 0) & several[:, None]
    return Adjudication(
        items=items,
        labels=[classes[int(at)] for at in best],
        confidence=confidence,
        majority=[classes[int(at)] for at in tally.argmax(axis=1)],
        classes=list(classes),
        confusions=dict(zip(names, confusions, strict=True)),
        seen=dict(zip(names, answered.sum(axis=0).tolist(), strict=True)),
        prior=prior,
        measured=measured,
    )


def _counts(votes: Sequence[Vote], items: list[str], names: list[str], classes: Sequence[str]) -> np.ndarray:
    """Answers, shape (items, annotators, classes)."""
    import numpy as np

    row, column, layer = ({value: at for at, value in enumerate(values)} for values in (items, names, classes))
    counts = np.zeros((len(items), len(names), len(classes)))
    for (item, annotator, label), count in Counter(votes).items():
        counts[row[item], column[annotator], layer[label]] += count
    return counts


def _estimated(counts: np.ndarray, smoothing: float, iterations: int, tolerance: float) -> np.ndarray:
    """Confusion matrices by EM, shape (annotators, classes, classes), starting from the shares of answers (eq. 3.1)."""
    import numpy as np

    _, annotators, size = counts.shape
    floor = smoothing * (np.eye(size) * 0.9 + (1 - np.eye(size)) * 0.1 / max(size - 1, 1))
    belief = counts.sum(axis=1) / np.maximum(counts.sum(axis=(1, 2)), 1)[:, None]
    confusions = np.zeros((annotators, size, size))
    for _ in range(iterations):
        expected = np.einsum("ij,ikl->kjl", belief, counts)
        answered = expected.sum(axis=(1, 2)) > 0
        expected[~answered] = expected.sum(axis=0)
        before, confusions = confusions, _normalised(expected + floor)
        belief = _posterior(counts, belief.mean(axis=0) if len(belief) else np.full(size, 1 / size), confusions)
        if np.abs(confusions - before).max(initial=0.0) < tolerance:
            break
    return confusions


def _believed(counts: np.ndarray, confusions: np.ndarray, iterations: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Class shares (by EM, the confusions held fixed) and posteriors of all items."""
    import numpy as np

    size = counts.shape[2]
    prior = np.full(size, 1 / size)
    posterior = _posterior(counts, prior, confusions)
    for _ in range(iterations if len(counts) else 0):
        before, prior = prior, posterior.mean(axis=0)
        posterior = _posterior(counts, prior, confusions)
        if np.abs(prior - before).max(initial=0.0) < tolerance:
            break
    return prior, posterior


def _posterior(counts: np.ndarray, prior: np.ndarray, confusions: np.ndarray) -> np.ndarray:
    """Equation 2.5, in logarithms. Shape (items, classes)."""
    import numpy as np

    tiny = 1e-300
    scores = np.log(prior + tiny) + np.einsum("ikl,kjl->ij", counts, np.log(confusions + tiny))
    scores = np.exp(scores - scores.max(axis=1, keepdims=True)) if len(scores) else scores
    return scores / scores.sum(axis=1, keepdims=True)


def _normalised(matrix: np.ndarray) -> np.ndarray:
    """Rows sum to 1; a row without any answers is uniform."""
    import numpy as np

    sums = matrix.sum(axis=-1, keepdims=True)
    return np.where(sums > 0, matrix / np.where(sums > 0, sums, 1.0), 1.0 / matrix.shape[-1])
