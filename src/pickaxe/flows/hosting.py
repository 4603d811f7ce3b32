"""A server's forecasts: kept when it starts and when an endpoint goes live, compared when it drains or after a day."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pickaxe.compute.planner.here.serving import (
    BUSY_ANSWERS,
    FEWEST_ANSWERS,
    SHORTEST_NS,
    ServingForecast,
    Traffic,
    every_traffic,
    forecast_endpoint,
    forecast_server,
    keep_forecast,
    keep_readings,
)
from pickaxe.kernel.engine.meter import MAXRSS_UNIT
from pickaxe.kernel.errors import PickaxeError
from pickaxe.kernel.ledger.ledger import Usage
from pickaxe.kernel.ledger.tariff import HOUR_NS
from pickaxe.kernel.ledger.tokens import METER as TOKENS
from pickaxe.kernel.ledger.tokens import METHOD, tokens_of_process
from pickaxe.kernel.nouns import Endpoint

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace
    from pickaxe.serve.deployment import Deployment

_LOOK_SECONDS = 5.0
_DAY_NS = 24 * HOUR_NS
_MOST_LATENCIES = 1_000

Deployments = Mapping[tuple[str, str], "Deployment"]
"""What a server has loaded: (tenant, name) -> its models."""


@dataclass(frozen=True, slots=True)
class _Live:
    """An endpoint from when it went live: as whom its forecast was kept, and where its traces begin."""

    subject: str
    endpoint: Endpoint
    since_ns: int
    after_seq: int


@dataclass(slots=True)
class _Used:
    """What the process had used, and been charged, by an instant."""

    at_ns: int
    nano: int
    core_ns: int
    tokens: int = field(default_factory=tokens_of_process)
    cpu: float = field(default_factory=time.process_time)


class Hosting:
    """Stands beside a server, as a context, from its start until its last trace is written.

    Args:
        holder: who holds the server's core in the ledger; new for every start of a server.
        deployments: what the server has loaded now.
    """

    def __init__(self, workspace: Workspace, holder: str, deployments: Callable[[], Deployments]) -> None:
        self._workspace, self._holder, self._deployments = workspace, holder, deployments
        self._live: dict[tuple[str, str], _Live] = {}
        self._number = self._window = self._answers = 0
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="hosting", daemon=True)

    def __enter__(self) -> Self:
        self._begin()
        self._keeper.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        self._keeper.join()
        # What drains must not fail for want of a comparison: a full disk, a database that is gone.
        with suppress(PickaxeError):
            self._end()

    def look(self) -> None:
        """Forecast what went live since the last look, read what went."""
        there = dict(self._deployments())
        for key, live in list(self._live.items()):
            if key not in there or there[key].endpoint != live.endpoint:
                self._read_endpoint(key, live)
        fresh = [key for key in there if key not in self._live]
        tenants = {tenant_id for tenant_id, _ in fresh}
        seen = {tenant_id: every_traffic(self._workspace.for_tenant(tenant_id)) for tenant_id in tenants}
        for tenant_id, name in fresh:
            deployment = there[tenant_id, name]
            forecast = foreseen(self._workspace.for_tenant(tenant_id), deployment, seen[tenant_id])
            self._foresee_endpoint(tenant_id, forecast, deployment.endpoint)

    def _keep(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            with suppress(PickaxeError):
                self.look()
                if self._now() - self._used.at_ns > _DAY_NS:
                    self._end()
                    self._begin()

    def _begin(self) -> None:
        self._window, self._answers = self._window + 1, 0
        self._used = self._use()
        keep_forecast(self._workspace, f"{self._holder}:{self._window}", forecast_server(self._workspace))
        self.look()

    def _end(self) -> None:
        """Read the window: the endpoints, then the server; what it used goes into the ledger."""
        for key, live in list(self._live.items()):
            self._read_endpoint(key, live)
        before, used = self._used, self._use()
        lasted = max(used.at_ns - before.at_ns, 1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT
        tokens = used.tokens - before.tokens
        self._record(
            Usage("cpu_time_ms", round((used.cpu - before.cpu) * 1000), "measured", "CPU time of the server's process"),
            Usage("wall_ms", lasted // 1_000_000, "measured", "the workspace's clock"),
            Usage("memory_peak_bytes", peak, "measured", "ru_maxrss of the server's process"),
            *([Usage(TOKENS, tokens, "measured", METHOD)] if tokens else []),
        )
        readings: dict[str, float] = {
            "memory_peak_bytes": peak,
            "nano_hour": (used.nano - before.nano) / lasted * HOUR_NS,
            "core_share": (used.core_ns - before.core_ns) / lasted,
        }
        if lasted >= SHORTEST_NS:
            readings["tokens_hour"] = tokens / lasted * HOUR_NS
        if self._answers >= BUSY_ANSWERS:
            readings["answer_cpu_us"] = (used.cpu - before.cpu) / self._answers * 1e6
        keep_readings(self._workspace, f"{self._holder}:{self._window}", "", readings)

    def _foresee_endpoint(self, tenant_id: str, forecast: ServingForecast, endpoint: Endpoint) -> None:
        self._number += 1
        subject = f"{self._holder}:{endpoint.name}:{self._number}"
        live = _Live(subject, endpoint, self._now(), self._workspace.log.newest_seq())
        keep_forecast(self._workspace.for_tenant(tenant_id), subject, forecast)
        self._live[tenant_id, endpoint.name] = live

    def _read_endpoint(self, key: tuple[str, str], live: _Live) -> None:
        del self._live[key]
        seen, name = self._workspace.for_tenant(key[0]), key[1]
        lasted = max(self._now() - live.since_ns, 1)
        answers = seen.log.count("trace", name=name, after_seq=live.after_seq)
        self._answers += answers
        readings: dict[str, float] = {"answers": answers}
        if answers >= FEWEST_ANSWERS:
            newest = seen.log.values("trace", name, limit=min(answers, _MOST_LATENCIES))
            readings["answer_us"] = 1000 * median(ms for _, ms in newest if ms is not None)
        if lasted >= SHORTEST_NS:
            readings["answers_hour"] = answers / lasted * HOUR_NS
        keep_readings(seen, live.subject, name, readings)

    def _use(self) -> _Used:
        held = [charge for charge in self._workspace.ledger.charges([self._holder]) if charge.meter == "cpu"]
        return _Used(self._now(), sum(charge.nano or 0 for charge in held), sum(charge.quantity for charge in held))

    def _record(self, *readings: Usage) -> None:
        with self._workspace.catalog.write() as connection:
            self._workspace.ledger.record(connection, self._holder, self._window, readings)

    def _now(self) -> int:
        return self._workspace.catalog.clock.now_ns()


def foreseen(workspace: Workspace, deployment: Deployment, seen: Mapping[str, Traffic] | None = None) -> ServingForecast:
    """The forecast of a loaded endpoint; the slowest of its models says how many calls it can take one after the other."""
    slowest = max(runner.model.call_ms for runner in deployment.runners)
    return forecast_endpoint(workspace, deployment.endpoint.name, 1000 / slowest, seen)
