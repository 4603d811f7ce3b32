"""The gate's rules: each a metric, a bound, and whether the candidate keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pickaxe.evaluate.config import GateConfig

REMEDIES = {
    "enough_test_rows": "bring more labelled rows, set more apart (curate.test_share), or lower gate.min_test_rows",
    "no_test_row_in_training": "take these rows out of the training data",
    "beats_majority_class": "label more rows; check that the labels can be told from the text at all",
    "min_accuracy": "label more rows, or lower gate.min_accuracy",
    "min_recall_per_class": "label more rows of that class, or lower gate.min_recall_per_class",
    "max_ece": "label more rows, or allow confidences that are further off (gate.max_ece)",
    "gain_over_baseline": "the automatic labels did not help: label more rows, accept fewer (accept.max_error), or say what may be "
    "lost (gate.min_gain_over_baseline = -0.02)",
    "min_share_of_teacher": "allow a slower student (students.latency_ms), or a smaller share (gate.min_share_of_teacher)",
    "not_worse_than_incumbent": "label more rows, or allow a larger loss (gate.max_loss_to_incumbent)",
}
"""What to do about each rule that failed; settings are named as the task file's section and key."""


@dataclass(frozen=True)
class Rule:
    """One decided rule.

    Attributes:
        data: what the value was measured on.
        value, low, high: the metric and its interval (None for counts).
        bound: the number that `deciding` was held against.
        deciding: which number decided: "value", "low" (the interval's low end) or "value and low".
    """

    name: str
    passed: bool
    metric: str
    data: str
    value: float
    low: float | None
    high: float | None
    bound: float
    deciding: str
    explanation: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def decide(
    config: GateConfig,
    *,
    data: str,
    candidate: Mapping[str, Any],
    comparisons: Mapping[str, Mapping[str, Any]],
    majority: float,
    rows: int,
    overlap: int | None,
) -> list[Rule]:
    """Apply every rule that is switched on and whose data is there.

    Args:
        candidate: the candidate's part of the verdict (metrics as {"value", "low", "high"}, `per_class`).
        comparisons: per other model its `difference` and `ratio` in the configured metric.
        majority: share of the most common class of the test rows.
        overlap: test rows among the training rows; None when those were not given.
    """
    rules = [_count("enough_test_rows", "test rows", data, rows, config.min_test_rows, at_least=True)]
    if overlap is not None:
        rules.append(_count("no_test_row_in_training", "test rows among the training rows", data, overlap, 0, at_least=False))
    accuracy = candidate["accuracy"]
    if config.must_beat_majority:
        rules.append(_bounded("beats_majority_class", "accuracy", data, accuracy, majority, "low", above=True))
    if config.min_accuracy is not None:
        rules.append(_bounded("min_accuracy", "accuracy", data, accuracy, config.min_accuracy, "value"))
    if config.min_recall_per_class is not None:
        worst = min((item for item in candidate["per_class"] if item["support"]), key=lambda item: item["recall"]["value"])
        rules.append(
            _bounded("min_recall_per_class", f"recall of {worst['label']!r}, the lowest", data, worst["recall"],
                     config.min_recall_per_class, "value")
        )  # fmt: skip
    if config.max_ece is not None:
        rules.append(_bounded("max_ece", f"ECE, {config.bins} equal-width bins", data, candidate["ece"], config.max_ece, "value",
                              at_most=True))  # fmt: skip
    if config.min_gain_over_baseline is not None and "baseline" in comparisons:
        rules.append(_gain(config, data, comparisons["baseline"]["difference"]))
    if config.min_share_of_teacher is not None and "teacher" in comparisons:
        rules.append(_share(config, data, comparisons["teacher"]["ratio"]))
    if config.max_loss_to_incumbent is not None and "incumbent" in comparisons:
        rules.append(_bounded("not_worse_than_incumbent", f"{config.metric} - incumbent's", data,
                              comparisons["incumbent"]["difference"], -config.max_loss_to_incumbent, "low"))  # fmt: skip
    return rules


def _gain(config: GateConfig, data: str, difference: Mapping[str, float]) -> Rule:
    assert config.min_gain_over_baseline is not None
    bound = config.min_gain_over_baseline
    # A negative bound is a margin of non-inferiority: how much may be lost, interval included (a task file has no null to switch it off).
    lowest = min(0.0, bound)
    passed = difference["value"] >= bound and difference["low"] > lowest
    said = (
        f"gain {difference['value']:+.4f} [{difference['low']:+.4f}, {difference['high']:+.4f}]: "
        f"at least {bound:+.4f} and an interval above {lowest:g} are asked for"
    )
    return Rule("gain_over_baseline", passed, f"{config.metric} - baseline's", data, difference["value"], difference["low"],
                difference["high"], bound, "value and low", said)  # fmt: skip


def _share(config: GateConfig, data: str, ratio: Mapping[str, float]) -> Rule:
    name, metric, bound = "min_share_of_teacher", f"{config.metric} / teacher's", config.min_share_of_teacher
    assert bound is not None
    if ratio["value"] is None:
        return Rule(
            name, True, metric, data, 1.0, None, None, bound, "value", "the teacher's own value is 0: any share of it is reached"
        )
    return _bounded(name, metric, data, ratio, bound, "value")


def _bounded(
    name: str,
    metric: str,
    data: str,
    measured: Mapping[str, float],
    bound: float,
    deciding: str,
    *,
    at_most: bool = False,
    above: bool = False,
) -> Rule:
    number = measured[deciding]
    passed = number <= bound if at_most else number > bound if above else number >= bound
    word = "at most" if at_most else "above" if above else "at least"
    which = "the interval's low end" if deciding == "low" else "the value"
    said = f"{measured['value']:.4f} [{measured['low']:.4f}, {measured['high']:.4f}]: {which} must be {word} {bound:.4f}"
    return Rule(name, bool(passed), metric, data, measured["value"], measured["low"], measured["high"], bound, deciding, said)


def _count(name: str, metric: str, data: str, value: int, bound: int, *, at_least: bool) -> Rule:
    passed = value >= bound if at_least else value <= bound
    said = f"{value}: must be {'at least' if at_least else 'at most'} {bound}"
    return Rule(name, passed, metric, data, value, None, None, bound, "value", said)
