"""What one replica's speed means for a stated traffic: promises, replicas, money, and the alternatives on the same device."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import Any

from pickaxe.compute.planner.calculator import Field, Results, Values
from pickaxe.compute.planner.energy import estimated
from pickaxe.compute.planner.quantities.units import (
    Carbon,
    CarbonIntensity,
    DevicePrice,
    Devices,
    Joules,
    Money,
    Number,
    Seconds,
    TokenPrice,
    TokenRate,
    Tokens,
    Watts,
)
from pickaxe.compute.planner.serving.inference import (
    SPREADS,
    Draft,
    Replica,
    Request,
    Speed,
    Steady,
    fastest_within,
    most_sequences,
    steady,
)
from pickaxe.compute.planner.words import note

DAY = 86_400.0

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
    Field("prefill_efficiency", Number, (0.4, 0.65, 0.85), 0.01, 1),
    Field("decode_efficiency", Number, (0.75, 0.8, 0.95), 0.01, 1),
    Field("link_efficiency", Number, (0.1, 0.35, 1), 0.01, 1),
    Field("step_overhead", Seconds, ("0.5 ms", "2 ms", "5 ms"), "0 s", "1 s"),
    Field("memory_reserve", Number, (0.08, 0.1, 0.15), 0, 0.9),
    Field("draft_accepted", Number, 0.7, 0, 0.999),
    Field("draft_cost", Number, 0.1, 0, 1),
    Field("price", DevicePrice, None, "$0/GPU-h", "$1000/GPU-h"),
    Field("device_power", Watts, None, "0 W", "100 kW"),
    Field("system_power", Number, (0.25, 0.35, 0.5), 0, 10),
    Field("idle_power", Number, (0.15, 0.25, 0.35), 0, 1),
    Field("pue", Number, (1.1, 1.3, 1.6), 1, 5),
    Field("carbon_intensity", CarbonIntensity, None, "0 gCO2/kWh", "2000 gCO2/kWh"),
)
"""Defaults of the three efficiencies: what published throughputs of one engine on A100 and H100 imply (`published_serving.derived`);
the overhead is scheduling and launches."""


def outcomes(replica: Replica, values: Values, draft_length: int = 0) -> Results:
    """Results for one draw of the fields. Where no batch keeps the promises, what would be needed is infinite."""
    speed, request, draft = speed_request_draft(values, draft_length)
    found = best_batch(replica, values, draft_length)
    alone = steady(replica, speed, request, 1, draft)
    at = found or alone
    mean = float(values["requests_day"]) / DAY
    replicas, paid = replicas_for(values, found, mean)
    second = float(values["price"]) * replica.devices
    busy = mean / (paid * at.requests_per_s)
    in_share, out_share = at.prefill_s / request.tokens_in, at.step_s / (draft.tokens_per_step * at.batch)
    full = second if found else math.inf
    worth = second / busy if busy else math.inf
    return {
        "cost_day": Money(paid * second * DAY),
        "cost_request": Money(paid * second / mean),
        "price_in": TokenPrice(worth * in_share),
        "price_out": TokenPrice(worth * out_share),
        "full_price_in": TokenPrice(full * in_share),
        "full_price_out": TokenPrice(full * out_share),
        "first_token": Seconds(at.first_token_s),
        "token_time": Seconds(at.token_s),
        "answer_time": Seconds(at.first_token_s + at.token_s * max(0.0, request.tokens_out - 1)),
        "single_rate": TokenRate(1 / alone.token_s),
        "replica_rate": TokenRate(at.requests_per_s * request.tokens_out),
        "replica_requests": Number(at.requests_per_s),
        "concurrency": Number(at.batch if found else 0),
        "replicas": Number(replicas),
        "devices": Devices(replicas * replica.devices),
        "busy": Number(busy),
    } | _footprint(replica, values, request, paid, busy, mean)


def _footprint(replica: Replica, values: Values, request: Request, paid: float, busy: float, mean: float) -> Results:
    """Energy and carbon of a day and of a token, in or out; nothing where the device's power is not known."""
    if not float(values["device_power"]):
        return {}
    if not math.isfinite(paid):
        return {"energy_day": Joules(math.inf), "energy_token": Joules(math.inf), "carbon_day": Carbon(math.inf)}
    drawn = estimated(
        Watts(float(values["device_power"]) * (1 + float(values["system_power"]))),
        Seconds(DAY),
        CarbonIntensity(values["carbon_intensity"]),
        devices=paid * replica.devices,
        busy=min(1.0, busy),
        idle_power=float(values["idle_power"]),
        pue=float(values["pue"]),
        tokens=Tokens(mean * DAY * (request.tokens_in + request.tokens_out)),
    )
    assert drawn.energy_per_token is not None
    return {"energy_day": drawn.energy, "energy_token": drawn.energy_per_token, "carbon_day": drawn.carbon}


def best_batch(replica: Replica, values: Values, draft_length: int = 0) -> Steady | None:
    """The fullest a replica may be within the promises of one draw; it does not depend on the traffic."""
    speed, request, draft = speed_request_draft(values, draft_length)
    first, following = float(values["first_token_limit"]), float(values["token_limit"])
    return fastest_within(replica, speed, request, first_token_s=first, token_s=following, draft=draft)


def replicas_for(values: Values, found: Steady | None, mean: float) -> tuple[float, float]:
    """Replicas at the peak of a mean traffic (calls per second), and how many are paid for in the mean; infinite without a batch."""
    if found is None:
        return math.inf, math.inf
    held = found.requests_per_s * (1 - float(values["spare"]))
    replicas = max(1, math.ceil(mean * float(values["peak"]) / held - 1e-9))
    elastic = float(values["elastic"])
    return replicas, replicas * (1 - elastic) + max(1.0, mean / held) * elastic


def alternatives(replica: Replica, values: Values, draft_length: int) -> list[dict[str, Any]]:
    """Other formats of the weights and other splits on the same device, cheapest first; what falls out says why."""
    rows: list[dict[str, Any]] = []
    speed, request, _ = speed_request_draft(values, draft_length)
    spreads = SPREADS if replica.model.experts else SPREADS[:1]
    for weights in dict.fromkeys((replica.weights, "bf16", "fp8", "fp4", "int4")):
        if weights in ("fp8", "fp4") and weights not in replica.device.peak:
            continue
        for spread, devices in product(spreads, sorted({replica.devices, 1, 2, 4, 8, 16})):
            if spread == "experts" and not 1 < devices <= replica.model.experts:
                continue  # on one device both are the same
            other = replace(replica, devices=devices, weights=weights, spread=spread)
            row: dict[str, Any] = {"weights": weights, "parallel": spread, "devices_per_replica": devices}
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


def speed_request_draft(values: Values, draft_length: int) -> tuple[Speed, Request, Draft]:
    speed = Speed(
        float(values["prefill_efficiency"]),
        float(values["decode_efficiency"]),
        float(values["step_overhead"]),
        float(values["memory_reserve"]),
        float(values["link_efficiency"]),
    )
    request = Request(float(values["tokens_in"]), float(values["tokens_out"]), float(values["prefix_hit"]))
    return speed, request, Draft(draft_length, float(values["draft_accepted"]), float(values["draft_cost"]))
