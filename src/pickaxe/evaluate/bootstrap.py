"""Percentile bootstrap over test rows, paired across models: every model sees the same resamples.

Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13; pairing as in Koehn 2004, "Statistical Significance
Tests for Machine Translation Evaluation".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pickaxe.evaluate import metrics as m

if TYPE_CHECKING:
    import numpy as np

CELLS_AT_ONCE = 20_000_000
"""Bound on the resampling counts held at once (float32: 80 MB)."""


def weightings(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each row occurs in each resample: chunks of shape (r, rows) that sum to `resamples` in r."""
    import numpy as np

    rng = np.random.default_rng(seed)
    chunk = max(1, CELLS_AT_ONCE // rows)
    for start in range(0, resamples, chunk):
        count = min(chunk, resamples - start)
        drawn = rng.integers(rows, size=(count, rows)) + rows * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows).astype(np.float32)


def scores(outcome: m.Outcome, weights: np.ndarray, bins: int) -> dict[str, np.ndarray]:
    """Every metric under the weightings of shape (R, n): arrays (R,) for the whole, (R, K) per class."""
    counts = m.tally(outcome, weights, bins)
    found = {
        "accuracy": m.accuracy(counts),
        "macro_f1": m.macro_f1(counts),
        "ece": m.expected_calibration_error(counts),
        "precision": m.precision(counts),
        "recall": m.recall(counts),
        "f1": m.f1(counts),
    }
    brier = m.brier_score(counts)
    return found if brier is None else {**found, "brier": brier}


def resampled(
    outcomes: Mapping[str, m.Outcome], *, resamples: int, seed: int, bins: int
) -> dict[str, dict[str, np.ndarray]]:  # fmt: skip
    """Scores of all models under the same resamples: {model: {metric: (resamples,) or (resamples, K)}}."""
    import numpy as np

    rows = len(next(iter(outcomes.values())).true)
    parts = [
        {name: scores(outcome, weights, bins) for name, outcome in outcomes.items()}
        for weights in weightings(rows, resamples, seed)
    ]
    return {
        name: {metric: np.concatenate([part[name][metric] for part in parts]) for metric in parts[0][name]} for name in outcomes
    }


def interval(samples: np.ndarray, confidence: float) -> tuple[float, float] | None:
    """Percentile interval of one metric's resamples, shape (R,); None where it was never defined."""
    import numpy as np

    defined = samples[~np.isnan(samples)]
    if not len(defined):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)
