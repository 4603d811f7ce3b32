"""`pickaxe plan serve`: what it costs to serve a model for a stated traffic, and how fast it answers.

The arithmetic of one replica is in `inference`, that of traffic and money in `traffic`; this file reads the scenario and says what does not fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pickaxe.compute.planner.calculator import (
    Choice,
    Forecast,
    Inputs,
    Values,
    day_of,
    forecast,
    middle,
    read_inputs,
)
from pickaxe.compute.planner.catalogue import hardware, models
from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.catalogue.models import Architecture
from pickaxe.compute.planner.catalogue.prices import KINDS, PriceRow, hearsay, kind_of, prices_of, usual_range
from pickaxe.compute.planner.energy import grid, grids
from pickaxe.compute.planner.quantities.checks import count
from pickaxe.compute.planner.quantities.units import Watts
from pickaxe.compute.planner.serving.inference import KV_BYTES, SPREADS, WEIGHT_BYTES, Replica, Request, Speed, most_sequences
from pickaxe.compute.planner.serving.traffic import FIELDS, alternatives, outcomes, speed_request_draft
from pickaxe.compute.planner.words import Note, in_all, note
from pickaxe.kernel.errors import BadInput

_MAX_DEVICES = 1024
HEADLINES = ("cost_day", "price_out", "first_token")

ALSO = ("devices_per_replica", "draft_length", "prices")


def choices() -> tuple[Choice, ...]:
    return (
        Choice("model", None, models.presets),
        Choice("device", None, hardware.load),
        Choice("weights", "bf16", lambda: WEIGHT_BYTES),
        Choice("kv", "bf16", lambda: KV_BYTES),
        Choice("grid", "world", grids),
        Choice("parallel", "auto", lambda: ("auto", *SPREADS)),
        Choice("price_kind", KINDS[0], lambda: KINDS),
    )


@dataclass(frozen=True, slots=True)
class Serving:
    """A scenario that was read and fits: one replica, the fields, and what has to be said about them."""

    replica: Replica
    inputs: Inputs
    draft_length: int
    notes: tuple[Note, ...]


def plan_serving(
    scenario: Mapping[str, Any],
    *,
    model: Architecture | None = None,
    device: Accelerator | None = None,
    prices: Iterable[PriceRow] | None = None,
) -> Forecast:
    """Forecast of a scenario; see `read_serving` for the arguments and the errors."""
    found = read_serving(scenario, model=model, device=device, prices=prices)
    return forecast(
        "serve",
        found.inputs,
        lambda values: outcomes(found.replica, values, found.draft_length),
        HEADLINES,
        notes=found.notes,
        extra={
            "devices_per_replica": found.replica.devices,
            "parallel": found.replica.spread,
            "alternatives": alternatives(found.replica, middle(found.inputs), found.draft_length),
        },
    )


def read_serving(
    scenario: Mapping[str, Any],
    *,
    model: Architecture | None = None,
    device: Accelerator | None = None,
    prices: Iterable[PriceRow] | None = None,
) -> Serving:
    """Read a scenario. Its model is a preset's name or a table of an architecture's fields, its device a name of the catalogue or a
    table of an accelerator's; `model` and `device` stand in for both where they were read from a file or a probe.

    Raises `BadInput` for what cannot be read and for a model that does not fit, with the number of devices that it takes.
    """
    named, rows = dict(scenario), prices_of(scenario) if prices is None else tuple(prices)
    if isinstance(named.get("model"), Mapping):
        model = models.from_mapping(str(named["model"].get("name", "own model")), named["model"])
    if isinstance(named.get("device"), Mapping):
        device = hardware.parse({str(named["device"].get("name", "own device")): named["device"]}, where="device").popitem()[1]
    known_models = models.presets() | ({model.name: model} if model else {})
    known_devices = hardware.load() | ({device.key: device} if device else {})
    if model is not None:
        named["model"] = model.name
    elif isinstance(named.get("model"), str):
        named["model"] = models.find(named["model"]).name
    if device is not None:
        named["device"] = device.key
    elif isinstance(named.get("device"), str):
        named["device"] = hardware.find(named["device"]).key
    if "price" not in named and isinstance(named.get("device"), str):
        named["price"] = _market_price(named["device"], rows, named)
    if isinstance(named.get("device"), str) and named["device"] in known_devices:
        named.setdefault("device_power", known_devices[named["device"]].power or Watts(0))
    named.setdefault("carbon_intensity", grid(named.get("grid", "world")))
    chosen = [
        replace(item, known=lambda names=names: names) if names else item
        for item, names in zip(choices(), (known_models, known_devices, *[None] * (len(choices()) - 2)), strict=True)
    ]
    inputs = replace(read_inputs(named, FIELDS, chosen, also=ALSO, where="serve"), given=frozenset(scenario))
    draft_length = count("draft_length", named.get("draft_length", 0), low=0, high=32)
    at = middle(inputs)
    arch, accelerator = known_models[inputs.choices["model"]], known_devices[inputs.choices["device"]]
    replica = _replica(arch, accelerator, inputs, at, named.get("devices_per_replica", 0), draft_length)
    unsourced = [] if "price" in scenario else hearsay(rows, accelerator.key, kind_of(scenario), day_of(scenario))
    return Serving(replica, inputs, draft_length, (*models.doubts(arch), *_notes(replica, at, draft_length), *unsourced))


def _fewest_devices(alone: Replica, speed: Speed, request: Request) -> int:
    """The smallest power of two of devices that holds the weights and at least one call's cache; 2**20 for none."""
    devices = 1
    while devices < 2**20 and most_sequences(replace(alone, devices=devices), speed, request) < 1:
        devices *= 2
    return devices


def _splits(least: int, alone: Replica) -> list[int]:
    """The fewest devices that hold the model, and more by doubling: within the fast domain, or as far as there are experts to spread."""
    most = alone.model.experts if alone.by_experts else alone.device.domain
    return [least, *(least * 2**step for step in range(1, 5) if least * 2**step <= most)]


def _cheapest(replicas: list[Replica], at: Values, draft_length: int) -> Replica:
    """The cheapest of these for the stated traffic, the one with the fewest devices among equals."""
    return min(replicas, key=lambda replica: (float(outcomes(replica, at, draft_length)["cost_day"]), replica.devices))


def _replica(arch: Architecture, device: Accelerator, inputs: Inputs, at: Values, wanted: Any, draft_length: int) -> Replica:
    weights, kv = inputs.choices["weights"], inputs.choices["kv"]
    if arch.kind != "decoder":
        raise BadInput(f"{arch.name} is an encoder: it gives no tokens out", expected="a model that generates")
    speed, request, _ = speed_request_draft(at, 0)
    least, found = 2**20, list[Replica]()
    number = (
        0
        if wanted == "auto" or (type(wanted) is int and wanted == 0)
        else count("devices_per_replica", wanted, high=_MAX_DEVICES)
    )
    spreads = _spreads(arch, inputs.choices["parallel"])
    for spread in spreads:
        alone = Replica(arch, device, 1, weights, kv, spread)
        fewest = _fewest_devices(alone, speed, request)
        least = min(least, fewest)
        numbers = [number] if number else _splits(fewest, alone)
        found += [replace(alone, devices=each) for each in numbers if _may(alone, each, speed, request)]
    if not found:
        tried = Replica(arch, device, number or least, weights, kv, spreads[0])
        raise BadInput(
            f"{arch.name} in {weights} does not fit on {tried.devices} × {device.key}",
            expected=f"devices_per_replica of {least} or more" + (f", at most {arch.experts}" if tried.by_experts else ""),
            got=f"{tried.held_bytes / 1e9:,.1f} GB of weights, {tried.memory * (1 - speed.reserve) / 1e9:,.1f} GB of usable memory",
            remedy="take more devices, or weights in fewer bits (weights = int4)",
            said=in_all(
                note(
                    "serves_nowhere",
                    model=arch.name,
                    weights=weights,
                    devices=tried.devices,
                    device=device.key,
                    held=f"{tried.held_bytes / 1e9:,.1f}",
                    usable=f"{tried.memory * (1 - speed.reserve) / 1e9:,.1f}",
                )
            ),
        )
    return _cheapest(found, at, draft_length) if len(found) > 1 else found[0]


def _may(alone: Replica, devices: int, speed: Speed, request: Request) -> bool:
    """Whether so many devices hold it; one without an expert would have nothing to do."""
    some = replace(alone, devices=devices)
    return devices <= (alone.model.experts if alone.by_experts else _MAX_DEVICES) and most_sequences(some, speed, request) >= 1


def _spreads(arch: Architecture, wanted: str) -> tuple[str, ...]:
    if wanted == "experts" and not arch.experts:
        raise BadInput(f"parallel = experts: {arch.name} has no experts to spread", expected="parallel = tensor")
    return (wanted,) if wanted != "auto" else SPREADS if arch.experts else SPREADS[:1]


def _notes(replica: Replica, at: Values, draft_length: int) -> list[Note]:
    found: list[Note] = []
    came = outcomes(replica, at, draft_length)
    if not math.isfinite(came["cost_day"]):
        found.append(note("promise_unreachable", first_token=came["first_token"], token=came["token_time"]))
    if replica.devices > replica.device.domain:
        found.append(note("beyond_domain", devices=replica.devices, domain=replica.device.domain, device=replica.device.key))
    if replica.weights in ("fp8", "fp4") and replica.weights not in replica.device.peak:
        found.append(note("no_native", weights=replica.weights, device=replica.device.key))
    longest = replica.model.max_length
    if longest and float(at["tokens_in"]) + float(at["tokens_out"]) > longest:
        found.append(note("beyond_context", tokens=int(at["tokens_in"] + at["tokens_out"]), longest=longest))
    return found


def _market_price(device: str, rows: Iterable[PriceRow], scenario: Mapping[str, Any]) -> Any:
    """The range of asking prices on the scenario's day, of the kind that it pays."""
    day, kind = day_of(scenario), kind_of(scenario)
    found = usual_range(rows, device, kind, day)
    if found is None:
        raise BadInput(
            f"no market price of {device} ({kind}) is known for {day}",
            expected="price, such as '$2.40/GPU-h'",
            remedy="give price",
        )
    return list(found)
