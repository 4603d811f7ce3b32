"""Measure this machine: matrix products by type, memory, disk, loopback network; and write it down as an entry of the catalogue.

numpy by default; PyTorch, where it is installed, adds the types that numpy lacks and accelerators. Every figure is the best of several
tries within a stated time: what the machine can do, not what it does beside other work.
"""

from __future__ import annotations

import os
import platform
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.quantities.checks import amount
from pickaxe.compute.planner.quantities.units import Bandwidth, Bytes, FlopRate, Quantity, Seconds
from pickaxe.kernel.errors import BadInput

_SIZES = (256, 512, 1024, 2048, 4096, 8192)
_COPY = 256_000_000
_DISK = 256_000_000
_NETWORK = 256_000_000
_CHUNK = 1 << 20
_PINGS = 500
_FEWEST_TRIES = 3
"""A single one may have been interrupted."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured figure. `method` says how, with sizes and versions."""

    name: str
    value: Quantity
    method: str


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

    for part in (_numpy(spent), _disk(folder), _loopback()):
        take(part)
    missing: list[str] = []
    accelerators: list[Accelerator] = []
    framework = _framework() if torch else None
    if framework is None:
        missing.append(
            "16-bit types and accelerators: PyTorch is not installed" if torch else "16-bit types and accelerators: left out"
        )
    else:
        take(_torch_cpu(framework, spent))
        accelerators += [_torch_gpu(framework, index, spent) for index in range(framework.cuda.device_count())]
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


def _best_rate(work: float, once: Callable[[], object], seconds: float) -> float:
    """Largest work per second over repetitions within `seconds`, three at least, after one that warms up."""
    once()
    best, until, tries = 0.0, time.perf_counter() + seconds, 0
    while True:
        tries += 1
        began = time.perf_counter()
        once()
        ended = time.perf_counter()
        best = max(best, work / max(ended - began, 1e-9))
        if ended >= until and tries >= _FEWEST_TRIES:
            return best


def _best_product(product: Callable[[int], Callable[[], object]], seconds: float) -> tuple[float, int]:
    """Best rate of square matrix products over growing sizes, and the size that had it; stops before one takes too long."""
    best, at = 0.0, 0
    for size in _SIZES:
        rate = _best_rate(2.0 * size**3, product(size), seconds / len(_SIZES))
        best, at = max((best, at), (rate, size))
        if 16.0 * size**3 / rate > seconds:  # the next size has eight times the work
            break
    return best, at


def _numpy(seconds: float) -> Iterator[Reading]:
    import numpy as np

    threads = os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count())
    for dtype, kind in (("fp32", np.float32), ("fp64", np.float64)):

        def product(size: int, kind: type = kind) -> Callable[[], object]:
            left, right = (np.full((size, size), 0.5, dtype=kind) for _ in range(2))
            out = np.empty((size, size), dtype=kind)
            return lambda: np.matmul(left, right, out=out)

        best, at = _best_product(product, seconds)
        yield Reading(f"matmul {dtype}", FlopRate(best), f"numpy {np.__version__}, {at} x {at}, {threads} threads")
    source, target = np.ones(_COPY // 8), np.empty(_COPY // 8)
    rate = _best_rate(2.0 * _COPY, lambda: np.copyto(target, source), seconds)
    yield Reading("memory bandwidth", Bandwidth(rate), f"numpy copy of {_COPY // 10**6} MB, read and write counted")


def _disk(folder: Path | None) -> Iterator[Reading]:
    """Write with fsync, then read after the pages were given back to the system where it can be asked to."""
    block = os.urandom(_CHUNK)
    if folder is not None and not folder.is_dir():
        raise BadInput(f"{folder} is no folder", expected="an existing folder to measure the disk in")
    with tempfile.TemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        for _ in range(_DISK // _CHUNK):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        yield Reading("disk write", Bandwidth(_DISK / (time.perf_counter() - began)), f"{_DISK // 10**6} MB and fsync")
        forgotten = hasattr(os, "posix_fadvise")
        if forgotten:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        began = time.perf_counter()
        while file.read(_CHUNK):
            pass
        method = "after giving the cache back" if forgotten else "from the system's cache: this system cannot be asked to drop it"
        yield Reading("disk read", Bandwidth(_DISK / (time.perf_counter() - began)), f"{_DISK // 10**6} MB, {method}")


def _loopback() -> Iterator[Reading]:
    """A TCP connection of this machine with itself: the floor of what a network adds, not the network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer, args=(server,), daemon=True)
        thread.start()
        with socket.create_connection(server.getsockname(), timeout=30) as near:
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            near.sendall(b"p")
            near.recv(1)
            began = time.perf_counter()
            for _ in range(_PINGS):
                near.sendall(b"p")
                near.recv(1)
            round_trip = (time.perf_counter() - began) / _PINGS
            block = bytes(_CHUNK)
            near.sendall(b"d")
            began = time.perf_counter()
            for _ in range(_NETWORK // _CHUNK):
                near.sendall(block)
            near.shutdown(socket.SHUT_WR)
            near.recv(1)
            rate = _NETWORK / (time.perf_counter() - began)
        thread.join(timeout=30)
    yield Reading("loopback bandwidth", Bandwidth(rate), f"TCP, {_NETWORK // 10**6} MB through 127.0.0.1")
    yield Reading("loopback latency", Seconds(round_trip / 2), f"half of the mean round trip of {_PINGS} bytes, TCP")


def _answer(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while connection.recv(1) == b"p":
            connection.sendall(b"p")
        while connection.recv(_CHUNK):
            pass
        connection.sendall(b"e")


def _framework() -> Any:
    """PyTorch, or None where it is not installed."""
    from importlib import import_module
    from importlib.util import find_spec

    return import_module("torch") if find_spec("torch") else None


def _torch_cpu(torch: Any, seconds: float) -> Iterator[Reading]:
    for dtype, kind in (("bf16", torch.bfloat16), ("fp16", torch.float16)):

        def product(size: int, kind: Any = kind) -> Callable[[], object]:
            left, right = torch.ones(size, size, dtype=kind), torch.ones(size, size, dtype=kind)
            return lambda: torch.mm(left, right)

        best, at = _best_product(product, seconds)
        yield Reading(
            f"matmul {dtype}", FlopRate(best), f"PyTorch {torch.__version__}, {at} x {at}, {torch.get_num_threads()} threads"
        )


def _torch_gpu(torch: Any, index: int, seconds: float) -> Accelerator:
    """One CUDA or ROCm device: products by type, and a copy within its memory."""
    where = torch.device("cuda", index)
    properties = torch.cuda.get_device_properties(index)
    peak: dict[str, FlopRate] = {}
    sources: dict[str, str] = {}

    def rate_of(work: float, once: Callable[[], object]) -> float:
        def waited() -> None:
            for _ in range(10):
                once()
            torch.cuda.synchronize(index)

        return _best_rate(10 * work, waited, seconds)

    for dtype, kind, tensor_32 in (
        ("bf16", torch.bfloat16, False), ("fp16", torch.float16, False), ("tf32", torch.float32, True), ("fp32", torch.float32, False),
    ):  # fmt: skip
        torch.backends.cuda.matmul.allow_tf32 = tensor_32
        size = 8192
        left, right = (torch.randn(size, size, device=where, dtype=kind) for _ in range(2))
        rate = rate_of(2.0 * size**3, lambda left=left, right=right: torch.mm(left, right))
        peak[dtype] = FlopRate(rate)
        sources[f"peak.{dtype}"] = f"measured: PyTorch {torch.__version__}, {size} x {size}"
    source = torch.empty(1 << 28, device=where)
    target = torch.empty_like(source)
    bandwidth = Bandwidth(rate_of(2.0 * 4 * (1 << 28), lambda: target.copy_(source)))
    sources |= {"bandwidth": "measured: copy within the device, read and write counted", "memory": "reported by the driver"}
    return Accelerator(
        key=f"local-gpu-{index}",
        name=str(properties.name),
        kind="gpu",
        memory=Bytes(properties.total_memory),
        bandwidth=bandwidth,
        peak=peak,
        launched=_today(),
        measured=True,
        sources=sources | {"launched": "day of the measurement"},
    )


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
        launched=_today(),
        measured=True,
        sources=sources,
    )


def _system_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().total)


def _today() -> str:
    from datetime import UTC, datetime

    return datetime.now(tz=UTC).date().isoformat()
