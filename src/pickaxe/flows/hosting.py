"""Forecasts of serving: kept when a server starts and when an endpoint goes live, compared when it drains or after a day.

What the process used goes into the ledger every few minutes, so that a server that is killed leaves what it read: the next one to start, or a
living one beside it, compares that.
"""

from __future__ import annotations

import resource
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from pickaxe.compute.planner.here.served import Window, keep_readings, read_endpoint, read_killed, read_server
from pickaxe.compute.planner.here.serving import (
    LastDay,
    ServingForecast,
    forecast_endpoint,
    forecast_server,
    keep_forecast,
    last_day,
)
from pickaxe.kernel.engine.meter import MAXRSS_UNIT
from pickaxe.kernel.errors import PickaxeError
from pickaxe.kernel.ledger.ledger import Usage
from pickaxe.kernel.ledger.tariff import HOUR_NS
from pickaxe.kernel.ledger.tokens import METER as TOKENS
from pickaxe.kernel.ledger.tokens import METHOD, tokens_of_process
from pickaxe.kernel.nouns import Endpoint
from pickaxe.kernel.peers import living_pools
from pickaxe.serve.apart import cpu_of_models_apart, memory_of_models_apart

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace
    from pickaxe.serve.deployment import Deployment

_LOOK_SECONDS = 5.0
_PEERS_SECONDS = 60.0
_NOTE_NS = HOUR_NS // 6
_DAY_NS = 24 * HOUR_NS

Deployments = Mapping[tuple[str, str], "Deployment"]
"""What a server has loaded: (tenant, name) -> its models."""


class Served(Protocol):
    """What a server does now: what it has loaded, and how many answers it gave since it began."""

    @property
    def deployments(self) -> Deployments: ...

    @property
    def answers(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Live:
    """An endpoint from when it went live: as whom its forecast was kept, and where its window begins."""

    subject: str
    endpoint: Endpoint
    since_ns: int
    after_seq: int


class Endpoints:
    """Endpoints that are served here: forecast when they go live, read when they go. `holder` is new for every server."""

    def __init__(self, workspace: Workspace, holder: str, deployments: Callable[[], Deployments]) -> None:
        self._workspace, self._holder, self._deployments = workspace, holder, deployments
        self._live: dict[tuple[str, str], _Live] = {}
        self._number = 0

    def look(self) -> None:
        """Forecast what went live since the last look, read what went."""
        there = dict(self._deployments())
        for key, live in list(self._live.items()):
            if key not in there or there[key].endpoint != live.endpoint:
                self._read(key, live)
        fresh = [key for key in there if key not in self._live]
        pool = self._workspace.stores.pool_id
        days = {tenant: last_day(self._workspace.for_tenant(tenant), pool) for tenant in {tenant for tenant, _ in fresh}}
        for key in fresh:
            seen, deployment = self._workspace.for_tenant(key[0]), there[key]
            self._number += 1
            subject = f"{self._holder}:{deployment.endpoint.name}:{self._number}"
            now, newest = self._workspace.catalog.clock.now_ns(), self._workspace.log.newest_seq()
            keep_forecast(seen, subject, foreseen(seen, deployment, days[key[0]]), pool)
            self._live[key] = _Live(subject, deployment.endpoint, now, newest)

    def end(self) -> None:
        """Read those that are still live."""
        for key, live in list(self._live.items()):
            self._read(key, live)

    def _read(self, key: tuple[str, str], live: _Live) -> None:
        del self._live[key]
        seen, name = self._workspace.for_tenant(key[0]), key[1]
        now, newest = self._workspace.catalog.clock.now_ns(), self._workspace.log.newest_seq()
        keep_readings(seen, live.subject, name, read_endpoint(seen, name, Window(live.since_ns, now, live.after_seq, newest)))


@dataclass(slots=True)
class _Noted:
    """What the process had used when that was last noted; of a window, `peak` and `since`, where it begins."""

    at_ns: int
    answers: int
    after_seq: int
    since: tuple[int, int]
    peak: int = 0
    tokens: int = field(default_factory=tokens_of_process)
    cpu: float = field(default_factory=lambda: time.process_time() + cpu_of_models_apart())


class Hosting:
    """Stands beside a server, as a context, from its start until its last trace is written.

    Args:
        holder: who holds the server's core in the ledger; new for every start of a server.
        served: what the server does.
    """

    def __init__(self, workspace: Workspace, holder: str, served: Callable[[], Served]) -> None:
        self._workspace, self._holder, self._served = workspace, holder, served
        self._endpoints = Endpoints(workspace, holder, lambda: served().deployments)
        self._window = 0
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="hosting", daemon=True)

    def __enter__(self) -> Self:
        with suppress(PickaxeError):
            read_killed(self._workspace)
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
        """Forecast what went live since the last look, read what went; note what was used."""
        self._endpoints.look()
        if self._now() - self._noted.at_ns > _NOTE_NS and self._served().answers != self._noted.answers:
            self._note()
        if self._now() - self._noted.since[0] > _DAY_NS:
            self._end()
            self._begin()

    def _keep(self) -> None:
        peers, looked = living_pools(self._workspace.catalog), time.monotonic()
        while not self._closing.wait(_LOOK_SECONDS):
            with suppress(PickaxeError):
                self.look()
                if time.monotonic() - looked > _PEERS_SECONDS:
                    before, peers, looked = peers, living_pools(self._workspace.catalog), time.monotonic()
                    if before - peers:
                        read_killed(self._workspace)

    def _begin(self) -> None:
        self._window += 1
        now, answers = self._now(), self._served().answers
        self._noted = _Noted(now, answers, self._workspace.log.newest_seq(), (now, answers))
        keep_forecast(self._workspace, self._subject, forecast_server(self._workspace), self._workspace.stores.pool_id)
        self._endpoints.look()

    def _note(self) -> None:
        """What the process used since the last note goes into the ledger; notes of a window add up to it, the peak of memory too."""
        last, now, served = self._noted, self._now(), self._served().answers
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT + memory_of_models_apart()
        self._noted = _Noted(now, served, last.after_seq, last.since, max(peak, last.peak))
        tokens, higher = self._noted.tokens - last.tokens, self._noted.peak - last.peak
        cpu_ms = round((self._noted.cpu - last.cpu) * 1000)
        readings = [
            Usage("cpu_time_ms", cpu_ms, "measured", "CPU time of the server's process and of its models'"),
            Usage("wall_ms", (now - last.at_ns) // 1_000_000, "measured", "the workspace's clock"),
            *(
                [Usage("memory_peak_bytes", higher, "measured", "ru_maxrss of the server's process and of its models'")]
                if higher
                else []
            ),
            *([Usage(TOKENS, tokens, "measured", METHOD)] if tokens else []),
        ]
        with self._workspace.catalog.write() as connection:
            self._workspace.ledger.record(connection, self._holder, self._window, readings)

    def _end(self) -> None:
        """Read the window: the endpoints, then the server."""
        self._endpoints.end()
        self._note()
        begin, answers_before = self._noted.since
        window = Window(begin, self._noted.at_ns, self._noted.after_seq, self._workspace.log.newest_seq())
        answers = self._noted.answers - answers_before
        keep_readings(
            self._workspace, self._subject, "", read_server(self._workspace, self._holder, self._window, window, answers)
        )

    @property
    def _subject(self) -> str:
        return f"{self._holder}:{self._window}"

    def _now(self) -> int:
        return self._workspace.catalog.clock.now_ns()


@contextmanager
def hosted(workspace: Workspace, name: str, deployments: Callable[[], Deployments]) -> Iterator[None]:
    """One endpoint, for as long as the block lasts, of a server that is not the whole of its process.

    What the process uses is not the server's alone, so that only the endpoint is forecast and read.
    """
    key = workspace.tenant_id, name
    endpoints = Endpoints(
        workspace,
        f"endpoint-{name}-{uuid.uuid4().hex[:12]}",
        lambda: {key: found} if (found := deployments().get(key)) else {},
    )
    with suppress(PickaxeError):
        read_killed(workspace)
    endpoints.look()
    try:
        yield
    finally:
        with suppress(PickaxeError):
            endpoints.end()


def foreseen(workspace: Workspace, deployment: Deployment, day: LastDay | None = None) -> ServingForecast:
    """The forecast of a loaded endpoint; the slowest of its models says how many calls it can take one after the other."""
    slowest = max(runner.model.call_ms for runner in deployment.runners)
    return forecast_endpoint(workspace, deployment.endpoint.name, 1000 / slowest, day)
