"""Is the traffic still like the data the model was judged on? Windows, tests and a false-alarm rate that is stated."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pickaxe.kernel.errors import BadInput
from pickaxe.monitor import twosample
from pickaxe.monitor.config import WatchConfig
from pickaxe.monitor.features import features
from pickaxe.monitor.reference import Reference, Window

METHOD = {
    "length": "Kolmogorov-Smirnov on the number of words",
    "long_texts": "precedence test: texts longer than the reference's longest 1%",
    "unknown_words": "Kolmogorov-Smirnov on the share of words outside the vocabulary",
    "rare_texts": "precedence test: texts more surprising than the reference's top 1%",
    "words": "maximum mean discrepancy of hashed word vectors, permutation",
    "confidence": "Kolmogorov-Smirnov on the model's confidence",
    "labels": "chi-square on the predicted classes, permutation",
}
"""Every test and what it looks at. The length of this table, not how many could be run, shares the error level."""

PERMUTATIONS_AFTER_AN_ALARM = 999


@dataclass(frozen=True)
class TestResult:
    test: str
    statistic: float
    p_value: float
    alarm: bool


@dataclass(frozen=True)
class DriftResult:
    """One window's tests. `p_value` is the combined one (Bonferroni over the tests), to be held against `level`."""

    index: int
    rows: int
    p_value: float
    level: float
    alarm: bool
    tests: tuple[TestResult, ...]


class DriftMonitor:
    """Tests one window after another against a reference.

    The probability of any alarm within `horizon` windows of traffic that is exchangeable with the reference is at most
    alpha: each window gets alpha / horizon, Holm's procedure shares it among the tests, and the union bound needs no
    independence of the windows, which all meet the same reference. After `horizon` windows the next period begins.
    """

    def __init__(self, reference: Reference, config: WatchConfig, *, seed: int = 0) -> None:
        self.reference, self.config, self.seed, self.windows = reference, config, seed, 0
        self.level = config.alpha / config.horizon

    def update(self, window: Window) -> DriftResult:
        """Test the next window. Labels and confidences are tested where both it and the reference have them."""
        if len(window.texts) < self.config.min_window:
            raise BadInput("the window is too short to be tested", expected=f"at least {self.config.min_window} requests",
                           got=str(len(window.texts)), remedy="wait for more traffic")  # fmt: skip
        found = self._tests(window)
        flags = twosample.holm([p_value for _, _, p_value in found] + [1.0] * (len(METHOD) - len(found)), self.level)
        tests = tuple(TestResult(name, statistic, p, flag) for (name, statistic, p), flag in zip(found, flags, strict=False))
        combined = min(1.0, len(METHOD) * min(test.p_value for test in tests))
        result = DriftResult(self.windows, len(window.texts), combined, self.level, any(flags), tests)
        self.windows += 1
        return result

    def _tests(self, window: Window) -> list[tuple[str, float, float]]:
        import numpy as np

        reference, rng = self.reference, np.random.default_rng([self.seed, self.windows])
        seen = features(window.texts, reference.vocabulary)
        found = [
            ("length", *twosample.kolmogorov_smirnov(reference.length, seen.length)),
            ("long_texts", *twosample.precedence(reference.length, seen.length)),
            ("unknown_words", *twosample.kolmogorov_smirnov(reference.unknown, seen.unknown)),
            ("rare_texts", *twosample.precedence(reference.surprise, seen.surprise)),
        ]
        if reference.confidence is not None and window.confidence is not None:
            confidence = np.asarray(window.confidence, dtype=float)
            found.append(("confidence", *twosample.kolmogorov_smirnov(reference.confidence, confidence)))

        # Enough permutations that a p-value can fall below the smallest level of Holm's procedure.
        smallest = self.level / len(METHOD)
        most = math.ceil(1 / smallest)
        if reference.labels is not None and window.labels is not None:
            labels = np.array(reference.labels, dtype=object), np.array(window.labels, dtype=object)
            found.append(("labels", *twosample.label_shift(*labels, permutations=most, rng=rng)))

        # The costly test comes last: once another has raised the alarm it only adds colour, and the probability of *any*
        # alarm does not depend on it.
        if any(p_value <= smallest for _, _, p_value in found):
            most = PERMUTATIONS_AFTER_AN_ALARM
        found.append(("words", *twosample.mean_embedding(reference.vectors, seen.vectors, permutations=most, rng=rng)))
        return found
