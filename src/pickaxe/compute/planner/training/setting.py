"""What a training scenario fixes exactly: model, device, job, layouts to try, and how things are kept in memory.

Each value is checked where it is read, so that an error names the scenario's field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pickaxe.compute.planner.catalogue import hardware, models, utilisation
from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.catalogue.models import Architecture
from pickaxe.compute.planner.catalogue.prices import CHOSEN
from pickaxe.compute.planner.quantities.checks import amount, count, one_of, share
from pickaxe.compute.planner.quantities.uncertain import Uncertain
from pickaxe.compute.planner.quantities.units import Bandwidth, Bytes, Number, Seconds, Tokens, Watts
from pickaxe.compute.planner.training.layouts import Wanted
from pickaxe.compute.planner.training.memory import Keeping
from pickaxe.compute.planner.training.network import Network
from pickaxe.compute.planner.training.work import RECOMPUTE, Training
from pickaxe.kernel.errors import BadInput

_LAYOUT = ("tensor", "pipeline", "context", "expert", "zero")
_KEEPING = ("precision", "optimiser", "base", "attention", "offload")
_JOB = ("sequence", "method", "rank", "trained_layers", "objective", "masked", "causal_half")
FIXED = (
    "grid",
    *CHOSEN,
    "model",
    "device",
    "devices",
    "batch",
    "dtype",
    "recompute",
    "deadline",
    "network",
    "power_cap",
    "margin",
    "fused",
    *_LAYOUT,
    *_KEEPING,
    *_JOB,
)
LEAST = {"mfu": 0.001, "goodput": 0.05}
"""Shares below these are slips of the pen."""
# How many devices are tried when the scenario names none.
_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# Without a stated batch, about this many tokens a step, and no fewer sequences than devices.
_BATCH_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """A scenario as far as it is exact; the numbers that may be ranges are read by `train`."""

    model: Architecture
    device: Accelerator
    job: Training
    wanted: Wanted
    keeping: Keeping
    network: Network
    dtype: str


def read_setting(scenario: Mapping[str, Any], catalogue: Mapping[str, Accelerator]) -> Setting:
    for needed in ("model", "device", "tokens"):
        if needed not in scenario:
            raise BadInput(f"train lacks {needed}", expected="model, device and tokens at least", remedy=f"give {needed}")
    model, device = _model(scenario["model"]), _device(scenario["device"], catalogue)
    if "power_cap" in scenario:
        device = device.capped(amount("power_cap", scenario["power_cap"], Watts, low="10 W"))
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


def _practice(scenario: Mapping[str, Any], device: Accelerator) -> float:
    """The MFU and goodput that the scenario says, else what published runs had, at their centres."""
    prior = {
        "mfu": Uncertain(1.0, 1.0) if device.kind == "cpu" else utilisation.mfu(device)[0],
        "goodput": utilisation.goodput()[0],
    }
    kept = 1.0
    for key, usual in prior.items():
        said = Uncertain.parse(scenario[key], Number, field=key) if key in scenario else usual
        kept *= share(key, float(said.centre), low=LEAST[key])
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
    return models.find(name_of("model", value))


def _device(value: Any, catalogue: Mapping[str, Accelerator]) -> Accelerator:
    if isinstance(value, Mapping):
        return hardware.parse({str(value.get("name", "own device")): value}, where="device").popitem()[1]
    return hardware.find(name_of("device", value), catalogue)


def name_of(field: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{field} is not a name", expected="a name, or a table of its fields", got=repr(value)[:80])
    return value
