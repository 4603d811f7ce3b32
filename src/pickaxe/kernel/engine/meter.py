"""What an attempt used, read from outside the worker: the step has no say in it.

CPU time comes from the operating system when the worker is reaped (`wait4`); memory is sampled over the worker's process tree;
energy is read from RAPL where the kernel lets us, otherwise estimated and marked so.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from pickaxe.kernel.ledger.ledger import Usage

_WATTS_PER_BUSY_CORE = 3.5
"""Average draw of a busy vCPU, from the Cloud Carbon Footprint methodology (its AWS maximum). Used only without RAPL."""

_RAPL = Path("/sys/class/powercap")
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Meter:
    """Reads one worker process from its start to its end. Call `sample` a few times a second."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._started = self._sampled = time.monotonic()
        self._rss = 0
        self.peak_bytes = 0
        self._byte_seconds = 0.0
        self._cpu = 0.0, self._started
        self._energy = _rapl_microjoules()
        self._busy = _busy_seconds()

    def sample(self) -> int:
        """Resident bytes of the process tree now, 0 once it is gone."""
        rss = sum(memory.rss for memory in self._of_tree(psutil.Process.memory_info))
        if not rss:
            return 0
        now = time.monotonic()
        self._byte_seconds += (self._rss + rss) / 2 * (now - self._sampled)
        self._sampled, self._rss = now, rss
        self.peak_bytes = max(self.peak_bytes, rss)
        return rss

    def system(self) -> dict[str, float]:
        """Since the last call: ``cpu_cores`` busy on average; now: ``memory_mb`` resident."""
        # Of children that have ended, the parent's count has it, so the sum does not fall.
        times = self._of_tree(psutil.Process.cpu_times)
        used = sum(each.user + each.system + each.children_user + each.children_system for each in times)
        now, (before, then) = time.monotonic(), self._cpu
        self._cpu = used, now
        return {"cpu_cores": round(max(0.0, used - before) / max(now - then, 1e-3), 3), "memory_mb": round(self._rss / 1e6, 1)}

    def finish(self, reaped: resource.struct_rusage) -> list[Usage]:
        """The readings of the whole attempt."""
        self._byte_seconds += self._rss * (time.monotonic() - self._sampled)
        cpu_seconds = reaped.ru_utime + reaped.ru_stime
        return [
            Usage("cpu_time_ms", round(cpu_seconds * 1000), "measured", "wait4 of the worker and its children"),
            Usage("wall_ms", round((time.monotonic() - self._started) * 1000), "measured", "monotonic clock"),
            Usage(
                "memory_peak_bytes", max(self.peak_bytes, reaped.ru_maxrss * MAXRSS_UNIT), "measured", "sampled tree, ru_maxrss"
            ),
            Usage(
                "memory_mb_seconds", round(self._byte_seconds / 1e6), "measured", "resident size of the tree, 5 samples a second"
            ),
            self._joules(cpu_seconds),
        ]

    def _of_tree(self, read: Callable[[psutil.Process], Any]) -> list[Any]:
        """What is read of the worker and its children; of one that ends meanwhile, nothing."""
        found: list[Any] = []
        with suppress(psutil.Error):
            for process in (self._process, *self._process.children(recursive=True)):
                with suppress(psutil.Error):
                    found.append(read(process))
        return found

    def _joules(self, cpu_seconds: float) -> Usage:
        now = _rapl_microjoules()
        if self._energy is None or now is None or now < self._energy:
            method = f"{_WATTS_PER_BUSY_CORE} W per busy core (Cloud Carbon Footprint)"
            return Usage("energy_mj", round(cpu_seconds * _WATTS_PER_BUSY_CORE * 1000), "estimated", method)
        share = min(1.0, cpu_seconds / max(_busy_seconds() - self._busy, 1e-9))
        return Usage(
            "energy_mj", round((now - self._energy) / 1000 * share), "measured", "RAPL package energy x share of busy CPU time"
        )


def _rapl_microjoules() -> int | None:
    """Sum over CPU packages, None where there is no RAPL or we may not read it."""
    try:
        readings = [
            int(path.read_text()) for path in _RAPL.glob("intel-rapl:[0-9]*/energy_uj") if path.parent.name.count(":") == 1
        ]
    except (OSError, ValueError):
        return None
    return sum(readings) if readings else None


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return times.user + times.system
