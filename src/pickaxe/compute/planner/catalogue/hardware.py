"""The catalogue of accelerators: dense peaks, memory, links, power and launch, each figure with its source.

`load()` reads the catalogue that ships here; a user's own TOML of the same form (or what `pickaxe plan probe` wrote) adds to it or
replaces entries.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pickaxe.compute.planner.quantities.checks import amount, count, named, one_of, only_keys
from pickaxe.compute.planner.quantities.units import Bandwidth, Bytes, FlopRate, Watts
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.toml_text import values_in

DTYPES = ("fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp4", "int4")
KINDS = ("gpu", "tpu", "npu", "cpu")
# What stands in where a device has no network of its own in its reference system: one 100 Gbit/s port.
DEFAULT_NETWORK = Bandwidth.parse("100 Gbit/s")
# Clock against power where power is what holds it back: the cube root as long as voltage falls with frequency, in proportion once it
# cannot fall further (P = C V^2 f). Between the two, their mean.
_SPEED_OF_POWER = (1 / 3 + 1) / 2
_QUANTITIES = {"memory": Bytes, "bandwidth": Bandwidth, "link": Bandwidth, "network": Bandwidth, "power": Watts}
_FIELDS = ("name", "aliases", "kind", "launched", "domain", "peak", "measured", *_QUANTITIES)


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One device. `link` counts both directions within `domain` devices, `network` one direction beyond; None: not known.

    `sources` gives where each figure is from, by field ("memory", "peak.bf16"). `measured` marks what a probe read.
    """

    key: str
    name: str
    kind: str
    memory: Bytes
    bandwidth: Bandwidth
    peak: Mapping[str, FlopRate]
    launched: str = ""
    link: Bandwidth | None = None
    domain: int = 1
    network: Bandwidth = DEFAULT_NETWORK
    power: Watts | None = None
    measured: bool = False
    aliases: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    def flops(self, dtype: str) -> FlopRate:
        """Dense peak of `dtype`. A 16-bit type falls back on the other 16-bit one (V100 and T4 know no bf16).

        Raises `BadInput` for a type that this device does not compute in.
        """
        for name in (dtype, {"bf16": "fp16", "fp16": "bf16"}.get(dtype, dtype)):
            if name in self.peak:
                return self.peak[name]
        raise BadInput(f"{self.key} has no peak for {dtype}", expected=f"one of {', '.join(self.peak)}", got=dtype)

    def capped(self, limit: Watts) -> Accelerator:
        """The same device held to `limit`, as data centres do that are short of power: lower peaks, all else as it is.

        Raises `BadInput` where the device's own limit is not known.
        """
        if self.power is None:
            raise BadInput(f"the power of {self.key} is not known", expected="a device with one", remedy="leave power_cap out")
        if limit >= self.power:
            return self
        slower = float(limit / self.power) ** _SPEED_OF_POWER
        return replace(self, power=limit, peak={dtype: FlopRate(rate * slower) for dtype, rate in self.peak.items()})

    @property
    def link_one_way(self) -> Bandwidth:
        """Bandwidth to a neighbour in the fast domain, one direction; the network's where there is no link."""
        return self.network if self.link is None else Bandwidth(self.link / 2)


@cache
def load() -> dict[str, Accelerator]:
    """The catalogue that ships with Pickaxe, by key."""
    text = files("pickaxe.compute.planner").joinpath("data/hardware.toml").read_text(encoding="utf-8")
    return parse(tomllib.loads(text), where="hardware.toml")


def load_own(path: Path) -> dict[str, Accelerator]:
    """A user's own entries; none where the file does not exist. Raises `BadInput` for a file that is not of the form."""
    if not path.exists():
        return {}
    return parse(values_in(path, expected="a TOML file of accelerators"), where=path.name)


def load_with(path: Path) -> dict[str, Accelerator]:
    """The catalogue with a user's own entries on top."""
    return {**load(), **load_own(path)}


def find(name: str, catalogue: Mapping[str, Accelerator] | None = None) -> Accelerator:
    """An accelerator by key or alias ("A100", "h100 sxm"). Raises `NotFound` with the nearest names."""
    known = load() if catalogue is None else catalogue
    return named("device", name, {**{alias: item for item in known.values() for alias in item.aliases}, **known})


def parse(document: Mapping[str, Any], *, where: str) -> dict[str, Accelerator]:
    """Accelerators of a parsed TOML document; raises `BadInput` naming entry and field."""
    sources = document.get("sources", {})
    if not isinstance(sources, Mapping):
        raise BadInput(
            f"{where}: sources is not a table", expected="short names with what they stand for", got=repr(sources)[:80]
        )
    return {key: _one(key, entry, sources, where) for key, entry in document.items() if key != "sources"}


def _one(key: str, entry: Any, sources: Mapping[str, str], where: str) -> Accelerator:
    place = f"{where}: {key}"
    if not isinstance(entry, Mapping):
        raise BadInput(f"{place} is not a table", expected="[NAME] with memory, bandwidth and peak", got=repr(entry))
    only_keys(place, entry, _FIELDS)
    cited: dict[str, str] = {}

    def figure(name: str, given: Any) -> Any:
        value, source = given if isinstance(given, list) and len(given) == 2 else (given, None)
        cited[name] = str(sources.get(str(source), source)) if source else f"{where}, without a source"
        return value

    if not isinstance(entry.get("peak", {}), Mapping):
        raise BadInput(f"{place}.peak is not a table", expected="peak.bf16 and so on", got=repr(entry["peak"])[:80])
    aliases = entry.get("aliases", ())
    if not isinstance(aliases, (list, tuple)) or not all(isinstance(alias, str) for alias in aliases):
        raise BadInput(f"{place}.aliases is not a list of names", expected='["A100", ...]', got=repr(aliases)[:80])

    for needed in ("memory", "bandwidth", "peak"):
        if needed not in entry:
            raise BadInput(f"{place} has no {needed}", expected="memory, bandwidth and peak at least")
    peaks = {
        one_of(f"{place}.peak", dtype, DTYPES): amount(f"{place}.peak.{dtype}", figure(f"peak.{dtype}", given), FlopRate)
        for dtype, given in entry["peak"].items()
    }
    given = {
        name: amount(f"{place}.{name}", figure(name, entry[name]), kind) for name, kind in _QUANTITIES.items() if name in entry
    }
    return Accelerator(
        key=key,
        name=str(entry.get("name", key)),
        kind=one_of(f"{place}.kind", entry.get("kind", "gpu"), KINDS),
        peak=peaks,
        launched=str(figure("launched", entry["launched"])) if "launched" in entry else "",
        domain=count(f"{place}.domain", figure("domain", entry["domain"]), high=1_000_000) if "domain" in entry else 1,
        measured=bool(entry.get("measured", False)),
        aliases=tuple(aliases),
        sources=cited,
        **given,
    )
