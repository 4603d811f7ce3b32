"""`pickaxe plan pool`: what a pool of accelerators costs its owner, what renting would cost, and who makes money at which utilisation.

Ownership: capital as an annuity over the life (less what is left at its end), upkeep, power × PUE, space and staff. All but a part of the
power is due whether the devices work or not, so the cost of a *used* hour falls with utilisation and the gross margin of a seller is
1 - (fixed + variable·u) / (price·u), with break-even at u = fixed / (price - variable).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pickaxe.compute.planner.calculator import Choice, Field, Forecast, Results, Values, day_of, forecast, middle, read_inputs
from pickaxe.compute.planner.catalogue import hardware
from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.catalogue.prices import PriceRow, hearsay, prices_of, purchase_ranges, usual_range
from pickaxe.compute.planner.quantities.units import DevicePrice, Devices, EnergyPrice, Money, Number, Seconds, Watts
from pickaxe.compute.planner.words import Note, note

HOUR, YEAR, KWH = 3600.0, 365.25 * 86_400.0, 3.6e6
HEADLINES = ("margin", "own_used_hour", "break_even")
_NO_INTEREST = 1e-12
"""Below it an annuity is the price by the year, as far as floating point can tell."""

FIELDS = (
    Field("devices", Devices, "8 GPU", "1 GPU", "10M GPU"),
    Field("utilisation", Number, (0.4, 0.6, 0.8), 0.001, 1),
    Field("device_cost", Money, None, "$1", "$10M"),
    Field("system_share", Number, (0.3, 0.45, 0.7), 0, 10),
    Field("life", Seconds, ("3 years", "4 years", "6 years"), "1 month", "30 years"),
    Field("residual", Number, (0.0, 0.1, 0.25), 0, 0.95),
    Field("interest", Number, (0.05, 0.08, 0.12), 0, 1),
    Field("upkeep", Number, (0.02, 0.04, 0.06), 0, 1),
    Field("device_power", Watts, None, "1 W", "100 kW"),
    Field("system_power", Number, (0.25, 0.35, 0.5), 0, 10),
    Field("idle_power", Number, (0.15, 0.25, 0.35), 0, 1),
    Field("pue", Number, (1.1, 1.3, 1.6), 1, 5),
    Field("electricity", EnergyPrice, ("$0.06/kWh", "$0.10/kWh", "$0.16/kWh"), "$0/kWh", "$10/kWh"),
    Field("space_month", Money, ("$60", "$110", "$180"), "$0", "$100000"),
    Field("staff_year", Money, ("$300", "$800", "$2000"), "$0", "$10M"),
    Field("rent_price", DevicePrice, None, "$0/GPU-h", "$1000/GPU-h"),
    Field("sale_price", DevicePrice, None, "$0/GPU-h", "$1000/GPU-h"),
    Field("reserved_price", DevicePrice, None, "$0/GPU-h", "$1000/GPU-h"),
)
"""Defaults: system_share is the servers' and network's part on top of the device, system_power theirs on top of the board's; space_month is
colocation for a kW and month; staff_year is for one device. PUE: the Uptime Institute's survey mean is 1.5–1.6, large operators report 1.1."""

_RESERVED_SHARE = (0.45, 0.7)
"""Reserved over on-demand price where no reserved row is known: one to three years, as the large clouds list them."""


def choices() -> tuple[Choice, ...]:
    return (Choice("device", "H100", hardware.load),)


def plan_pool(
    scenario: Mapping[str, Any], *, device: Accelerator | None = None, prices: Iterable[PriceRow] | None = None
) -> Forecast:
    """Forecast of a scenario; its device is a name or a table of an accelerator's fields. Raises `BadInput` for what cannot be read, and for a device whose price is neither known nor given."""
    given = {"device": "H100"} | dict(scenario)
    if isinstance(given["device"], Mapping):
        device = hardware.parse({str(given["device"].get("name", "own device")): given["device"]}, where="device").popitem()[1]
    if device is not None:
        given["device"] = device.key
    known = hardware.load() | ({device.key: device} if device else {})
    if isinstance(given["device"], str):
        given["device"] = hardware.find(given["device"], known).key
    named = known.get(given["device"]) if isinstance(given["device"], str) else None
    rows = prices_of(given) if prices is None else tuple(prices)
    filled, guessed = _from_catalogue(given, named, rows)
    inputs = read_inputs(filled, FIELDS, [replace(choices()[0], known=lambda: known)], also=("prices",), where="pool")
    inputs = replace(inputs, given=frozenset(scenario))
    at = outcomes(middle(inputs))
    notes = [note("never_breaks_even")] if not math.isfinite(at["break_even"]) or at["break_even"] > 1 else []
    if guessed:
        low, high = _RESERVED_SHARE
        notes.append(note("reserved_estimated", low=f"{low:.0%}", high=f"{high:.0%}"))
    notes += _hearsay(given, named, rows)
    return forecast("pool", inputs, outcomes, HEADLINES, notes=notes, extra={"curve": utilisation_curve(middle(inputs))})


def outcomes(values: Values) -> Results:
    """Results for one draw. Money per hour is for one device."""
    fixed, variable, parts = hourly_cost(values)
    used, devices = float(values["utilisation"]), float(values["devices"])
    sale, rent, reserved = (float(values[name]) * HOUR for name in ("sale_price", "rent_price", "reserved_price"))
    held = fixed + variable * used
    return {
        "own_held_hour": _hourly(held),
        "own_used_hour": _hourly(held / used),
        "capital_hour": _hourly(parts["capital"]),
        "power_hour": _hourly(parts["idle_power"] + variable * used),
        "space_hour": _hourly(parts["space"]),
        "staff_hour": _hourly(parts["staff"]),
        "rent_used_hour": _hourly(rent),
        "reserved_used_hour": _hourly(reserved / used),
        "revenue_year": Money(sale * used * devices * YEAR / HOUR),
        "cost_year": Money(held * devices * YEAR / HOUR),
        "margin": Number(margin(fixed, variable, sale, used)),
        "break_even": Number(break_even(fixed, variable, sale)),
        "own_over_rent": Number(break_even(fixed, variable, rent)),
        "reserved_over_rent": Number(reserved / rent if rent else math.inf),
        "payback": Seconds(_payback(values, parts, variable, sale)),
        "investment": Money(devices * float(values["device_cost"]) * (1 + float(values["system_share"]))),
    }


def margin(fixed: float, variable: float, price: float, utilisation: float) -> float:
    """Gross margin of a seller of hours: `fixed` and `variable` cost and `price` of one device and hour, in the same money.

    With fixed costs only, 1 - (fixed/price) / utilisation: the two figures 81.8% at full and 63.6% at half use fix the cost's share.
    """
    revenue = price * utilisation
    return 1 - (fixed + variable * utilisation) / revenue if revenue else -math.inf


def break_even(fixed: float, variable: float, price: float) -> float:
    """The utilisation at which the margin is zero; infinite where a sold hour does not even pay its power."""
    return fixed / (price - variable) if price > variable else math.inf


def hourly_cost(values: Values) -> tuple[float, float, dict[str, float]]:
    """Fixed and variable cost of owning one device for an hour, in dollars, and the fixed part by cause."""
    price = float(values["device_cost"]) * (1 + float(values["system_share"]))
    capital = annuity(price, price * float(values["residual"]), float(values["life"]) / YEAR, float(values["interest"])) / (
        YEAR / HOUR
    )
    watts = float(values["device_power"]) * (1 + float(values["system_power"]))
    full = watts * float(values["pue"]) * HOUR * float(values["electricity"])
    idle = full * float(values["idle_power"])
    parts = {
        "capital": capital + price * float(values["upkeep"]) / (YEAR / HOUR),
        "idle_power": idle,
        "space": watts / 1000 * float(values["space_month"]) * 12 / (YEAR / HOUR),
        "staff": float(values["staff_year"]) / (YEAR / HOUR),
    }
    return sum(parts.values()), full - idle, parts


def annuity(price: float, residual: float, years: float, interest: float) -> float:
    """Equal yearly payment that buys something for `price`, sells it for `residual` after `years`, at `interest` a year."""
    if interest < _NO_INTEREST:
        return (price - residual) / years
    gained = math.expm1(years * math.log1p(interest))
    return (price * (1 + gained) - residual) * interest / gained


def _hearsay(given: Mapping[str, Any], device: Accelerator | None, rows: Iterable[PriceRow]) -> list[Note]:
    """What the prices that were filled in rest on, where that is not much."""
    if device is None:
        return []
    asked = {"rent_price": "on demand", "reserved_price": "reserved"}
    found = [item for name, kind in asked.items() if name not in given for item in hearsay(rows, device.key, kind, day_of(given))]
    bought = "device_cost" not in given and device.key in purchase_ranges()
    return [*found, note("purchase_hearsay", device=device.key)] if bought else found


def utilisation_curve(values: Values, points: int = 20) -> list[dict[str, float]]:
    """Cost of a used hour and margin by utilisation: what a page plots."""
    fixed, variable, _ = hourly_cost(values)
    sale = float(values["sale_price"]) * HOUR
    shares = [(index + 1) / points for index in range(points)]
    return [{"utilisation": u, "used_hour": fixed / u + variable, "margin": margin(fixed, variable, sale, u)} for u in shares]


def _payback(values: Values, parts: Mapping[str, float], variable: float, sale: float) -> float:
    """Time until what comes in, less power, space, staff and upkeep, has paid the purchase; infinite where nothing is left."""
    used = float(values["utilisation"])
    price = float(values["device_cost"]) * (1 + float(values["system_share"]))
    running = parts["idle_power"] + parts["space"] + parts["staff"] + variable * used
    left = sale * used - running - price * float(values["upkeep"]) / (YEAR / HOUR)
    return price / left * HOUR if left > 0 else math.inf


def _hourly(dollars: float) -> DevicePrice:
    return DevicePrice(dollars / HOUR)


def _from_catalogue(given: dict[str, Any], device: Accelerator | None, rows: Iterable[PriceRow]) -> tuple[dict[str, Any], bool]:
    """What the catalogues know of the device, where the scenario says nothing; whether the reserved price is a guess."""
    if device is None:
        return given, False  # the choice itself refuses it, with the nearest name
    filled = dict(given)
    day, rows = day_of(given), list(rows)
    rent = usual_range(rows, device.key, "on demand", day)
    if rent is not None:
        filled.setdefault("rent_price", list(rent))
    if "rent_price" in filled:
        filled.setdefault("sale_price", filled["rent_price"])
    reserved = usual_range(rows, device.key, "reserved", day)
    if reserved is not None:
        filled.setdefault("reserved_price", list(reserved))
    guessed = "reserved_price" not in filled and rent is not None
    if rent is not None:
        filled.setdefault("reserved_price", [DevicePrice(rent[0] * share) for share in _RESERVED_SHARE])
    if device.power is not None:
        filled.setdefault("device_power", device.power)
    bought = purchase_ranges().get(device.key)
    if bought is not None:
        filled.setdefault("device_cost", list(bought))
    return filled, guessed
