"""The cost of model N+1: what each model that was published cost, from the ledger's real runs, and where the curve goes.

A pure function over ledger rows. The marginal cost of the n-th model is fitted as a·n^(-b) (Wright 1936: cost falls by a constant share with
each doubling of the number made), by least squares on logarithms; the forecast's 5–95% band is that of a new observation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

_NANO = 1e9
_FIT_FROM = 3
# Two-sided 90% quantiles of Student's t by degrees of freedom (any table of the distribution); beyond the table the normal's.
_STUDENT = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753)
_NORMAL = 1.645


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A published model and what the ledger charged for it, in billionths of the ledger's currency."""

    ref: str
    full_nano: int
    marginal_nano: int


@dataclass(frozen=True, slots=True)
class ModelCurve:
    """`learning` is the share that the marginal cost keeps with each doubling of the number of models; None without a fit."""

    rows: tuple[LedgerRow, ...]
    learning: float | None
    next_low: float | None
    next_cost: float | None
    next_high: float | None

    def as_dict(self) -> dict[str, Any]:
        """Money in units of the ledger's currency."""
        running = 0
        points: list[dict[str, Any]] = []
        for number, row in enumerate(self.rows, 1):
            running += row.marginal_nano
            full, marginal = row.full_nano / _NANO, row.marginal_nano / _NANO
            points.append({"n": number, "ref": row.ref, "full": full, "marginal": marginal, "mean": running / _NANO / number})
        forecast = {"p5": self.next_low, "p50": self.next_cost, "p95": self.next_high}
        return {"models": points, "learning": self.learning, "next": None if self.next_cost is None else forecast}


def published_models(workspace: Workspace) -> list[LedgerRow]:
    """Every model that the workspace ever published, in that order, at what the ledger charged for it."""
    from pickaxe.kernel.ledger.cost import cost_of

    subjects = dict.fromkeys(event.subject for event in workspace.log.each("publish"))
    costs = [cost_of(workspace, workspace.artifact(subject)) for subject in subjects]
    return [LedgerRow(cost.artifact.ref, cost.full, cost.marginal) for cost in costs]


def model_curve(rows: Sequence[LedgerRow]) -> ModelCurve:
    """Curve over models in the order in which they were published. Raises `BadInput` for a negative cost.

    Models that cost nothing (a cached line run again) are shown and not fitted; with fewer than three others there is no forecast.
    """
    for row in rows:
        if row.full_nano < 0 or row.marginal_nano < 0 or row.marginal_nano > row.full_nano:
            raise BadInput(
                f"cost of {row.ref} is not usable", expected="0 <= marginal <= full", got=f"{row.marginal_nano}, {row.full_nano}"
            )
    points = [(math.log(n), math.log(row.marginal_nano / _NANO)) for n, row in enumerate(rows, 1) if row.marginal_nano > 0]
    if len(points) < _FIT_FROM:
        return ModelCurve(tuple(rows), None, None, None, None)
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    freedom = len(points) - 2
    noise = math.sqrt(sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points) / freedom)
    at = math.log(len(rows) + 1)
    centre = mean_y + slope * (at - mean_x)
    quantile = _STUDENT[freedom - 1] if freedom <= len(_STUDENT) else _NORMAL
    width = quantile * noise * math.sqrt(1 + 1 / len(points) + (at - mean_x) ** 2 / spread)
    return ModelCurve(tuple(rows), 2**slope, math.exp(centre - width), math.exp(centre), math.exp(centre + width))
