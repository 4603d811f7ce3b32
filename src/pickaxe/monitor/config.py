"""What the monitoring steps can be told."""

from __future__ import annotations

from pydantic import Field

from pickaxe.kernel.config import Config


class ReferenceConfig(Config):
    """What is kept of the in-distribution data that traffic is compared with."""

    rows: int = Field(default=2000, ge=50, le=20_000, description="most reference rows kept, drawn at random")
    dimensions: int = Field(default=256, ge=16, le=4096, description="length of the hashed word vectors")
    vocabulary_share: float = Field(
        default=0.5, gt=0, lt=1, description="share of the rows that only teach the vocabulary, when no training rows are given"
    )


class WatchConfig(Config):
    """How traffic is cut into windows, and how often a false alarm is allowed.

    With the defaults, a run of 50 windows of 200 requests each that are like the reference raises any alarm with
    probability at most 1%.
    """

    window: int = Field(default=200, ge=20, le=100_000, description="requests per window")
    alpha: float = Field(default=0.01, gt=0, lt=1, description="probability of any false alarm within `horizon` windows")
    horizon: int = Field(default=50, ge=1, description="windows over which alpha is spent, in equal parts")
    min_window: int = Field(default=50, ge=20, description="a shorter rest at the end of a stream is not tested")
    examples: int = Field(default=5, ge=0, le=100, description="most surprising requests listed per stream with an alarm")
