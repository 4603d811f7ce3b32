"""Published speeds of serving, and the planner's forecast of each: one set of data for the tests and for the page of the docs.

Every forecast takes the default shares of `traffic.FIELDS`; no row has its own. Those defaults are derived here, from the rows that are marked
for *calibration*; the others are *held out*, and only they say how good a forecast is.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, cached_property
from importlib.resources import files
from statistics import median
from typing import Any

from pickaxe.compute.planner.catalogue import hardware, models
from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.quantities.currency import Rates
from pickaxe.compute.planner.quantities.uncertain import Band, Uncertain, simulate
from pickaxe.compute.planner.quantities.units import Number, Quantity
from pickaxe.compute.planner.serving.inference import (
    FOUR_BIT_REACH,
    Replica,
    Request,
    Speed,
    most_sequences,
    steady,
    step_seconds,
)
from pickaxe.compute.planner.serving.traffic import FIELDS

SHARES = {"prefill": "prefill_efficiency", "decode": "decode_efficiency", "link": "link_efficiency"}
"""What is derived from the rows for calibration: field of `Speed` -> field of the calculator."""

_OTHERS = {"overhead": "step_overhead", "reserve": "memory_reserve"}
# A run of fewer full batches than this is mostly filling and draining, which no steady state describes.
_BATCHES = 4
_ROUNDING = 0.05
# Tokens of a call below which fixed times hide the shares.
_LONG = 1000
_IN_PROMPTS = 0.4


@dataclass(frozen=True)
class PublishedSpeed:
    """`published` in tokens/s out of the whole replica, or in seconds where `measures` is "first token". `batch` 0: as many as fit.

    `requests` is the number of calls of the whole measurement, 0 where it is not stated. `unlike` says why the planner does not describe
    the setting: the tests then assert that it does not. `fits` names what the row was used to find besides the shares.
    """

    replica: Replica
    request: Request
    batch: int
    measures: str
    published: float
    calibration: bool
    source: str
    requests: int = 0
    unlike: str = ""
    fits: str = ""

    @property
    def lengths(self) -> str:
        return f"{self.request.tokens_in:,.0f} / {self.request.tokens_out:,.0f}"

    def sequences(self, speed: Speed) -> int:
        return self.batch or most_sequences(self.replica, speed, self.request)

    @cached_property
    def is_steady(self) -> bool:
        """Whether the measurement went on long enough for a steady state."""
        return not self.requests or self.requests >= _BATCHES * self.sequences(_centre())

    def speed(self, speed: Speed) -> float:
        """The forecast of `published`; 0 where the model does not fit."""
        batch = self.sequences(speed)
        if not batch:
            return 0.0
        if self.measures == "decode":
            return batch / step_seconds(self.replica, speed, batch, self.request.context)
        found = steady(self.replica, speed, self.request, batch)
        return found.first_token_s if self.measures == "first token" else found.requests_per_s * self.request.tokens_out

    @cached_property
    def band(self) -> Band:
        """The forecast with default shares: at their centre, and over draws from their ranges."""
        return simulate(lambda draw: Quantity(self.speed(_speed(draw))), defaults(), samples=400)

    @property
    def is_held_out(self) -> bool:
        """Whether it says how good a forecast is: nothing was derived from it, and the planner describes its setting."""
        return self.is_steady and not (self.calibration or self.unlike or self.fits)

    @property
    def error(self) -> float:
        """Forecast over published, minus one."""
        return float(self.band.centre) / self.published - 1.0

    @property
    def inside(self) -> bool:
        """Whether what was published lies in the forecast's 5-95% band."""
        return float(self.band.low) <= self.published <= float(self.band.high)

    @property
    def decides(self) -> str:
        """The share that this row says most about, "" where it mixes several: links where large batches are split over several devices,
        arithmetic where one device spends its time in long prompts, memory where it spends it in decode."""
        found = steady(self.replica, _centre(), self.request, self.sequences(_centre()))
        if self.measures == "decode" or self.request.tokens_in + self.request.tokens_out < _LONG:
            return ""
        if self.replica.devices > 1:
            return "link" if self.measures == "throughput" else ""
        if self.measures == "first token" or found.prefill_share > 0.5:
            return "prefill"
        return "decode" if found.prefill_share < 0.25 else ""

    def implied_reach(self) -> float:
        """Of `FOUR_BIT_REACH`, such that with the default shares the published speed is exactly true."""
        low, high = 0.05, 2.0
        for _ in range(40):
            middle = math.sqrt(low * high)
            replica = replace(self.replica, device=_scaled(self.replica.device, middle / FOUR_BIT_REACH))
            if replace(self, replica=replica).speed(_centre()) < self.published:
                low = middle
            else:
                high = middle
        return high

    def implied(self) -> float:
        """The share that it `decides`, such that with all else at its default the published speed is exactly true; 1 where none is."""
        low, high = 0.01, 1.0
        slower = -1 if self.measures == "first token" else 1
        for _ in range(40):
            middle = math.sqrt(low * high)
            if slower * (self.speed(replace(_centre(), **{self.decides: middle})) - self.published) < 0:
                low = middle
            else:
                high = middle
        return high


@cache
def defaults() -> dict[str, Uncertain]:
    """The calculator's defaults for what an engine reaches, under the names of `Speed`."""
    fields = {field.name: field for field in FIELDS}
    return {name: fields[field].read(fields[field].default, Rates(None), date.min) for name, field in (SHARES | _OTHERS).items()}


def _speed(values: Mapping[str, Any]) -> Speed:
    return Speed(**{name: float(value) for name, value in values.items()})


@cache
def _centre() -> Speed:
    return _speed({name: item.centre for name, item in defaults().items()})


def derived(share: str) -> Uncertain:
    """A range for a share, to 5%: the lowest and highest that rows for calibration imply; likeliest, the median of the settings' medians."""
    found: dict[tuple[str, int], list[float]] = {}
    for row in SPEEDS:
        if row.calibration and row.is_steady and row.decides == share:
            found.setdefault((row.replica.device.key, row.replica.devices), []).append(row.implied())
    every = [value for values in found.values() for value in values]
    likeliest = median(median(values) for values in found.values())
    low, mode, high = (round(value / _ROUNDING) * _ROUNDING for value in (min(every), likeliest, max(every)))
    return Uncertain(low, high, mode, Number)


def derived_reach() -> float:
    """`FOUR_BIT_REACH` to 5%: the median over the rows for it that spend two fifths of their time or more in prompts."""
    rows = [row for row in SPEEDS if row.fits == "fp4" and row.is_steady]
    found = [
        row.implied_reach()
        for row in rows
        if steady(row.replica, _centre(), row.request, row.sequences(_centre())).prefill_share >= _IN_PROMPTS
    ]
    return round(median(found) / _ROUNDING) * _ROUNDING


def _scaled(device: Accelerator, factor: float) -> Accelerator:
    """A device that computes in 4 bits that many times as fast."""
    return replace(device, peak={**device.peak, "fp4": device.peak["fp4"] * factor})


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads(files("pickaxe.compute.planner").joinpath("data/published_serving.toml").read_text(encoding="utf-8"))


def sources() -> dict[str, dict[str, str]]:
    """Name and citation of each source, by its key."""
    return {key: {"name": item["name"], "citation": item["citation"]} for key, item in _document()["sources"].items()}


def _rows() -> Iterator[PublishedSpeed]:
    document = _document()
    for table in document["table"]:
        requests = document["sources"][table["source"]].get("requests", {})
        calibration = table.get("calibration", [])
        for entry in calibration + table.get("held_out", []):
            model, device = models.find(entry["model"]), hardware.find(entry["device"])
            replica = Replica(model, device, entry["devices"], entry["weights"], entry["kv"], entry.get("spread", "tensor"))
            for tokens_in, tokens_out, batch, published in entry["cells"]:
                yield PublishedSpeed(
                    replica,
                    Request(tokens_in, tokens_out),
                    batch,
                    table["measures"],
                    published,
                    entry in calibration,
                    table["source"],
                    requests.get(f"{tokens_in}/{tokens_out}", 0),
                    document["unlike"].get(entry.get("unlike"), ""),
                    entry.get("fits", ""),
                )


SPEEDS: tuple[PublishedSpeed, ...] = tuple(_rows())
