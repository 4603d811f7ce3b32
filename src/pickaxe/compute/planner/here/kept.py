"""Forecasts against what the meters then read: the pairs, and how far they were apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from pickaxe.compute.planner.here.foresight import EVENT
from pickaxe.compute.planner.here.served import SERVED

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Pair:
    """One forecast of one meter and what was read. `error` is relative: 0.1 says that the reading was 10% above.

    Of serving, `run_id` is the window's subject, `endpoint` its name, "" for the server as a whole; `killed` says that its server was, and
    that the reading is of what it had written by then.
    """

    run_id: str
    step: str
    meter: str
    forecast: float
    low: float
    high: float
    read: float
    endpoint: str = ""
    killed: bool = False

    @property
    def error(self) -> float:
        return self.read / self.forecast - 1 if self.forecast else math.inf


def pairs(workspace: Workspace, *, limit: int = 2_000) -> list[Pair]:
    """The newest forecasts whose runs, or windows of serving, have ended; newest first."""
    events = workspace.log.list(kind=EVENT, limit=limit, newest_first=True)
    readings: dict[tuple[str, str], float] = {}
    killed: set[str] = set()
    # Oldest first: a server that was only taken for dead reads its window again, and knows more.
    for event in reversed(workspace.log.list(kind=SERVED, limit=limit, newest_first=True)):
        readings |= {(event.subject, meter): value for meter, value in event.body["readings"].items()}
        (killed.add if event.body.get("killed") else killed.discard)(event.subject)
    for charge in workspace.ledger.charges(sorted({event.subject for event in events})) if events else []:
        readings[charge.holder, charge.meter] = readings.get((charge.holder, charge.meter), 0.0) + charge.quantity
    found: list[Pair] = []
    for event in events:
        endpoint, ended = event.body.get("endpoint", ""), event.subject in killed
        for meter, item in event.body["meters"].items():
            if (read := readings.get((event.subject, meter))) is not None:
                middle, low, high = item["middle"], item["low"], item["high"]
                found.append(Pair(event.subject, event.body["step"], meter, middle, low, high, read, endpoint, ended))
    return found


def median_error(found: Sequence[Pair], meter: str) -> float | None:
    """Median of the absolute relative errors of one meter; None without a pair."""
    errors = [abs(pair.error) for pair in found if pair.meter == meter]
    return median(errors) if errors else None


def within(found: Sequence[Pair], meter: str) -> float | None:
    """Share of the readings inside their 90% band; None without a pair."""
    inside = [pair.low <= pair.read <= pair.high for pair in found if pair.meter == meter]
    return sum(inside) / len(inside) if inside else None
