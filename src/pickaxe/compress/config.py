"""What the compression steps can be told."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pickaxe.kernel.config import Config

Family = Literal["linear", "static", "onnx"]


class LinearSettings(Config):
    """Hashed n-grams of words and characters with a linear model on top."""

    word_ngrams: int = Field(default=2, ge=1, le=2, description="longest word n-gram")
    char_ngrams: tuple[int, int] | None = Field(default=(3, 5), description="shortest and longest character n-gram; None: none")
    bits: int = Field(default=18, ge=8, le=24, description="2 to this many places for words, and as many for characters")
    l2: float = Field(default=0.3, gt=0, description="weight of the squared norm, in units of one training row")
    min_texts: int = Field(default=1, ge=1, description="n-grams of fewer training texts are not learned: 2 halves the time")
    max_words: int = Field(default=128, ge=1, description="words read of a text")


class StaticSettings(Config):
    """The mean of the teacher's token vectors with a small network on top."""

    width: int = Field(default=256, ge=2, le=4096, description="principal components of the token vectors that are kept")
    hidden: int = Field(default=128, ge=0, le=4096, description="hidden units; 0: a linear head")
    epochs: int = Field(default=12, ge=1, le=1000, description="passes over the training rows")
    l2: float = Field(default=1e-4, ge=0, description="decoupled weight decay")
    max_tokens: int = Field(default=128, ge=1, description="tokens read of a text")


class OnnxSettings(Config):
    """The teacher itself, exported."""

    precision: Literal["int8", "fp32"] = Field(
        default="int8", description="int8: weights quantised per channel, activations as they come"
    )


class TargetConfig(Config):
    """What a student is told about each row."""

    human_weight: float = Field(default=2.0, gt=0, description="weight of a person's label; a model's label weighs 1")
    human_smoothing: float = Field(default=0.1, ge=0, lt=1, description="doubt about a person's label, spread over all classes")


class StudentConfig(TargetConfig):
    """The search for a student."""

    families: tuple[Family, ...] = Field(default=("linear", "static", "onnx"), min_length=1, description="families to try")
    latency_ms: float = Field(default=5.0, gt=0, description="longest time that one text may take on one core")
    linear: tuple[LinearSettings, ...] = Field(
        default=(
            LinearSettings(char_ngrams=None),
            LinearSettings(),
        ),
        description="settings of linear students to try",
    )
    static: tuple[StaticSettings, ...] = Field(default=(StaticSettings(),), description="settings of static students to try")
    onnx: tuple[OnnxSettings, ...] = Field(default=(OnnxSettings(),), description="exports of the teacher to try")
    validation_share: float = Field(
        default=0.3, gt=0, lt=0.9, description="people's labels held back for the choice, where no validation table is given"
    )
    gflops: float = Field(
        default=20.0,
        gt=0,
        description="billions of multiply-adds per second that one core is taken to manage, to estimate latency",
    )
    threads: int = Field(default=2, ge=1, le=256, description="threads of a matrix product; sums depend on it, so it is fixed")


class TrainStudentConfig(TargetConfig):
    """One student with given settings."""

    family: Family | None = Field(default=None, description="None: as the search chose (input `search`)")
    settings: dict[str, Any] = Field(default_factory=dict, description="settings of the family; only with `family`")
    threads: int = Field(default=2, ge=1, le=256, description="threads of a matrix product; sums depend on it, so it is fixed")


class ExportConfig(OnnxSettings):
    """Export of an encoder to ONNX."""
