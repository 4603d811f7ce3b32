"""Energy and carbon of a run, a day and a token: from meters where there are some, otherwise from power, time and use, and marked so."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from pickaxe.compute.planner.quantities.checks import amount, named
from pickaxe.compute.planner.quantities.units import Carbon, CarbonIntensity, Joules, Seconds, Tokens, Watts
from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    from pickaxe.kernel.ledger.ledger import Charge

METER = "energy_mj"
"""The kernel's meter, in millijoules."""
WORLD = "world"
"""The grid of nowhere in particular."""
_TOKEN_METERS = ("tokens", "tokens_in", "tokens_out")

Basis = Literal["measured", "estimated", "partly measured", "unknown"]


@dataclass(frozen=True, slots=True)
class Footprint:
    """What was drawn at the wall and emitted. `basis` says whether a meter read it; `per_token` where tokens were counted."""

    energy: Joules
    carbon: Carbon
    basis: Basis
    tokens: Tokens | None = None

    @property
    def energy_per_token(self) -> Joules | None:
        return Joules(float(self.energy) / float(self.tokens)) if self.tokens else None

    @property
    def carbon_per_token(self) -> Carbon | None:
        return Carbon(float(self.carbon) / float(self.tokens)) if self.tokens else None

    def __str__(self) -> str:
        return f"{self.energy}, {self.carbon} ({self.basis})" + (f", {self.joules_a_token} a token" if self.tokens else "")

    @property
    def joules_a_token(self) -> str:
        """For people; nothing where no tokens were counted."""
        return "" if self.energy_per_token is None else f"{float(self.energy_per_token):.3g} J"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, in joules, grams of CO2 equivalent and tokens."""
        per_token, carbon = self.energy_per_token, self.carbon_per_token
        return {
            "joules": float(self.energy),
            "grams_co2e": float(self.carbon),
            "basis": self.basis,
            "tokens": None if self.tokens is None else float(self.tokens),
            "joules_per_token": None if per_token is None else float(per_token),
            "grams_co2e_per_token": None if carbon is None else float(carbon),
            "text": f"{self.energy}, {self.carbon}",
        }


NOTHING_READ = Footprint(Joules(0), Carbon(0), "unknown")


def metered(charges: Iterable[Charge], intensity: CarbonIntensity, *, pue: float = 1.0) -> Footprint:
    """The footprint of what the ledger's energy meters read; `pue` adds what the building draws on top of the machine.

    The basis is the weakest of the readings: one estimate among measurements makes the sum partly measured.
    """
    read = list(charges)
    energy = [charge for charge in read if charge.meter == METER]
    tokens = sum(charge.quantity for charge in read if charge.meter in _TOKEN_METERS)
    joules = sum(charge.quantity for charge in energy) / 1000 * _checked_pue(pue)
    bases = {charge.basis for charge in energy}
    basis: Basis = (
        "unknown"
        if not bases
        else "measured"
        if bases == {"measured"}
        else "partly measured"
        if "measured" in bases
        else "estimated"
    )
    return Footprint(Joules(joules), _carbon(joules, intensity), basis, Tokens(tokens) if tokens else None)


def estimated(
    power: Watts,
    time: Seconds,
    intensity: CarbonIntensity,
    *,
    devices: float = 1,
    busy: float = 1.0,
    idle_power: float = 0.25,
    pue: float = 1.3,
    tokens: Tokens | None = None,
) -> Footprint:
    """The footprint of `devices` of a board power, busy for a share of the time and drawing `idle_power` of it for the rest.

    Raises `BadInput` for shares outside 0 to 1 and a PUE below 1.
    """
    for field, share in (("busy", busy), ("idle_power", idle_power)):
        if not 0 <= share <= 1:
            raise BadInput(f"{field} is out of range", expected="0 to 1", got=repr(share))
    drawn = float(amount("power", power, Watts, low="0 W")) * devices * (busy + (1 - busy) * idle_power)
    joules = drawn * float(amount("time", time, Seconds, low=0)) * _checked_pue(pue)
    return Footprint(Joules(joules), _carbon(joules, intensity), "estimated", tokens)


def grid(name: str) -> CarbonIntensity:
    """Carbon intensity of a country's or region's electricity. Raises `NotFound` with the nearest names."""
    return named("grid", name, grids())


@cache
def grids() -> dict[str, CarbonIntensity]:
    text = files("pickaxe.compute.planner").joinpath("data", "grids.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)
    return {key: CarbonIntensity.parse(f"{value} gCO2/kWh") for key, value in document["grids"].items()}


def _carbon(joules: float, intensity: CarbonIntensity) -> Carbon:
    return Carbon(joules * float(amount("carbon_intensity", intensity, CarbonIntensity)))


def _checked_pue(pue: float) -> float:
    if not 1 <= pue <= 5:
        raise BadInput("pue is out of range", expected="1 to 5", got=repr(pue))
    return pue
