"""Classification metrics from weighted counts, so that one code path gives the value and all its bootstrap resamples.

`tally` sums what the metrics need over rows under R weightings at once: ones for the value itself, resampling counts for
the bootstrap. Every metric is then a function of the tally and comes as an array with a leading axis of length R.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Outcome:
    """What one model said about n test rows; classes are coded 0…K-1.

    Attributes:
        true, predicted: shape (n,), integer codes.
        confidence: shape (n,), the probability given to the predicted class.
        probs: shape (n, K), or None where only labels and confidences are known (then there is no Brier score).
    """

    true: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    probs: np.ndarray | None
    classes: int

    @property
    def correct(self) -> np.ndarray:
        return self.true == self.predicted


@dataclass(frozen=True)
class Tally:
    """Weighted sums over rows under R weightings.

    Attributes:
        rows: shape (R,); hits, predicted, support: shape (R, K); brier: shape (R,) or None;
        bin_rows, bin_confidence, bin_hits: shape (R, bins), equal-width bins of confidence.
    """

    rows: np.ndarray
    hits: np.ndarray
    predicted: np.ndarray
    support: np.ndarray
    bin_rows: np.ndarray
    bin_confidence: np.ndarray
    bin_hits: np.ndarray
    brier: np.ndarray | None


def tally(outcome: Outcome, weights: np.ndarray, bins: int = 15) -> Tally:
    """Sum over rows under each of the `weights`, shape (R, n); one matrix product for everything."""
    import numpy as np

    correct = outcome.correct.astype(float)
    true, predicted = np.eye(outcome.classes)[outcome.true], np.eye(outcome.classes)[outcome.predicted]
    placed = np.eye(bins)[confidence_bin(outcome.confidence, bins)]
    brier = brier_terms(outcome.probs, outcome.true) if outcome.probs is not None else np.zeros(len(correct))
    blocks = [true * correct[:, None], predicted, true, placed, placed * outcome.confidence[:, None], placed * correct[:, None],
              brier[:, None]]  # fmt: skip
    sums = weights.astype(float) @ np.hstack(blocks)
    hits, said, support, rows, confidence, right, error = np.split(sums, np.cumsum([block.shape[1] for block in blocks])[:-1], 1)
    total = weights.sum(1)
    return Tally(total, hits, said, support, rows, confidence, right, error[:, 0] if outcome.probs is not None else None)


def accuracy(counts: Tally) -> np.ndarray:
    """Share of rows predicted rightly, shape (R,)."""
    return counts.hits.sum(1) / counts.rows


def precision(counts: Tally) -> np.ndarray:
    """Share of a class's predictions that are right, shape (R, K); 0 where the class was never predicted."""
    return _ratio(counts.hits, counts.predicted)


def recall(counts: Tally) -> np.ndarray:
    """Share of a class's rows that were found, shape (R, K); NaN where the class has no rows."""
    import numpy as np

    return np.where(counts.support > 0, _ratio(counts.hits, counts.support), np.nan)


def f1(counts: Tally) -> np.ndarray:
    """Harmonic mean of precision and recall, 2·hits / (predicted + support), shape (R, K); NaN where the class has no rows."""
    import numpy as np

    return np.where(counts.support > 0, _ratio(2 * counts.hits, counts.predicted + counts.support), np.nan)


def macro_f1(counts: Tally) -> np.ndarray:
    """Mean F1 of the classes that have rows, shape (R,)."""
    import numpy as np

    return np.nanmean(f1(counts), axis=1)


def expected_calibration_error(counts: Tally) -> np.ndarray:
    """Mean gap between confidence and accuracy over equal-width bins of confidence, weighted by rows, shape (R,).

    Guo, Pleiss, Sun & Weinberger 2017, "On Calibration of Modern Neural Networks", equation 3; bins are (low, high].
    """
    import numpy as np

    return np.abs(counts.bin_hits - counts.bin_confidence).sum(1) / counts.rows


def brier_score(counts: Tally) -> np.ndarray | None:
    """Mean squared distance between the probabilities and the truth, summed over classes (0 best, 2 worst), shape (R,).

    The original definition of Brier 1950, "Verification of forecasts expressed in terms of probability"; twice the one that
    some libraries give for two classes.
    """
    return None if counts.brier is None else counts.brier / counts.rows


def brier_terms(probs: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Each row's squared distance, shape (n,), from probabilities of shape (n, K) and codes of shape (n,)."""
    import numpy as np

    return ((probs - np.eye(probs.shape[1])[true]) ** 2).sum(1)


def confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts, shape (K, K): rows are the true classes, columns the predicted ones."""
    import numpy as np

    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def reliability(outcome: Outcome, bins: int = 15) -> list[dict[str, Any]]:
    """The reliability diagram: per non-empty bin its edges, rows, mean confidence and accuracy (Guo et al. 2017, figure 1)."""
    import numpy as np

    counts = tally(outcome, np.ones((1, len(outcome.true))), bins)
    return [
        {
            "low": index / bins,
            "high": (index + 1) / bins,
            "rows": int(rows),
            "confidence": float(counts.bin_confidence[0, index] / rows),
            "accuracy": float(counts.bin_hits[0, index] / rows),
        }
        for index, rows in enumerate(counts.bin_rows[0])
        if rows
    ]


def mcnemar(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """Exact two-sided McNemar test that two models are right equally often on the same rows.

    Args:
        first, second: shape (n,), boolean, whether each model was right.

    Source: McNemar 1947; the exact form is a binomial test of the rows on which only one of them is right.
    """
    from scipy.special import bdtr  # `scipy.stats` takes a third of a second to import

    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differ = only_first + only_second
    p_value = min(1.0, 2 * float(bdtr(min(only_first, only_second), differ, 0.5)))
    return {"only_first_right": only_first, "only_second_right": only_second, "p_value": p_value}


def confidence_bin(confidence: np.ndarray, bins: int) -> np.ndarray:
    """Index of the equal-width bin (low, high] of each confidence in [0, 1], shape (n,); 0 falls into the first."""
    import numpy as np

    return np.clip(np.ceil(confidence.astype(float) * bins).astype(int) - 1, 0, bins - 1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
