"""Two-sample tests with exact or conservative p-values at any size: were reference and window drawn alike?

All are valid for exchangeable samples, whatever the distribution. The permutation tests stop early when the window is
clearly in order (Besag & Clifford 1991, "Sequential Monte Carlo p-values"), so only suspicious windows cost much.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ENOUGH_EXCEEDANCES = 20
CHUNK = 256


def kolmogorov_smirnov(reference: np.ndarray, window: np.ndarray) -> tuple[float, float]:
    """Largest distance of the two empirical distributions and its two-sided exact p-value (conservative under ties).

    Hodges 1958, "The significance probability of the Smirnov two-sample test".
    """
    from scipy.stats import ks_2samp

    found = ks_2samp(reference, window, method="exact")
    return float(found[0]), float(found[1])


def precedence(reference: np.ndarray, window: np.ndarray, share: float = 0.01) -> tuple[float, float]:
    """How many of the window lie above the reference's top `share`: sensitive to a few foreign texts among many usual ones.

    With r the rank of the cut in the reference (at least 5, at most all), the number of window values above it is negative
    hypergeometric under exchangeability (Epstein 1954; Balakrishnan & Ng 2006, "Precedence-Type Tests and Applications").
    Returns the share of the window above the cut and the exact upper p-value.
    """
    import numpy as np
    from scipy.special import gammaln

    m, w = len(reference), len(window)
    rank = min(m, max(5, math.ceil(share * m)))
    cut = np.sort(reference)[m - rank]
    above = int((window > cut).sum())
    if above == 0:
        return 0.0, 1.0

    def log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    counts = np.arange(above, w + 1)
    logs = log_choose(counts + rank - 1, counts) + log_choose(m - rank + w - counts, w - counts)
    whole = log_choose(np.array(m + w), np.array(w))
    return above / w, float(min(1.0, np.exp(logs - whole).sum()))


def label_shift(reference: np.ndarray, window: np.ndarray, *, permutations: int, rng: np.random.Generator) -> tuple[float, float]:
    """Chi-square of the predicted classes' counts, with a Monte Carlo permutation p-value (exact for small counts, too)."""
    import numpy as np

    names = sorted({*reference.tolist(), *window.tolist()})
    code = {name: index for index, name in enumerate(names)}
    ours = np.bincount([code[name] for name in reference.tolist()], minlength=len(names))
    theirs = np.bincount([code[name] for name in window.tolist()], minlength=len(names))
    if len(names) < 2:
        return 0.0, 1.0
    pooled = ours + theirs
    share = pooled / pooled.sum()

    def chi_square(counts: np.ndarray) -> np.ndarray:
        w, m = theirs.sum(), ours.sum()
        inside = (counts - w * share) ** 2 / (w * share) + (pooled - counts - m * share) ** 2 / (m * share)
        return inside.sum(-1)

    observed = float(chi_square(theirs))

    def draw(count: int) -> np.ndarray:
        return chi_square(rng.multivariate_hypergeometric(pooled, int(theirs.sum()), size=count, method="marginals"))

    return observed, monte_carlo_p_value(observed, draw, permutations)


def mean_embedding(
    reference: np.ndarray, window: np.ndarray, *, permutations: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Maximum mean discrepancy with the linear kernel of the vectors: distance of the two means, permutation p-value.

    Args:
        reference, window: shapes (m, d) and (w, d), float32.

    Gretton, Borgwardt, Rasch, Schölkopf & Smola 2012, "A Kernel Two-Sample Test".
    """
    import numpy as np

    m, w = len(reference), len(window)
    pooled = np.concatenate([reference, window])
    total = pooled.sum(0)

    def distance(window_sums: np.ndarray) -> np.ndarray:
        return np.linalg.norm(window_sums / w - (total - window_sums) / m, axis=-1)

    def draw(count: int) -> np.ndarray:
        chosen = np.argpartition(rng.random((count, m + w), dtype=np.float32), w, axis=1)[:, :w]
        picks = np.zeros((count, m + w), dtype=np.float32)
        np.put_along_axis(picks, chosen, 1, axis=1)
        return distance(picks @ pooled)

    observed = float(distance(window.sum(0)))
    return observed, monte_carlo_p_value(observed, draw, permutations)


def monte_carlo_p_value(observed: float, draw: Callable[[int], np.ndarray], most: int, enough: int = ENOUGH_EXCEEDANCES) -> float:
    """P-value from at most `most` draws under the null, stopping at the `enough`-th draw as large as the observed value.

    Stopped early at draw l it is enough / l, otherwise (exceedances + 1) / (most + 1): valid in both cases
    (Besag & Clifford 1991). A draw within a relative 1e-6 of the observed value counts as as large (rounding of equal sums).
    """
    import numpy as np

    done = exceedances = 0
    line = observed - 1e-6 * abs(observed)
    while done < most:
        values = draw(min(CHUNK, most - done))
        hits = np.flatnonzero(values >= line)
        if exceedances + len(hits) >= enough:
            return enough / (done + int(hits[enough - exceedances - 1]) + 1)
        exceedances += len(hits)
        done += len(values)
    return (exceedances + 1) / (most + 1)


def holm(p_values: list[float], level: float) -> list[bool]:
    """Which hypotheses are rejected at family-wise error `level`, in the given order (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    rejected = [False] * len(p_values)
    for place, index in enumerate(order):
        if p_values[index] > level / (len(order) - place):
            break
        rejected[index] = True
    return rejected
