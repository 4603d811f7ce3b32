"""What the evaluation steps can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pickaxe.kernel.config import Config


class AcceptConfig(Config):
    """Which of the teacher's labels are taken over, and with what guarantee.

    The default bound suits a teacher that is right about five times in six on a noisy binary task with 300 audit labels: it
    takes over half to two thirds of the pool. 600 audit labels take over about four fifths of it, and a better teacher
    affords a tighter bound.
    """

    max_error: float = Field(default=0.15, gt=0, lt=1, description="largest error rate allowed among the accepted labels")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="confidence that no accepted group exceeds max_error")
    scope: Literal["class", "overall"] = Field(
        default="class", description="class: the bound holds for each class by itself; overall: for all accepted labels together"
    )
    min_audit: int = Field(default=20, ge=1, description="fewest audit rows above a threshold for it to count")
    grid: int = Field(default=30, ge=2, le=1000, description="thresholds tried per group")
    starts: int = Field(
        default=1, ge=1, le=20, description="places from which the walk over thresholds starts, sharing the error level"
    )


class GateConfig(Config):
    """What a candidate must show on the untouched test set. A rule whose model is not given, or that is None, is left out."""

    metric: Literal["accuracy", "macro_f1"] = Field(default="accuracy", description="metric of the comparisons between models")
    must_beat_majority: bool = Field(
        default=True, description="the low end of the accuracy's interval lies above the share of the most common class"
    )
    min_accuracy: float | None = Field(default=None, ge=0, le=1, description="smallest accuracy")
    min_recall_per_class: float | None = Field(default=None, ge=0, le=1, description="smallest recall of any class in the test")
    max_ece: float | None = Field(default=0.1, ge=0, le=1, description="largest expected calibration error")
    min_gain_over_baseline: float | None = Field(
        default=0.0,
        ge=-1,
        le=1,
        description="smallest gain over the baseline; the paired interval must also lie above 0 (above this, when negative)",
    )
    min_share_of_teacher: float | None = Field(default=0.95, ge=0, description="smallest share of the teacher's metric")
    max_loss_to_incumbent: float | None = Field(
        default=0.02, ge=0, le=1, description="non-inferiority margin: the paired interval must lie above minus this"
    )
    min_test_rows: int = Field(default=100, ge=1, description="fewest test rows that a verdict may rest on")
    bins: int = Field(default=15, ge=2, le=100, description="equal-width confidence bins of the calibration error")
    resamples: int = Field(default=2000, ge=100, le=100_000, description="bootstrap resamples")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="confidence of the intervals")
    worst_errors: int = Field(default=20, ge=0, le=1000, description="most confident errors listed in the verdict")
    batch_size: int = Field(default=256, ge=1, description="texts per call of a model")
