"""What may come in: bounds of each kind of quantity, nearest known names, unknown keys. Everything raises `BadInput` naming the field."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

from pickaxe.compute.planner.quantities import units
from pickaxe.compute.planner.quantities.unit_text import describe
from pickaxe.compute.planner.quantities.units import Quantity
from pickaxe.kernel.errors import BadInput, NotFound
from pickaxe.kernel.nearest import did_you_mean

Q = TypeVar("Q", bound=Quantity)
V = TypeVar("V")

# Far outside what anybody plans: beyond these a unit was mixed up, not a plan made.
_SANE: dict[type[Quantity], tuple[str, str]] = {
    units.Flop: ("1 FLOP", "1e30 FLOP"),
    units.FlopRate: ("1 kFLOP/s", "1e24 FLOP/s"),
    units.Bytes: ("1 B", "1000000 PB"),
    units.Bandwidth: ("1 B/s", "1000 PB/s"),
    units.Seconds: ("1 ns", "1000 years"),
    units.Tokens: ("1 token", "1e17 tokens"),
    units.TokenRate: ("1e-6 tokens/s", "1e15 tokens/s"),
    units.Parameters: ("1 param", "1e16 params"),
    units.Joules: ("1 nJ", "1e21 J"),
    units.Watts: ("1 mW", "1 TW"),
    units.Devices: ("1 GPU", "100M GPU"),
    units.DeviceTime: ("1e-6 GPU-h", "1e13 GPU-h"),
    units.Money: ("$0", "$1e15"),
    units.DevicePrice: ("$0/GPU-h", "$100000/GPU-h"),
    units.TokenPrice: ("$0/M tokens", "$1e6/M tokens"),
    units.EnergyPrice: ("$0/kWh", "$1000/kWh"),
    units.CarbonIntensity: ("0 gCO2/kWh", "10000 gCO2/kWh"),
}


def amount(
    field: str, value: str | float, kind: type[Q], *, low: str | float | None = None, high: str | float | None = None
) -> Q:
    """Read `value` as a `kind` within [low, high] (by default the sane range of its kind).

    Raises `BadInput` naming the field and the range for NaN, infinity, another unit, or anything outside.
    """
    if isinstance(value, Quantity) and kind.fixed is not None and value.dimension != kind.fixed:
        raise BadInput(
            f"{field} has the wrong unit",
            expected=f"{describe(kind.fixed)}, such as {kind.example!r}",
            got=f"{value}, which is {describe(value.dimension)}",
            remedy="check which number belongs in this field",
        )
    read = kind(value) if isinstance(value, Quantity) else kind.parse(value, field=field)
    lowest, highest = _SANE.get(kind, ("0", "1e30"))
    floor, ceiling = _bound(kind, lowest if low is None else low), _bound(kind, highest if high is None else high)
    if not math.isfinite(float(read)) or not float(floor) <= float(read) <= float(ceiling):
        raise BadInput(
            f"{field} is out of range",
            expected=f"{floor} to {ceiling}",
            got=repr(value) if isinstance(value, str) else _shown(read),
            remedy=_meant(kind, value, float(ceiling)),
        )
    return read


def _percent(value: Any) -> str | None:
    """A number above 1 where a share belongs is perhaps a percentage."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"this is a share: for a percentage write '{value:g}%'" if is_number and 1 < value <= 100 else None


def _meant(kind: type[Quantity], value: Any, most: float) -> str | None:
    """What was perhaps meant by a number that is out of range: a percentage, or a figure without its unit."""
    if isinstance(value, (str, Quantity)) or not math.isfinite(value):
        return None
    if kind is units.Number:
        return _percent(value) if most <= 1 else None
    return f"a number without a unit is {_shown(kind(1))}: write the unit, such as {kind.example!r}" if value else None


@cache
def _bound(kind: type[Q], text: str | float) -> Q:
    return kind.parse(text)


def share(field: str, value: str | float, *, low: float = 0.0, high: float = 1.0, open_low: bool = False) -> float:
    """A share between `low` and `high`, written 0.43 or "43%"; `open_low` refuses the lower end itself."""
    read = float(units.Number.parse(value, field=field))
    if not math.isfinite(read) or not low <= read <= high or (open_low and read == low):
        raise BadInput(
            f"{field} is out of range",
            expected=f"{'above ' if open_low else ''}{low:g} to {high:g}",
            got=repr(value),
            remedy=_percent(value),
        )
    return read


def count(field: str, value: Any, *, low: int = 1, high: int = 10**9) -> int:
    """A whole number between `low` and `high`; "2k" and 2048.0 are whole numbers, 2.5 and True are not."""
    if type(value) is int and low <= value <= high:  # a search makes layouts by the ten thousand
        return value
    read = float(units.Number.parse(value, field=field)) if not isinstance(value, bool) else math.nan
    if not math.isfinite(read) or read != int(read) or not low <= read <= high:
        raise BadInput(f"{field} is out of range", expected=f"a whole number from {low} to {high}", got=repr(value))
    return int(read)


def one_of(field: str, value: Any, known: Iterable[str]) -> str:
    """A word of `known`, whatever its case. Raises `BadInput` with the nearest one."""
    names = list(known)
    by_fold = {name.casefold(): name for name in names}
    if isinstance(value, str) and value.strip().casefold() in by_fold:
        return by_fold[value.strip().casefold()]
    raise BadInput(f"{field}: {value!r} is not known", expected=_known(names), got=repr(value), remedy=nearest(value, names))


def named(what: str, name: str, known: Mapping[str, V]) -> V:
    """The entry of a catalogue by its name or alias-folded name. Raises `NotFound` with the nearest names."""
    folded = {_fold(key): value for key, value in known.items()}
    if isinstance(name, str) and _fold(name) in folded:
        return folded[_fold(name)]
    raise NotFound(f"no {what} is called {name!r}", expected=_known(list(known)), got=repr(name), remedy=nearest(name, known))


def only_keys(where: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    """Refuse keys that nobody reads: a misspelt key would silently change nothing."""
    names = list(allowed)
    for key in given:
        if key not in names:
            raise BadInput(f"{where} has no field {key!r}", expected=_known(names), got=repr(key), remedy=nearest(key, names))


def nearest(name: Any, known: Iterable[str]) -> str | None:
    """ "did you mean ..." with up to three names that look like `name`; None when nothing does."""
    return did_you_mean(str(name), known)


def _fold(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum() or letter == ".")


def _known(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:40])
    return f"one of {shown}" + (f" and {len(names) - 40} more" if len(names) > 40 else "")


def _shown(value: Quantity) -> str:
    return str(value) if math.isfinite(float(value)) else repr(float(value))
