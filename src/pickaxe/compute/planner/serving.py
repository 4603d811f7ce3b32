"""`pickaxe plan serve`: what it costs to serve a model for a stated traffic, and how fast it answers.

The arithmetic of one replica is in `inference`; this file adds the traffic, the promises (SLO), the money and the alternatives.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pickaxe.compute.planner import hardware, models
from pickaxe.compute.planner.calculator import (
    Choice,
    Field,
    Forecast,
    Inputs,
    Results,
    Values,
    day_of,
    forecast,
    middle,
    read_inputs,
)
from pickaxe.compute.planner.checks import count
from pickaxe.compute.planner.hardware import Accelerator
from pickaxe.compute.planner.inference import (
    KV_BYTES,
    WEIGHT_BYTES,
    Draft,
    Replica,
    Request,
    Speed,
    Steady,
    fastest_within,
    fewest_devices,
    most_sequences,
    steady,
)
from pickaxe.compute.planner.models import Architecture
from pickaxe.compute.planner.prices import PriceRow, shipped_prices, usual_range
from pickaxe.compute.planner.units import DevicePrice, Devices, Money, Number, Seconds, TokenPrice, TokenRate, Tokens
from pickaxe.compute.planner.words import note
from pickaxe.kernel.errors import BadInput

DAY = 86_400.0
_MAX_DEVICES = 1024
HEADLINES = ("cost_day", "price_out", "first_token")

FIELDS = (
    Field("tokens_in", Tokens, None, "1 token", "10M tokens"),
    Field("tokens_out", Tokens, None, "1 token", "1M tokens"),
    Field("requests_day", Number, 100_000, 1, 1e12),
    Field("peak", Number, 3, 1, 1000),
    Field("spare", Number, 0.2, 0, 0.95),
    Field("elastic", Number, 0, 0, 1),
    Field("prefix_hit", Number, 0, 0, 0.99),
    Field("first_token_limit", Seconds, "2 s", "1 ms", "1 h"),
    Field("token_limit", Seconds, "100 ms", "10 us", "10 min"),
    Field("prefill_efficiency", Number, (0.35, 0.5, 0.7), 0.01, 1),
    Field("decode_efficiency", Number, (0.5, 0.65, 0.85), 0.01, 1),
    Field("step_overhead", Seconds, ("0.5 ms", "2 ms", "5 ms"), "0 s", "1 s"),
    Field("memory_reserve", Number, (0.08, 0.1, 0.15), 0, 0.9),
    Field("draft_accepted", Number, 0.7, 0, 0.999),
    Field("draft_cost", Number, 0.1, 0, 1),
    Field("price", DevicePrice, None, "$0/GPU-h", "$1000/GPU-h"),
)
"""Defaults of the efficiencies: MFU of prefill and share of the bandwidth in decode as engines reach them (Pope et al. 2022, figures 1 and C.1:
prefill 40–76% of the peak; decode at large batches over half of the bandwidth); the overhead is scheduling and launches."""

ALSO = ("devices_per_replica", "draft_length")


def choices() -> tuple[Choice, ...]:
    return (
        Choice("model", None, models.presets),
        Choice("device", None, hardware.load),
        Choice("weights", "bf16", lambda: WEIGHT_BYTES),
        Choice("kv", "bf16", lambda: KV_BYTES),
    )


def plan_serving(
    scenario: Mapping[str, Any],
    *,
    model: Architecture | None = None,
    device: Accelerator | None = None,
    prices: Iterable[PriceRow] | None = None,
) -> Forecast:
    """Forecast of a scenario; `model` and `device` stand in for the named ones where they were read from a file or a probe.

    Raises `BadInput` for what cannot be read and for a model that does not fit, with the number of devices that it takes.
    """
    named = dict(scenario)
    known_models = models.presets() | ({model.name: model} if model else {})
    known_devices = hardware.load() | ({device.key: device} if device else {})
    if model is not None:
        named["model"] = model.name
    if device is not None:
        named["device"] = device.key
    elif isinstance(named.get("device"), str):
        named["device"] = hardware.find(named["device"]).key
    if "price" not in named and named.get("device") in known_devices:
        named["price"] = _market_price(named["device"], prices, named)
    chosen = [
        replace(item, known=lambda names=names: names) if names else item
        for item, names in zip(choices(), (known_models, known_devices, None, None), strict=True)
    ]
    inputs = read_inputs(named, FIELDS, chosen, also=ALSO, where="serve")
    inputs = replace(inputs, given=frozenset(scenario))
    draft_length = count("draft_length", named.get("draft_length", 0), low=0, high=32)
    at = middle(inputs)
    arch, accelerator = known_models[inputs.choices["model"]], known_devices[inputs.choices["device"]]
    replica = _replica(arch, accelerator, inputs, at, named.get("devices_per_replica", 0))
    notes = _notes(replica, at, draft_length)
    return forecast(
        "serve",
        inputs,
        lambda values: outcomes(replica, values, draft_length),
        HEADLINES,
        notes=notes,
        extra={"devices_per_replica": replica.devices, "alternatives": alternatives(replica, at, draft_length)},
    )


def outcomes(replica: Replica, values: Values, draft_length: int = 0) -> Results:
    """Results for one draw of the fields. Where no batch keeps the promises, what would be needed is infinite."""
    speed, request, draft = _read(values, draft_length)
    found = fastest_within(
        replica,
        speed,
        request,
        first_token_s=float(values["first_token_limit"]),
        token_s=float(values["token_limit"]),
        draft=draft,
    )
    alone = steady(replica, speed, request, 1, draft)
    return _results(replica, values, request, draft, alone, found)


def _results(replica: Replica, values: Values, request: Request, draft: Draft, alone: Steady, found: Steady | None) -> Results:
    at = found or alone
    tokens_in, tokens_out = float(values["tokens_in"]), float(values["tokens_out"])
    mean = float(values["requests_day"]) / DAY
    held = at.requests_per_s * (1 - float(values["spare"])) if found else 0.0
    replicas = math.ceil(mean * float(values["peak"]) / held - 1e-9) if held else math.inf
    elastic = float(values["elastic"])
    paid = replicas * (1 - elastic) + max(1.0, mean / held) * elastic if held else math.inf
    second = float(values["price"]) * replica.devices
    busy = mean / (paid * at.requests_per_s) if held else 0.0
    full = second if held else math.inf
    worth = second / busy if busy else math.inf
    in_share, out_share = at.prefill_s / tokens_in, at.step_s / (draft.tokens_per_step * at.batch)
    return {
        "cost_day": Money(paid * second * DAY),
        "cost_request": Money(paid * second / mean),
        "price_in": TokenPrice(worth * in_share),
        "price_out": TokenPrice(worth * out_share),
        "full_price_in": TokenPrice(full * in_share),
        "full_price_out": TokenPrice(full * out_share),
        "first_token": Seconds(at.first_token_s),
        "token_time": Seconds(at.token_s),
        "answer_time": Seconds(at.first_token_s + at.token_s * max(0.0, tokens_out - 1)),
        "single_rate": TokenRate(1 / alone.token_s),
        "replica_rate": TokenRate(at.requests_per_s * tokens_out),
        "replica_requests": Number(at.requests_per_s),
        "concurrency": Number(at.batch if found else 0),
        "replicas": Number(replicas),
        "devices": Devices(replicas * replica.devices),
        "busy": Number(busy),
    }


def alternatives(replica: Replica, values: Values, draft_length: int) -> list[dict[str, Any]]:
    """Other formats of the weights and other splits on the same device, cheapest first; what falls out says why."""
    rows: list[dict[str, Any]] = []
    speed, request, _ = _read(values, draft_length)
    for weights in dict.fromkeys((replica.weights, "bf16", "fp8", "int4")):
        if weights == "fp8" and "fp8" not in replica.device.peak:
            continue
        for devices in sorted({replica.devices, 1, 2, 4, 8, 16}):
            other = Replica(replica.model, replica.device, devices, weights, replica.kv)
            row: dict[str, Any] = {"weights": weights, "devices_per_replica": devices}
            if most_sequences(other, speed, request) < 1:
                rows.append(row | {"cost_day": None, "why": note("does_not_fit")})
                continue
            came = outcomes(other, values, draft_length)
            fits = math.isfinite(came["cost_day"])
            rows.append(
                row
                | {name: float(came[name]) for name in ("first_token", "token_time", "concurrency")}
                | {name: float(came[name]) if fits else None for name in ("cost_day", "devices")}
                | {"why": "" if fits else note("breaks_promise")}
            )
    return sorted(rows, key=lambda row: (row["cost_day"] is None, row["cost_day"] or 0.0, row["devices_per_replica"]))


def _read(values: Values, draft_length: int) -> tuple[Speed, Request, Draft]:
    speed = Speed(
        float(values["prefill_efficiency"]),
        float(values["decode_efficiency"]),
        float(values["step_overhead"]),
        float(values["memory_reserve"]),
    )
    request = Request(float(values["tokens_in"]), float(values["tokens_out"]), float(values["prefix_hit"]))
    return speed, request, Draft(draft_length, float(values["draft_accepted"]), float(values["draft_cost"]))


def _replica(arch: Architecture, device: Accelerator, inputs: Inputs, at: Values, wanted: Any) -> Replica:
    weights, kv = inputs.choices["weights"], inputs.choices["kv"]
    if arch.kind != "decoder":
        raise BadInput(f"{arch.name} is an encoder: it gives no tokens out", expected="a model that generates")
    speed, request, _ = _read(at, 0)
    least = fewest_devices(arch, device, weights, kv, speed, request)
    devices = least if wanted in (0, "auto") else count("devices_per_replica", wanted, high=_MAX_DEVICES)
    replica = Replica(arch, device, devices, weights, kv)
    if least > _MAX_DEVICES or most_sequences(replica, speed, request) < 1:
        raise BadInput(
            f"{arch.name} in {weights} does not fit on {devices} × {device.key}",
            expected=f"devices_per_replica of {least} or more",
            got=f"{replica.weight_bytes / 1e9:,.1f} GB of weights, {replica.memory * (1 - speed.reserve) / 1e9:,.1f} GB of usable memory",
            remedy="take more devices, or weights in fewer bits (weights = int4)",
        )
    return replica


def _notes(replica: Replica, at: Values, draft_length: int) -> list[str]:
    found: list[str] = []
    came = outcomes(replica, at, draft_length)
    if not math.isfinite(came["cost_day"]):
        found.append(note("promise_unreachable", first_token=came["first_token"], token=came["token_time"]))
    if replica.devices > replica.device.domain:
        found.append(note("beyond_domain", devices=replica.devices, domain=replica.device.domain, device=replica.device.key))
    if replica.weights == "fp8" and "fp8" not in replica.device.peak:
        found.append(note("no_native", weights=replica.weights, device=replica.device.key))
    longest = replica.model.max_length
    if longest and float(at["tokens_in"]) + float(at["tokens_out"]) > longest:
        found.append(note("beyond_context", tokens=int(at["tokens_in"] + at["tokens_out"]), longest=longest))
    return found


def _market_price(device: str, prices: Iterable[PriceRow] | None, scenario: Mapping[str, Any]) -> Any:
    """The range of asking prices, on demand, on the scenario's day."""
    day = day_of(scenario)
    found = usual_range(shipped_prices() if prices is None else prices, device, "on demand", day)
    if found is None:
        raise BadInput(
            f"no market price of {device} is known for {day}", expected="price, such as '$2.40/GPU-h'", remedy="give price"
        )
    return list(found)
