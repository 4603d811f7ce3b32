"""Inputs that are not exactly known, what they do to a result, and which of them matters most.

An input is a number, a range `(low, high)` (uniform) or a triangle `(low, mode, high)`. `simulate` draws them all together with a
seed and gives a 5-50-95% band; `tornado` moves one at a time from its 5% to its 95% quantile and holds the others at their centre.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pickaxe.compute.planner.quantities.units import Number, Quantity
from pickaxe.kernel.errors import BadInput

SAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A number known to lie in [low, high]; `mode` is the likeliest value, None for a plain range. `kind` is its unit.

    A certain number has `low == high`.
    """

    low: float
    high: float
    mode: float | None = None
    kind: type[Quantity] = Number

    @classmethod
    def parse(cls, value: Any, kind: type[Quantity] = Number, *, field: str = "value") -> Uncertain:
        """Read 3, "80 GB", [low, high], [low, mode, high] or {"low", "mode", "high"}.

        Raises `BadInput` naming `field` when ends are swapped, the mode lies outside, or a value is not finite.
        """
        if isinstance(value, Uncertain):
            return value
        if isinstance(value, Mapping):
            if not {"low", "high"} <= set(value) <= {"low", "mode", "high"}:
                raise BadInput(
                    f"{field} is not a range", expected="keys low, high and perhaps mode", got=", ".join(map(str, value))
                )
            value = [value[key] for key in ("low", "mode", "high") if key in value]
        parts = list(value) if isinstance(value, (list, tuple)) else [value]
        if len(parts) not in (1, 2, 3):
            raise BadInput(f"{field} is not a range", expected="a value, [low, high] or [low, mode, high]", got=repr(value))
        numbers = [float(kind(part) if isinstance(part, Quantity) else kind.parse(part, field=field)) for part in parts]
        if len(numbers) == 1 and not math.isfinite(numbers[0]):
            raise BadInput(f"{field} is not finite", expected=f"a finite value, such as {kind.example!r}", got=repr(parts[0]))
        if not all(map(math.isfinite, numbers)) or numbers != sorted(numbers):
            raise BadInput(f"{field} is not a range", expected="finite values, lowest first", got=repr(value))
        return cls(numbers[0], numbers[-1], numbers[1] if len(numbers) == 3 else None, kind)

    @property
    def certain(self) -> bool:
        return self.low == self.high

    @property
    def centre(self) -> Quantity:
        """The mode of a triangle, the middle of a range, the number itself."""
        return self.kind((self.low + self.high) / 2 if self.mode is None else self.mode)

    def quantile(self, share: float) -> Quantity:
        """The value below which `share` (0..1) of the draws lie."""
        low, high, mode = self.low, self.high, self.mode
        if low == high:
            return self.kind(low)
        if mode is None:
            return self.kind(low + share * (high - low))
        if share < (mode - low) / (high - low):
            return self.kind(low + math.sqrt(share * (high - low) * (mode - low)))
        return self.kind(high - math.sqrt((1 - share) * (high - low) * (high - mode)))

    def __str__(self) -> str:
        if self.certain:
            return str(self.centre)
        middle = f" ({self.centre} likeliest)" if self.mode is not None else ""
        return f"{self.kind(self.low)} to {self.kind(self.high)}{middle}"


@dataclass(frozen=True, slots=True)
class Band:
    """What came out: the 5%, 50% and 95% quantiles of the draws, and the value with every input at its centre."""

    low: float
    median: float
    high: float
    centre: float

    def __str__(self) -> str:
        return str(self.centre) if float(self.low) == float(self.high) else f"{self.median} ({self.low} to {self.high})"

    def as_dict(self) -> dict[str, float]:
        return {"p5": float(self.low), "p50": float(self.median), "p95": float(self.high), "centre": float(self.centre)}


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a tornado: the result with `field` at its 5% and 95% quantile, and `swing`, the distance between the two."""

    field: str
    at_low: float
    at_high: float

    @property
    def swing(self) -> float:
        return abs(float(self.at_high) - float(self.at_low))


Outcome = Callable[[Mapping[str, Any]], float]


def simulate(outcome: Outcome, inputs: Mapping[str, Uncertain], *, samples: int = SAMPLES, seed: int = 0) -> Band:
    """Band of `outcome` (a mapping of fields to quantities -> one quantity) over `samples` joint draws; equal seeds, equal bands."""
    return simulate_many(lambda draw: {"": outcome(draw)}, inputs, samples=samples, seed=seed)[""]


def simulate_many(
    outcomes: Callable[[Mapping[str, Any]], Mapping[str, float]],
    inputs: Mapping[str, Uncertain],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> dict[str, Band]:
    """Bands of several results that come from the same draws."""
    if not 20 <= samples <= 1_000_000:
        raise BadInput("samples is out of range", expected="20 to 1000000", got=str(samples))
    centre = dict(outcomes(centres(inputs)))
    if all(item.certain for item in inputs.values()):
        return {name: Band(value, value, value, value) for name, value in centre.items()}
    draw = random.Random(seed)
    drawn = [dict(outcomes({name: item.quantile(draw.random()) for name, item in inputs.items()})) for _ in range(samples)]
    return {name: _band([row[name] for row in drawn], value) for name, value in centre.items()}


def tornado(outcome: Outcome, inputs: Mapping[str, Uncertain]) -> list[Bar]:
    """What moves the result most, largest swing first; certain inputs move nothing and are left out."""
    middle = centres(inputs)
    bars = [
        Bar(name, outcome({**middle, name: item.quantile(0.05)}), outcome({**middle, name: item.quantile(0.95)}))
        for name, item in inputs.items()
        if not item.certain
    ]
    return sorted(bars, key=lambda bar: -bar.swing)


def centres(inputs: Mapping[str, Uncertain]) -> dict[str, Quantity]:
    return {name: item.centre for name, item in inputs.items()}


def _band(values: Sequence[float], centre: float) -> Band:
    ordered = sorted(values, key=float)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return Band(at(0.05), at(0.50), at(0.95), centre)
