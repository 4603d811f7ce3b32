"""`pickaxe plan train`: whether a training fits, on what layout, how long it takes and what it costs.

The arithmetic is in `training` (work), `memory`, `network` and `layouts` (the search); this file reads a scenario, chooses the layout at
the centre of its ranges, and runs money, time and energy over the ranges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pickaxe.compute.planner import hardware, models, utilisation
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
from pickaxe.compute.planner.checks import amount, count, one_of, only_keys, share
from pickaxe.compute.planner.energy import grid
from pickaxe.compute.planner.hardware import Accelerator
from pickaxe.compute.planner.layouts import Candidate, Search, Wanted, search
from pickaxe.compute.planner.memory import Keeping
from pickaxe.compute.planner.models import Architecture
from pickaxe.compute.planner.network import Network
from pickaxe.compute.planner.prices import PriceRow, shipped_prices, usual_range
from pickaxe.compute.planner.training import RECOMPUTE, Rollouts, Training, cost, six_n_d
from pickaxe.compute.planner.uncertain import Uncertain
from pickaxe.compute.planner.units import (
    Bandwidth,
    Bytes,
    Carbon,
    CarbonIntensity,
    DevicePrice,
    Devices,
    Number,
    Parameters,
    Seconds,
    TokenRate,
    Tokens,
)
from pickaxe.compute.planner.words import note
from pickaxe.kernel.errors import BadInput

HEADLINES = ("cost", "time")
FIELDS = (
    Field("tokens", Tokens, None),
    Field("mfu", Number, None, 0.001, 1),
    Field("goodput", Number, None, 0.05, 1),
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
_LAYOUT = ("tensor", "pipeline", "context", "expert", "zero")
_KEEPING = ("precision", "optimiser", "base", "attention", "offload")
_JOB = ("sequence", "method", "rank", "trained_layers", "objective", "masked", "causal_half")
ALSO = (
    "grid",
    "model",
    "device",
    "devices",
    "batch",
    "dtype",
    "recompute",
    "deadline",
    "network",
    "margin",
    "fused",
    *_LAYOUT,
    *_KEEPING,
    *_JOB,
)
# How many devices are tried when the scenario names none.
_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# Without a stated batch, about this many tokens a step, and no fewer sequences than devices.
_BATCH_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """What a scenario fixes exactly, beside the numbers that may be ranges."""

    model: Architecture
    device: Accelerator
    job: Training
    wanted: Wanted
    keeping: Keeping
    network: Network
    dtype: str


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
    only_keys("train", scenario, [*(field.name for field in (*FIELDS, *ROLLOUTS)), *ALSO, *COMMON])
    setting = _setting(scenario, hardware.load() if devices is None else devices)
    found = search(
        setting.job, setting.device, setting.wanted, keeping=setting.keeping, network=setting.network, dtype=setting.dtype
    )
    if not found.best and found.possible == 0:
        raise BadInput(f"no layout is possible: {found.fallen[0].example}", expected="degrees that fit the model and each other")
    if not found.best:
        raise BadInput(
            f"{setting.model.name} does not fit: no layout of {found.considered} works",
            expected=f"at most {found.capacity} on each {setting.device.key}",
            got="; ".join(f"{item.reason} ({item.example})" for item in found.fallen),
            remedy="more devices or larger ones, a shorter sequence, LoRA, an optimiser of 8 bits, or offload",
        )
    best = found.best[0]
    inputs, notes = _inputs(scenario, setting, best, shipped_prices() if prices is None else prices)
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
        "text": str(one),
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


def _setting(scenario: Mapping[str, Any], catalogue: Mapping[str, Accelerator]) -> Setting:
    for needed in ("model", "device", "tokens"):
        if needed not in scenario:
            raise BadInput(f"train lacks {needed}", expected="model, device and tokens at least", remedy=f"give {needed}")
    model, device = _model(scenario["model"]), _device(scenario["device"], catalogue)
    sequence = count("sequence", scenario.get("sequence", 2048 if not model.max_length else min(2048, model.max_length)))
    tokens = Uncertain.parse(scenario["tokens"], Tokens, field="tokens")
    recompute = scenario.get("recompute", "auto")
    if recompute != "auto":
        recompute = one_of("recompute", recompute, RECOMPUTE)
    chosen = {key: scenario[key] for key in _JOB if key in scenario and key != "sequence"}
    job = Training(
        model, Tokens(tokens.centre), sequence, recompute="none" if recompute == "auto" else recompute, **_numbers(chosen)
    )
    numbers = _counts(scenario.get("devices", "auto"))
    degrees: dict[str, Any] = {key: count(key, scenario[key], low=0) for key in _LAYOUT if key in scenario}
    wanted = Wanted(
        batch=count("batch", scenario.get("batch", _batch(sequence, max(numbers)))),
        devices=numbers,
        deadline=None if "deadline" not in scenario else amount("deadline", scenario["deadline"], Seconds),
        recompute=None if recompute == "auto" else recompute,
        practice=_practice(scenario, device),
        **degrees,
    )
    dtype = one_of("dtype", scenario.get("dtype", _usual_dtype(device)), hardware.DTYPES)
    keep: dict[str, Any] = {"precision": "fp32" if dtype == "fp32" else "mixed"}
    keep |= {key: scenario[key] for key in _KEEPING if key in scenario}
    if "margin" in scenario:
        keep["margin"] = float(Number.parse(scenario["margin"], field="margin"))
    if "fused" in scenario:
        keep["fused"] = _yes("fused", scenario["fused"])
    if device.kind == "cpu":
        keep["context"] = Bytes(0)
    between = None if "network" not in scenario else amount("network", scenario["network"], Bandwidth)
    return Setting(model, device, job, wanted, Keeping(**keep), Network(between=between), dtype)


def _inputs(
    scenario: Mapping[str, Any], setting: Setting, best: Candidate, prices: Iterable[PriceRow]
) -> tuple[Inputs, list[str]]:
    """The ranges, with what practice and market say where the scenario says nothing, and notes on where that is from."""
    filled = dict(scenario)
    notes: list[str] = []
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
        day = day_of(scenario)
        asked = usual_range(prices, setting.device.key, "on demand", day)
        if asked is None:
            raise BadInput(
                f"no market price of {setting.device.key} is known for {day}",
                expected="price, such as '$2.40/GPU-h'",
                remedy="give price",
            )
        filled["price"] = list(asked)
    if "carbon_intensity" not in filled:
        filled["carbon_intensity"] = grid(_text("grid", scenario.get("grid", "world")))
    fields = (*FIELDS, *ROLLOUTS) if any(field.name in scenario for field in ROLLOUTS) else FIELDS
    inputs = read_inputs(filled, fields, also=ALSO, where="train")
    choices = {"model": setting.model.name, "device": setting.device.key, "method": setting.job.method, "dtype": setting.dtype}
    if float(middle(inputs)["mfu"]) > best.mfu * 1.001:
        notes.append(note("mfu_above_layout", mfu=f"{float(middle(inputs)['mfu']):.0%}", reachable=f"{best.mfu:.0%}"))
    return replace(inputs, choices=choices, given=frozenset(scenario)), notes


def _reachable(setting: Setting, best: Candidate) -> tuple[list[float], str]:
    """What runs on this generation reached, and no more than this layout's communication leaves."""
    if setting.device.kind == "cpu":
        return sorted([best.mfu / 2, best.mfu * 0.8, best.mfu]), note("mfu_of_layout", reachable=f"{best.mfu:.0%}")
    prior, used = utilisation.mfu(setting.device)
    shares = sorted(min(share, best.mfu) for share in (prior.low, float(prior.centre), prior.high))
    return shares, note("mfu_from", runs=len(used), low=f"{prior.low:.0%}", high=f"{prior.high:.0%}", reachable=f"{best.mfu:.0%}")


def _practice(scenario: Mapping[str, Any], device: Accelerator) -> float:
    """The MFU and goodput that the scenario says, else what published runs had, at their centres."""
    prior = {
        "mfu": Uncertain(1.0, 1.0) if device.kind == "cpu" else utilisation.mfu(device)[0],
        "goodput": utilisation.goodput()[0],
    }
    kept = 1.0
    for key, usual in prior.items():
        said = Uncertain.parse(scenario[key], Number, field=key) if key in scenario else usual
        kept *= share(key, float(said.centre), open_low=True)
    return kept


def _usual_dtype(device: Accelerator) -> str:
    """16 bits on accelerators; on processors 32, which trains faster there than emulated 16-bit arithmetic."""
    if device.kind == "cpu":
        return "fp32"
    return "bf16" if "bf16" in device.peak or "fp16" in device.peak else next(iter(device.peak))


def _counts(value: Any) -> tuple[int, ...]:
    if value == "auto":
        return _COUNTS
    parts = value if isinstance(value, (list, tuple)) else [value]
    if not parts or len(parts) > 64:
        raise BadInput("devices is not a count", expected="a whole number, a list of up to 64, or 'auto'", got=repr(value))
    return tuple(count("devices", part, high=1_000_000) for part in parts)


def _batch(sequence: int, most: int) -> int:
    """The power of two next above a million tokens a step, and no fewer sequences than devices."""
    wanted = max(1, _BATCH_TOKENS // sequence, most)
    return 1 << (wanted - 1).bit_length()


def _numbers(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the job in their types; wrong ones are refused by name."""
    found = dict(chosen)
    for key in ("rank", "trained_layers"):
        if key in found:
            found[key] = count(key, found[key], low=0)
    if "masked" in found:
        found["masked"] = float(Number.parse(found["masked"], field="masked"))
    if "causal_half" in found:
        found["causal_half"] = _yes("causal_half", found["causal_half"])
    return found


def _yes(field: str, value: Any) -> bool:
    """True and false of TOML and JSON, and the words of a command line."""
    return one_of(field, str(value), ("true", "false")) == "true"


def _model(value: Any) -> Architecture:
    """A preset by name, or a table of an architecture's fields. Never a file: scenarios come from strangers too."""
    if isinstance(value, Mapping):
        return models.from_mapping(str(value.get("name", "own model")), value)
    return models.find(_text("model", value))


def _device(value: Any, catalogue: Mapping[str, Accelerator]) -> Accelerator:
    if isinstance(value, Mapping):
        return hardware.parse({str(value.get("name", "own device")): value}, where="device").popitem()[1]
    return hardware.find(_text("device", value), catalogue)


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{field} is not a name", expected="a name, or a table of its fields", got=repr(value)[:80])
    return value
