"""Confidence thresholds whose error is bounded with a stated confidence.

The accepted set of a class at a threshold is "the model predicts the class with at least this confidence". Its error is
unknown; a blind audit (uniform random rows, labelled by people, never trained on) gives, above each threshold, a binomial
sample of it. Every threshold is a null hypothesis "the error above it exceeds `max_error`", tested with the exact binomial
p-value, which for a 0/1 loss is never larger than the Hoeffding-Bentkus one.

Many thresholds are tried, so the family-wise error must be controlled. The thresholds are walked in a fixed order, strict to
loose, as in fixed-sequence testing with several starting points (Angelopoulos, Bates, Candès, Jordan & Lei 2021, "Learn then
Test: Calibrating Predictive Algorithms to Achieve Risk Control", section 3); the level of a rejected hypothesis passes on to
the next one (the fallback procedure, Wiens & Dmitrienko 2005, "The fallback procedure for evaluating a single family of
hypotheses"), which contains the former and is never weaker. The order, the grid and the starting points depend only on the
model's confidences on the unlabelled pool and on the size of the audit, never on its labels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

METHOD = "learn-then-test: fallback fixed-sequence test over thresholds, exact binomial p-values, Bonferroni over classes"
SOURCE = (
    "Angelopoulos, Bates, Candès, Jordan, Lei (2021) Learn then Test, arXiv:2110.01052; "
    "Wiens, Dmitrienko (2005) The fallback procedure, J. Biopharm. Stat. 15(6); "
    "Clopper, Pearson (1934) Biometrika 26(4)"
)


@dataclass(frozen=True, slots=True)
class Tested:
    """One threshold of a class, as tested.

    Attributes:
        coverage: share of the pool's rows of this class that lie at or above the threshold.
        audit_n: audit rows predicted as the class at or above the threshold; `audit_errors` of them are wrong.
        p_value: exact binomial p-value of "the error above the threshold exceeds the allowed one".
        level: significance level it was tested at (0: the walk had stopped before it).
    """

    threshold: float
    coverage: float
    audit_n: int
    audit_errors: int
    p_value: float
    level: float

    @property
    def certified(self) -> bool:
        return self.level > 0 and self.p_value <= self.level


def binomial_p_value(errors: int, trials: int, max_error: float) -> float:
    """P(Binomial(trials, max_error) <= errors): how surprising so few errors would be, were the rate at least `max_error`."""
    from scipy.special import bdtr

    return 1.0 if trials == 0 else float(bdtr(errors, trials, max_error))


def clopper_pearson(errors: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a proportion (Clopper & Pearson 1934); (0, 1) without trials."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if errors == 0 else float(betaincinv(errors, trials - errors + 1, tail))
    high = 1.0 if errors == trials else float(betaincinv(errors + 1, trials - errors, 1 - tail))
    return low, high


def smallest_audit(max_error: float, delta: float) -> int:
    """Fewest audit rows above a threshold that can certify it at all (with no error among them): (1-max_error)^n <= delta."""
    return math.ceil(math.log(delta) / math.log1p(-max_error))


def strictest_coverage(expected_audit: float, smallest: int) -> float:
    """Where the walk starts: half of the group's rows, or what the smallest audit needs where that is more.

    The surest rows are no good place to start: few audit rows are among them, and some of those carry a wrong label of a person.
    Simulated audits of a binary task with a teacher of 84% accuracy: docs/decisions/0016.
    """
    return min(1.0, max(0.5, smallest / expected_audit))


def grid(confidences: np.ndarray, strictest: float, size: int) -> list[float]:
    """Up to `size` thresholds from the pool's confidences of one class, strict to loose, ending at 0 (accept every row).

    Args:
        confidences: shape (n,), the pool rows predicted as the class, n >= 1.
        strictest: coverage (0, 1] of the first threshold.
    """
    import numpy as np

    coverages = np.linspace(min(strictest, 1.0), 1.0, size)[:-1]
    cuts = np.quantile(confidences, 1 - coverages, method="lower")
    return [*sorted({float(cut) for cut in cuts if cut > confidences.min()}, reverse=True), 0.0]


def walk(
    thresholds: Sequence[float],
    coverages: Sequence[float],
    audit_confidences: np.ndarray,
    audit_wrong: np.ndarray,
    *,
    max_error: float,
    delta: float,
    starts: int,
    min_audit: int = 0,
) -> list[Tested]:
    """Test the thresholds in order; the loosest certified one is the threshold to use.

    With probability at least 1 - delta over the draw of the audit, *no* certified threshold has a true error above
    `max_error`.

    Args:
        thresholds: strictly falling, chosen without the audit's labels.
        audit_confidences, audit_wrong: shape (n,), the audit rows predicted as the class; `audit_wrong` is boolean.
        starts: how many places of the walk get a share of `delta`; the walk goes on from a rejected hypothesis with its level.
        min_audit: a threshold with fewer audit rows above it is not certified (this can only make the test stricter).
    """
    if any(later >= earlier for earlier, later in itertools.pairwise(thresholds)):
        raise BadInput("thresholds must fall strictly", got=f"{list(thresholds)[:5]}…", remedy="sort them, strict to loose")
    shares = _starting_levels(len(thresholds), starts, delta)
    tested, carried = list[Tested](), 0.0
    for threshold, coverage, share in zip(thresholds, coverages, shares, strict=True):
        above = audit_confidences >= threshold
        trials, errors = int(above.sum()), int(audit_wrong[above].sum())
        p_value = binomial_p_value(errors, trials, max_error) if trials >= min_audit else 1.0
        step = Tested(threshold, coverage, trials, errors, p_value, carried + share)
        tested.append(step)
        carried = step.level if step.certified else 0.0
    return tested


def labels_needed(tested: Sequence[Tested], *, audit_rows: int, max_error: float, delta: float) -> int | None:
    """How many more uniform random audit labels would probably certify one of these thresholds, were its error rate as
    observed (add-one smoothed). None when the observed error is too close to `max_error`: more labels would not help.

    An estimate for planning, not a guarantee.
    """
    options = list[int]()
    for step in tested:
        rate = (step.audit_errors + 1) / (step.audit_n + 2)
        share = max(step.audit_n, 1) / audit_rows
        needed = _trials_to_certify(rate, max_error, delta)
        if needed is not None:
            options.append(math.ceil(needed / share) - audit_rows)
    return max(1, min(options)) if options else None


def _starting_levels(count: int, starts: int, delta: float) -> list[float]:
    places = {place * count // starts for place in range(starts)}
    return [delta / len(places) if index in places else 0.0 for index in range(count)]


def _trials_to_certify(rate: float, max_error: float, delta: float, limit: int = 200_000) -> int | None:
    """Smallest number of trials at which the expected number of errors (rounded up) is certified."""
    low, high = smallest_audit(max_error, delta), limit
    if rate >= max_error or binomial_p_value(math.ceil(rate * high), high, max_error) > delta:
        return None
    while low < high:
        middle = (low + high) // 2
        if binomial_p_value(math.ceil(rate * middle), middle, max_error) <= delta:
            high = middle
        else:
            low = middle + 1
    return low
