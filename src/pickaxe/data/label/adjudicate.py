"""One label per text from several answers: majority, and Dawid and Skene's EM.

A. P. Dawid and A. M. Skene, *Maximum likelihood estimation of observer error-rates using the EM algorithm*, Applied Statistics
28(1), 1979: every annotator has a confusion matrix, every item a true class; both are estimated in turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

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
    answers = _counted(votes, items, names, classes)
    tally = answers.by_item(np.ones(len(answers.item)), answers.label)
    several = answers.annotators_per_item() >= 2
    telling = answers.of_items(several)
    confusions = _estimated(telling, smoothing, iterations, tolerance)
    prior, posterior = _believed(answers, confusions, iterations, tolerance)

    measured = bool(several.any())
    best = np.where(several, posterior.argmax(axis=1), tally.argmax(axis=1))
    seen = np.bincount(np.unique(telling.annotator * len(items) + telling.item) // max(len(items), 1), minlength=len(names))
    return Adjudication(
        items=items,
        labels=[classes[int(at)] for at in best],
        confidence=posterior[np.arange(len(items)), best] if measured else np.ones(len(items)),
        majority=[classes[int(at)] for at in tally.argmax(axis=1)],
        classes=list(classes),
        confusions=dict(zip(names, confusions, strict=True)),
        seen=dict(zip(names, seen.tolist(), strict=True)),
        prior=prior,
        measured=measured,
    )


def decided(result: Adjudication, decisions: Mapping[str, str]) -> Adjudication:
    """The same with the labels (by item) that a reviewer decided on: those hold, whatever was answered."""
    import numpy as np

    places = {item: at for at, item in enumerate(result.items)}
    labels, confidence = list(result.labels), np.array(result.confidence)
    for item, label in decisions.items():
        labels[places[item]], confidence[places[item]] = label, 1.0
    return replace(result, labels=labels, confidence=confidence)


class _Answers(NamedTuple):
    """Different answers as parallel arrays (places of item, annotator and label, and how often), and the sizes of the three."""

    item: np.ndarray
    annotator: np.ndarray
    label: np.ndarray
    times: np.ndarray
    sizes: tuple[int, int, int]

    def of_items(self, chosen: np.ndarray) -> _Answers:
        keep = chosen[self.item]
        return self._replace(item=self.item[keep], annotator=self.annotator[keep], label=self.label[keep], times=self.times[keep])

    def annotators_per_item(self) -> np.ndarray:
        import numpy as np

        pairs = np.unique(self.item * max(self.sizes[1], 1) + self.annotator)
        return np.bincount(pairs // max(self.sizes[1], 1), minlength=self.sizes[0])

    def by_item(self, values: np.ndarray, column: np.ndarray | None = None) -> np.ndarray:
        """Sum over the answers of each item, shape (items, classes): of `values` at `column`, or of rows of values."""
        import numpy as np

        sums = np.zeros((self.sizes[0], self.sizes[2]))
        if column is not None:
            np.add.at(sums, (self.item, column), values * self.times)
        else:
            np.add.at(sums, self.item, values * self.times[:, None])
        return sums


def _counted(votes: Sequence[Vote], items: list[str], names: list[str], classes: Sequence[str]) -> _Answers:
    import numpy as np

    row, column, layer = ({value: at for at, value in enumerate(values)} for values in (items, names, classes))
    counts = Counter(votes)
    places = np.array([(row[item], column[name], layer[label]) for item, name, label in counts], dtype=np.int64).reshape(-1, 3)
    many = np.array(list(counts.values()), dtype=np.float64)
    return _Answers(places[:, 0], places[:, 1], places[:, 2], many, (len(items), len(names), len(classes)))


def _estimated(answers: _Answers, smoothing: float, iterations: int, tolerance: float) -> np.ndarray:
    """Confusion matrices by EM, shape (annotators, classes, classes), starting from the shares of answers (eq. 3.1)."""
    import numpy as np

    _, annotators, size = answers.sizes
    floor = smoothing * (np.eye(size) * 0.9 + (1 - np.eye(size)) * 0.1 / max(size - 1, 1))
    tally = answers.by_item(np.ones(len(answers.item)), answers.label)
    here = tally.sum(axis=1) > 0
    belief = tally / np.maximum(tally.sum(axis=1, keepdims=True), 1)
    confusions = np.zeros((annotators, size, size))
    for _ in range(iterations):
        said = np.zeros((annotators, size, size))
        np.add.at(said, (answers.annotator, answers.label), belief[answers.item] * answers.times[:, None])
        expected = said.swapaxes(1, 2)
        expected[expected.sum(axis=(1, 2)) == 0] = expected.sum(axis=0)
        before, confusions = confusions, _normalised(expected + floor)
        prior = belief[here].mean(axis=0) if here.any() else np.full(size, 1 / size)
        belief = _posterior(answers, prior, confusions)
        if np.abs(confusions - before).max(initial=0.0) < tolerance:
            break
    return confusions


def _believed(answers: _Answers, confusions: np.ndarray, iterations: int, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Class shares (by EM, the confusions held fixed) and posteriors of all items."""
    import numpy as np

    items, _, size = answers.sizes
    prior = np.full(size, 1 / size)
    posterior = _posterior(answers, prior, confusions)
    for _ in range(iterations if items else 0):
        before, prior = prior, posterior.mean(axis=0)
        posterior = _posterior(answers, prior, confusions)
        if np.abs(prior - before).max(initial=0.0) < tolerance:
            break
    return prior, posterior


def _posterior(answers: _Answers, prior: np.ndarray, confusions: np.ndarray) -> np.ndarray:
    """Equation 2.5, in logarithms. Shape (items, classes)."""
    import numpy as np

    tiny = 1e-300
    heard = np.log(confusions + tiny)[answers.annotator, :, answers.label]
    scores = np.log(prior + tiny) + answers.by_item(heard)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    return scores / scores.sum(axis=1, keepdims=True)


def _normalised(matrix: np.ndarray) -> np.ndarray:
    """Rows sum to 1; a row without any answers is uniform."""
    import numpy as np

    sums = matrix.sum(axis=-1, keepdims=True)
    return np.where(sums > 0, matrix / np.where(sums > 0, sums, 1.0), 1.0 / matrix.shape[-1])
