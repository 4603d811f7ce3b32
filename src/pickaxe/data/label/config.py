"""Configuration of the labelling steps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pickaxe.kernel.config import Config

Strategy = Literal["margin", "badge", "random"]


class SimulatedPerson(Config):
    """A simulated annotator: answers with the gold label, except for a stated share of errors."""

    name: str = Field(
        pattern=r"^simulated-[\w-]+$", description="begins with simulated-, so that nobody mistakes it for a person"
    )
    error_rate: float = Field(default=0.04, ge=0.0, lt=1.0, description="share of answers that are wrong")
    seconds: float = Field(default=4.0, gt=0.0, description="seconds per answer")


class RoundsConfig(Config):
    """The budget of a labelling campaign and how it is spent."""

    max_labels: int | None = Field(
        default=1000, description="answers in total, the audit and second opinions included; None: no such limit"
    )
    max_cost: float | None = Field(
        default=None, description="money for people's time, in the currency of price_per_hour; None: no limit"
    )
    price_per_hour: float | None = Field(
        default=None, gt=0.0, description="what an hour of labelling costs; needed with max_cost"
    )
    expected_seconds: float = Field(default=6.0, gt=0.0, description="seconds per answer assumed until some have been measured")
    rounds: int = Field(default=8, ge=1, description="rounds of choosing and labelling")
    audit_share: float = Field(default=0.2, ge=0.0, lt=1.0, description="share of the answers spent on the blind audit sample")
    audit_annotators: int = Field(default=1, ge=1, description="answers per audit item")
    random_share: float = Field(default=0.3, ge=0.0, le=1.0, description="share of the other items that is drawn uniformly")
    overlap_share: float = Field(default=0.1, ge=0.0, le=1.0, description="share of the other items that gets several answers")
    overlap_annotators: int = Field(default=3, ge=2, description="answers per such item (as many as there are annotators)")
    strategy: Strategy = Field(default="margin", description="how the active arm is chosen")
    classes: tuple[str, ...] | None = Field(
        default=None, description="the classes; None: those of the gold labels (simulation only)"
    )
    seed: int = Field(default=0, ge=0, description="draws of the random arm, the audit and the tie-breaks")

    @model_validator(mode="after")
    def _consistent(self) -> RoundsConfig:
        if self.max_labels is None and self.max_cost is None:
            raise ValueError("a budget is needed: max_labels, max_cost or both")
        if self.max_cost is not None and self.price_per_hour is None:
            raise ValueError("max_cost needs price_per_hour")
        if self.classes is not None and len(set(self.classes)) < 2:
            raise ValueError("classes needs at least two different names")
        return self


class LabelConfig(RoundsConfig):
    """A labelling campaign with simulated annotators."""

    annotators: tuple[SimulatedPerson, ...] = Field(
        default=tuple(SimulatedPerson(name=f"simulated-ann-{number}") for number in (1, 2, 3)), min_length=1
    )
    curve_rows: int = Field(
        default=2000, ge=0, description="rows held aside to measure the learning curves (a tenth of the pool at most)"
    )


class SelectConfig(Config):
    """The next batch to ask people about."""

    round: int = Field(default=0, ge=0, description="number of the round; another round, other random draws")
    audit: int = Field(default=0, ge=0, description="items for the blind audit")
    active: int = Field(default=50, ge=0, description="items for the active arm")
    random: int = Field(default=20, ge=0, description="items for the random arm")
    strategy: Strategy = "margin"
    classes: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = Field(default=(), description="row keys not to ask about, e.g. those that were skipped")
    seed: int = Field(default=0, ge=0)


class AdjudicateConfig(Config):
    """From answers to one label per text."""

    classes: tuple[str, ...] | None = Field(default=None, description="the classes; None: those that were answered")
    without: tuple[str, ...] = Field(default=(), description="people or row keys whose answers are not believed any more")
    seed: int = Field(default=0, ge=0, description="of the bootstrap intervals")
