"""`pickaxe plan train`: whether a training fits, on what layout, how long it takes and what it costs.

The arithmetic is in `training` (work), `memory`, `network` and `layouts` (the search); this file reads a scenario, chooses the layout at
the centre of its ranges, and runs money, time and energy over the ranges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pickaxe.compute.planner.calculator import (
    COMMON,
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
from pickaxe.compute.planner.catalogue import hardware, utilisation
from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.catalogue.models import doubts
from pickaxe.compute.planner.catalogue.prices import PriceRow, hearsay, kind_of, prices_of, usual_range
from pickaxe.compute.planner.energy import grid
from pickaxe.compute.planner.quantities.checks import only_keys
from pickaxe.compute.planner.quantities.units import (
    Carbon,
    CarbonIntensity,
    DevicePrice,
    Devices,
    Number,
    Parameters,
    TokenRate,
    Tokens,
)
from pickaxe.compute.planner.training.layouts import Candidate, Search, search
from pickaxe.compute.planner.training.setting import FIXED, LEAST, Setting, read_setting
from pickaxe.compute.planner.training.work import Rollouts, cost, six_n_d
from pickaxe.compute.planner.words import Note, in_all, note
from pickaxe.kernel.errors import BadInput

HEADLINES = ("cost", "time")
FIELDS = (
    Field("tokens", Tokens, None),
    Field("mfu", Number, None, LEAST["mfu"], 1),
    Field("goodput", Number, None, LEAST["goodput"], 1),
    Field("price", DevicePrice, None, "$0/GPU-h", "$1000/GPU-h"),
    Field("pue", Number, (1.1, 1.2, 1.5), 1, 5),
    Field("power_share", Number, (0.6, 0.8, 1.0), 0.01, 1),
    Field("carbon_intensity", CarbonIntensity, None),
)
"""Means of PUE: 1.1 in the largest sites (Google 2023), 1.2 in new ones, 1.5 in all (Uptime Institute 2023: 1.58)."""

# What reinforcement learning adds; asked for when the scenario says how much of its tokens it generates.
ROLLOUTS = (
    Field("generated", Number, None, 0, 1),
    Field("waste", Number, 1, 1, 1000),
    Field("generation_mfu", Number, (0.02, 0.05, 0.15), 0.0001, 1),
    Field("judges", Parameters, "0 params", "0 params", "1e15 params"),
)


def plan_training(
    scenario: Mapping[str, Any],
    *,
    devices: Mapping[str, Accelerator] | None = None,
    prices: Iterable[PriceRow] | None = None,
) -> Forecast:
    """Forecast of a scenario; `devices` and `prices` stand in for the catalogue and the market rows that ship.

    The result's `extra` holds the layouts: the best, the next ones, and why others fall out. Raises `BadInput` naming the field, and for
    a job that fits on no layout, with what would be needed.
    """
    only_keys("train", scenario, [*(field.name for field in (*FIELDS, *ROLLOUTS)), *FIXED, *COMMON])
    setting = read_setting(scenario, hardware.load() if devices is None else devices)
    found = search(
        setting.job, setting.device, setting.wanted, keeping=setting.keeping, network=setting.network, dtype=setting.dtype
    )
    if not found.best and found.possible == 0:
        nearest = found.fallen[0]
        raise BadInput(
            f"no layout is possible: {nearest.reason}",
            expected="degrees that fit the model and each other",
            got=str(nearest.example),
        )
    if not found.best:
        raise BadInput(
            f"{setting.model.name} does not fit: no layout of {found.considered} works",
            expected=f"at most {found.capacity} on each {setting.device.key}",
            got="; ".join(f"{item.reason} ({item.example})" for item in found.fallen),
            remedy="more devices or larger ones, a shorter sequence, LoRA, an optimiser of 8 bits, or offload"
            + ("" if setting.wanted.deadline is None else "; or a later deadline"),
            said=in_all(
                note("fits_nowhere", model=setting.model.name, considered=found.considered),
                *(note("fallen", reason=item.reason, example=item.example) for item in found.fallen),
                note("fits_with" if setting.wanted.deadline is None else "fits_later"),
            ),
        )
    best = found.best[0]
    inputs, notes = _inputs(scenario, setting, best, prices_of(scenario) if prices is None else tuple(prices))
    return forecast(
        "train",
        inputs,
        lambda values: outcomes(setting, best, values),
        HEADLINES,
        notes=notes,
        extra={"layouts": layouts_of(found)},
    )


def outcomes(setting: Setting, best: Candidate, values: Values) -> Results:
    """Results for one draw of the fields."""
    job = replace(setting.job, tokens=Tokens(values["tokens"]), recompute=best.recompute)
    came = cost(
        job,
        setting.device,
        Devices(best.layout.devices),
        mfu=float(values["mfu"]),
        dtype=setting.dtype,
        goodput=float(values["goodput"]),
        price=DevicePrice(values["price"]),
        pue=float(values["pue"]),
        load=float(values["power_share"]),
        rollouts=_rollouts(values),
    )
    found: Results = {
        "time": came.time,
        "device_time": came.device_time,
        "train_rate": TokenRate(job.tokens / came.time),
        "work": came.work.model,
        "rule_of_thumb": Number(six_n_d(job.model, job.tokens) / came.work.model),
        "memory": best.memory.total,
        "held_devices": Devices(best.layout.devices),
    }
    if came.money is not None:
        found = {"cost": came.money, **found}
    if came.energy is not None:
        found["energy"] = came.energy
        found["carbon"] = Carbon(came.energy * values["carbon_intensity"])
    if "generated" in values:
        found["generating"] = Number(came.generating / came.device_time)
    return found


def _rollouts(values: Values) -> Rollouts | None:
    if "generated" not in values:
        return None
    return Rollouts(
        generated=float(values["generated"]),
        waste=float(values["waste"]),
        judges=Parameters(values["judges"]),
        generation_mfu=float(values["generation_mfu"]),
    )


def layouts_of(found: Search) -> dict[str, Any]:
    """The search as plain JSON: layouts in order of cost, and why others fall out."""
    return {
        "considered": found.considered,
        "capacity": float(found.capacity),
        "best": [_row(one) for one in found.best],
        "fallen": [{"reason": item.reason, "layouts": item.layouts, "example": item.example} for item in found.fallen],
    }


def _row(one: Candidate) -> dict[str, Any]:
    layout = one.layout
    return {
        "text": one.described,
        "devices": layout.devices,
        "degrees": {
            "data": layout.data, "tensor": layout.tensor, "pipeline": layout.pipeline, "context": layout.context, "expert": layout.expert,
            "zero": layout.zero, "micro_batch": layout.micro_batch, "micro_batches": layout.micro_batches, "interleave": layout.interleave,
        },
        "recompute": one.recompute,
        "reachable_mfu": one.mfu,
        "memory": one.memory.as_dict(),
        "step": one.step.as_dict(),
    }  # fmt: skip


def _inputs(
    scenario: Mapping[str, Any], setting: Setting, best: Candidate, prices: Iterable[PriceRow]
) -> tuple[Inputs, list[Note]]:
    """The ranges, with what practice and market say where the scenario says nothing, and notes on where that is from."""
    filled = dict(scenario)
    notes = doubts(setting.model)
    if "mfu" not in filled:
        filled["mfu"], said = _reachable(setting, best)
        notes.append(said)
    if "goodput" not in filled:
        prior, used = utilisation.goodput()
        small = best.layout.devices < 64
        filled["goodput"] = 1.0 if small else [prior.low, float(prior.centre), prior.high]
        if not small:
            notes.append(note("goodput_from", runs=", ".join(item.run for item in used)))
    if "price" not in filled:
        day, kind = day_of(scenario), kind_of(scenario)
        asked = usual_range(prices, setting.device.key, kind, day)
        if asked is None:
            raise BadInput(
                f"no market price of {setting.device.key} ({kind}) is known for {day}",
                expected="price, such as '$2.40/GPU-h'",
                remedy="give price",
            )
        filled["price"] = list(asked)
        notes += hearsay(prices, setting.device.key, kind, day)
    if "carbon_intensity" not in filled:
        filled["carbon_intensity"] = grid(scenario.get("grid", "world"))
    fields = (*FIELDS, *ROLLOUTS) if any(field.name in scenario for field in ROLLOUTS) else FIELDS
    inputs = read_inputs(filled, fields, also=FIXED, where="train")
    choices = {
        "model": setting.model.name,
        "device": setting.device.key,
        "method": setting.job.method,
        "dtype": setting.dtype,
        "price_kind": kind_of(scenario),
    }
    if float(middle(inputs)["mfu"]) > best.mfu * 1.001:
        notes.append(note("mfu_above_layout", mfu=f"{float(middle(inputs)['mfu']):.0%}", reachable=f"{best.mfu:.0%}"))
    return replace(inputs, choices=choices, given=frozenset(scenario)), notes


def _reachable(setting: Setting, best: Candidate) -> tuple[list[float], Note]:
    """What runs on this generation reached, and no more than this layout's communication leaves."""
    if setting.device.kind == "cpu":
        return sorted([best.mfu / 2, best.mfu * 0.8, best.mfu]), note("mfu_of_layout", reachable=f"{best.mfu:.0%}")
    prior, used = utilisation.mfu(setting.device)
    shares = sorted(min(share, best.mfu) for share in (prior.low, float(prior.centre), prior.high))
    return shares, note("mfu_from", runs=len(used), low=f"{prior.low:.0%}", high=f"{prior.high:.0%}", reachable=f"{best.mfu:.0%}")
