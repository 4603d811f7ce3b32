"""Measure this machine: matrix products by type, memory, disk, loopback network; and write it down as an entry of the catalogue.

numpy by default; PyTorch, where it is installed, adds the types that numpy lacks and accelerators. Every figure is the best of several
tries within a stated time: what the machine can do, not what it does beside other work.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.catalogue.measuring import (
    Reading,
    accelerator,
    disk_readings,
    framework,
    framework_readings,
    loopback_readings,
    processor_readings,
    today,
)
from pickaxe.compute.planner.quantities.checks import amount
from pickaxe.compute.planner.quantities.units import Bandwidth, Bytes, FlopRate, Seconds


@dataclass(frozen=True, slots=True)
class Machine:
    """What was read, and the devices that follow from it, this machine's processor first.

    `missing` says what was not measured, `doubts` why what was measured may be less than the machine can do.
    """

    readings: tuple[Reading, ...]
    devices: tuple[Accelerator, ...]
    taken: Seconds
    missing: tuple[str, ...] = field(default=())
    doubts: tuple[str, ...] = field(default=())


def probe(
    folder: Path | None = None, *, seconds: float = 0.5, torch: bool = True, told: Callable[[Reading], object] | None = None
) -> Machine:
    """Measure, spending about `seconds` on each figure. `folder` is where the disk is measured (a temporary file, removed).

    `told` hears of each reading as it is taken. Without PyTorch, or with `torch=False`, `missing` says what was not measured.
    Raises `BadInput` for a time outside 0.02..60 s.
    """
    spent = float(amount("seconds", seconds, Seconds, low="0.02 s", high="60 s"))
    began, doubts = time.perf_counter(), _doubts()
    readings: list[Reading] = []

    def take(taken: Iterator[Reading]) -> None:
        for reading in taken:
            readings.append(reading)
            if told is not None:
                told(reading)

    for part in (processor_readings(spent), disk_readings(folder), loopback_readings()):
        take(part)
    missing: list[str] = []
    accelerators: list[Accelerator] = []
    used = framework() if torch else None
    if used is None:
        missing.append(
            "16-bit types and accelerators: PyTorch is not installed" if torch else "16-bit types and accelerators: left out"
        )
    else:
        take(framework_readings(used, spent))
        accelerators += [accelerator(used, index, spent) for index in range(used.cuda.device_count())]
    taken = Seconds(time.perf_counter() - began)
    return Machine(tuple(readings), (_processor(readings), *accelerators), taken, tuple(missing), doubts)


def _doubts() -> tuple[str, ...]:
    """Others at work on the processors before the first measurement take what they take from its figures."""
    waiting, processors = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, os.cpu_count() or 1
    if waiting < processors:
        return ()
    return (f"{waiting:.1f} processes wanted the {processors} processors in the last minute: measure again when they are done",)


def as_toml(device: Accelerator) -> str:
    """The entry of the catalogue, each figure with its source. Reads back with `hardware.parse`."""

    def figure(name: str, value: str) -> str:
        return f"{name} = [{_quoted(value)}, {_quoted(device.sources.get(name, 'measured'))}]"

    lines = [f"[{_quoted(device.key)}]", f"name = {_quoted(device.name)}", f"kind = {_quoted(device.kind)}"]
    lines += [f"aliases = [{', '.join(map(_quoted, device.aliases))}]"] if device.aliases else []
    lines += ["measured = true"] if device.measured else []
    lines += [figure("launched", device.launched)] if device.launched else []
    lines += [f"domain = [{device.domain}, {_quoted(device.sources.get('domain', 'own'))}]"] if device.domain > 1 else []
    for name in ("memory", "bandwidth", "link", "network", "power"):
        value = getattr(device, name)
        if value is not None and name in device.sources:
            lines.append(figure(name, value.text(6)))
    lines += [figure(f"peak.{dtype}", rate.text(6)) for dtype, rate in device.peak.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string; control characters of a device's name do not reach the file."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _processor(readings: list[Reading]) -> Accelerator:
    found = {reading.name: reading for reading in readings}
    peak, sources = dict[str, FlopRate](), dict[str, str]()
    for dtype in ("fp32", "fp64", "bf16", "fp16"):
        if reading := found.get(f"matmul {dtype}"):
            peak[dtype] = FlopRate(reading.value)
            sources[f"peak.{dtype}"] = f"measured: {reading.method}"
    copied = found["memory bandwidth"]
    sources |= {
        "bandwidth": f"measured: {copied.method}",
        "memory": "reported by the system",
        "launched": "day of the measurement",
    }
    return Accelerator(
        key="local-cpu",
        name=f"this machine, {os.cpu_count()} processors, {platform.machine()}",
        kind="cpu",
        memory=Bytes(_system_memory()),
        bandwidth=Bandwidth(copied.value),
        peak=peak,
        launched=today(),
        measured=True,
        sources=sources,
    )


def _system_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().total)
