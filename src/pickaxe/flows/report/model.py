"""What the report shows: the JSON documents that the stages saved, as they are, and the bill.

Every part may be missing; its section is then left out.
"""

from __future__ import annotations

from typing import Any, TypedDict


class StageRow(TypedDict, total=False):
    """One stage of the line. `rows` may be None; `task` and `round` are shown when there are several."""

    stage: str
    rows: int | None
    seconds: float
    money_nano: int
    cached: bool
    run_id: str
    task: str
    round: int


class CostPart(TypedDict, total=False):
    """What one meter read for a model. `method` is "measured" or "estimated"."""

    meter: str
    nano: int
    quantity: float
    unit: str
    method: str


class Reused(TypedDict, total=False):
    """A run that was paid for by an earlier model."""

    name: str
    nano: int
    paid_by: str


class ModelCost(TypedDict, total=False):
    """The bill of one model. `parts` add up to `marginal_nano`: what this model added to the bill."""

    name: str
    full_nano: int
    marginal_nano: int
    parts: list[CostPart]
    reused: list[Reused]


class CostReport(TypedDict, total=False):
    """The bills of the first model and of the next one. `rule` names the allocation."""

    currency: str
    rule: str
    model1: ModelCost
    model2: ModelCost


class LineageNode(TypedDict, total=False):
    """One artifact on the way from the data to the served model, in order."""

    ref: str
    kind: str
    digest: str
    run: str
    rows: int | None
    note: str


class RoundRow(TypedDict, total=False):
    """One turn of the line: how much people labelled, how much was taken over, what it gave.

    `accuracy` is {"value", "low", "high"}.
    """

    round: int
    human_labels: int
    accepted: int
    accuracy: dict[str, float]
    note: str


class Report(TypedDict, total=False):
    """The input of `render`.

    Attributes:
        title: what was made, e.g. the task's name; subtitle: a sentence about it; made_at: a date for the foot of the page.
        machine: where it ran; simulated: sentences, each naming something that is simulated or estimated.
        labelling: {"curves": [{"arm", "labels", "accuracy", "low", "high"}], "agreement": {name: number},
            "annotators": [{"name", "simulated", "labels", "seconds", "estimated_error", "true_error"}]}.
        acceptance: the JSON of `evaluate.accept`; verdict: of `evaluate.gate`; drift: of `monitor.watch_report`.
        search: {"candidates": [{"name", "family", "accuracy", "low", "high", "size_bytes", "latency_ms", "chosen", "why"}]}.
    """

    title: str
    subtitle: str
    made_at: str
    machine: dict[str, str]
    simulated: list[str]
    stages: list[StageRow]
    labelling: dict[str, Any]
    acceptance: dict[str, Any]
    search: dict[str, Any]
    verdict: dict[str, Any]
    drift: dict[str, Any]
    rounds: list[RoundRow]
    cost: CostReport
    lineage: list[LineageNode]
