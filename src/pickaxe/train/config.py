"""What the training steps can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pickaxe.kernel.config import Config


class TeacherConfig(Config):
    """How an encoder is fine-tuned. The defaults suit some hundred to some thousand labels of short texts on a CPU."""

    classes: tuple[str, ...] | None = Field(
        default=None, description="the classes that must be there; None: those of the labels, sorted"
    )
    max_length: int = Field(default=64, ge=4, le=8192, description="tokens per text; the rest is cut off")
    pooling: Literal["mean", "first"] = Field(default="mean", description="how token vectors become a text vector")
    epochs: int = Field(default=4, ge=1, le=1000, description="most passes over the labels")
    warm_epochs: int = Field(default=2, ge=1, le=1000, description="most passes when starting from an earlier teacher")
    max_texts: int = Field(
        default=10_000, ge=1, description="most texts read in all passes together: many labels get fewer passes, or part of one"
    )
    batch_size: int = Field(default=16, ge=1, description="texts per step")
    learning_rate: float = Field(default=2e-4, gt=0, description="peak learning rate of the top layer; 0.9 per layer below")
    warm_learning_rate: float = Field(default=1e-4, gt=0, description="the same when starting from an earlier teacher")
    layer_decay: float = Field(default=0.9, gt=0, le=1, description="factor of the learning rate from a layer to the one below")
    head_learning_rate: float = Field(default=1e-3, gt=0, description="peak learning rate of the classification head")
    weight_decay: float = Field(default=0.01, ge=0, description="AdamW's decoupled weight decay")
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of the steps with a rising learning rate")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout inside the encoder")
    label_smoothing: float = Field(default=0.1, ge=0, lt=1, description="mass moved from the given label to all classes")
    freeze_embeddings: bool = Field(default=True, description="leave the token embeddings as they are: faster, about as good")
    train_layers: int | None = Field(default=None, ge=0, description="top layers that are trained; None: all of them")
    use_confidence: bool = Field(default=True, description="weigh each label by the confidence that adjudication gave it")
    validation_share: float = Field(default=0.1, ge=0, lt=0.9, description="labels held back for early stopping and calibration")
    patience: int = Field(default=2, ge=1, description="epochs clearly below the best before training stops")
    max_seconds_between_checkpoints: float = Field(default=10, gt=0, description="oldest that a checkpoint may be")
    threads: int = Field(default=2, ge=1, le=256, description="threads of a matrix product; sums depend on it, so it is fixed")


class PredictConfig(Config):
    """How a stored model is run over a table."""

    chunk_size: int = Field(default=2048, ge=1, description="texts between checkpoints")
    threads: int = Field(default=2, ge=1, le=256, description="threads of a matrix product; sums depend on it, so it is fixed")
