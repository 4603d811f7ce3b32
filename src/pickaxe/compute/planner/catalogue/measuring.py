"""One figure of this machine at a time: products by type, memory, disk, loopback network, an accelerator."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pickaxe.compute.planner.catalogue.hardware import Accelerator
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


def best_rate(work: float, once: Callable[[], object], seconds: float) -> float:
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


def best_product(product: Callable[[int], Callable[[], object]], seconds: float) -> tuple[float, int]:
    """Best rate of square matrix products over growing sizes, and the size that had it; stops before one takes too long."""
    best, at = 0.0, 0
    for size in _SIZES:
        rate = best_rate(2.0 * size**3, product(size), seconds / len(_SIZES))
        best, at = max((best, at), (rate, size))
        if 16.0 * size**3 / rate > seconds:  # the next size has eight times the work
            break
    return best, at


def processor_readings(seconds: float) -> Iterator[Reading]:
    import numpy as np

    threads = os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count())
    for dtype, kind in (("fp32", np.float32), ("fp64", np.float64)):

        def product(size: int, kind: type = kind) -> Callable[[], object]:
            left, right = (np.full((size, size), 0.5, dtype=kind) for _ in range(2))
            out = np.empty((size, size), dtype=kind)
            return lambda: np.matmul(left, right, out=out)

        best, at = best_product(product, seconds)
        yield Reading(f"matmul {dtype}", FlopRate(best), f"numpy {np.__version__}, {at} x {at}, {threads} threads")
    source, target = np.ones(_COPY // 8), np.empty(_COPY // 8)
    rate = best_rate(2.0 * _COPY, lambda: np.copyto(target, source), seconds)
    yield Reading("memory bandwidth", Bandwidth(rate), f"numpy copy of {_COPY // 10**6} MB, read and write counted")


def disk_readings(folder: Path | None) -> Iterator[Reading]:
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


def loopback_readings() -> Iterator[Reading]:
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


def framework() -> Any:
    """PyTorch, or None where it is not installed."""
    from importlib import import_module
    from importlib.util import find_spec

    return import_module("torch") if find_spec("torch") else None


def framework_readings(torch: Any, seconds: float) -> Iterator[Reading]:
    for dtype, kind in (("bf16", torch.bfloat16), ("fp16", torch.float16)):

        def product(size: int, kind: Any = kind) -> Callable[[], object]:
            left, right = torch.ones(size, size, dtype=kind), torch.ones(size, size, dtype=kind)
            return lambda: torch.mm(left, right)

        best, at = best_product(product, seconds)
        yield Reading(
            f"matmul {dtype}", FlopRate(best), f"PyTorch {torch.__version__}, {at} x {at}, {torch.get_num_threads()} threads"
        )


def accelerator(torch: Any, index: int, seconds: float) -> Accelerator:
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

        return best_rate(10 * work, waited, seconds)

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
        launched=today(),
        measured=True,
        sources=sources | {"launched": "day of the measurement"},
    )


def today() -> str:
    from datetime import UTC, datetime

    return datetime.now(tz=UTC).date().isoformat()
