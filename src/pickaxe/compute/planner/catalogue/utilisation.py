"""How much of the peak training reaches, as a distribution with sources, not a constant."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import median

from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.quantities.uncertain import Uncertain


@dataclass(frozen=True, slots=True)
class Observation:
    """One stated share: `hardware` and `devices` are empty for a goodput."""

    run: str
    share: float
    source: str
    hardware: str = ""
    devices: int = 0


@cache
def observations(kind: str = "mfu") -> tuple[Observation, ...]:
    """What papers state, `kind` being "mfu" or "goodput"."""
    text = files("pickaxe.compute.planner").joinpath("data/utilisation.toml").read_text(encoding="utf-8")
    return tuple(
        Observation(item["run"], item[kind], item["source"], item.get("hardware", ""), item.get("devices", 0))
        for item in tomllib.loads(text)[kind]
    )


def mfu(accelerator: Accelerator) -> tuple[Uncertain, tuple[Observation, ...]]:
    """A triangle over what was stated on devices of this generation (at least three runs; else on all), and what it rests on."""
    known = observations("mfu")
    same = tuple(item for item in known if _generation(item.hardware) == _generation(accelerator.key))
    used = same if len(same) >= 3 else known
    shares = sorted(item.share for item in used)
    return Uncertain(shares[0], shares[-1], median(shares)), used


def goodput() -> tuple[Uncertain, tuple[Observation, ...]]:
    """The share of held time that advances the training, as a triangle, and what it rests on."""
    used = observations("goodput")
    shares = sorted(item.share for item in used)
    return Uncertain(shares[0], shares[-1], median(shares)), used


def _generation(key: str) -> str:
    """A100-40 and A100-80 are one generation; so are H100, H800 and H200 (one die)."""
    name = key.split("-")[0].upper()
    return "HOPPER" if name in ("H100", "H800", "H200") else name
