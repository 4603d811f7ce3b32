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

    max_error: float = Field(0.15, gt=0, lt=1, description="largest error rate allowed among the accepted labels")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="confidence that no accepted group exceeds max_error")
    scope: Literal["class", "overall"] = Field(
        "class", description="class: the bound holds for each class by itself; overall: for all accepted labels together"
    )
    min_audit: int = Field(20, ge=1, description="fewest audit rows above a threshold for it to count")
    grid: int = Field(30, ge=2, le=1000, description="thresholds tried per group")
    starts: int = Field(1, ge=1, le=20, description="places from which the walk over thresholds starts, sharing the error level")
