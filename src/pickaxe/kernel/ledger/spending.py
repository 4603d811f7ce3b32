"""What was spent, added up by meter, task and day, and kept so: a second look adds only what came since.

Charges are those of `pickaxe.kernel.ledger.ledger`, priced row by row; a lease over several days is cut at midnight (UTC), which the cumulative
price makes exact. Facts of the ledger never change, so a sum of ended leases and of usage stays valid whatever comes later.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.catalog.schema import leases, pools, runs, usage
from pickaxe.kernel.ledger.statement import Statement, reconcile
from pickaxe.kernel.ledger.tariff import Tariff
from pickaxe.kernel.nouns import Lease
from pickaxe.kernel.system.clock import SECOND

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

DAY_NS = 86_400 * SECOND
_EPOCH = date(1970, 1, 1)
_OVERLAP_NS = 120 * SECOND
"""Ends of leases are read this far back again: clocks of several machines need not agree to the second."""
ELSEWHERE = ""
"""The task of what no run of a task spent: serving, imports."""


@dataclass
class Spent:
    """Money in nano-units. Quantities are in the meters' own units.

    Attributes:
        meters: (meter, basis) -> [quantity, nano]; a meter without a price has nano 0 and is covered by another.
        tasks: task -> meter -> nano; days: day -> task -> nano.
    """

    meters: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    tasks: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    days: dict[date, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))

    @property
    def charged(self) -> int:
        return sum(nano for _, nano in self.meters.values())

    def add(self, task: str, meter: str, basis: str, quantity: int, nano: int | None, day: date) -> None:
        line = self.meters[meter, basis]
        line[0] += quantity
        if nano is not None:
            line[1] += nano
            self.tasks[task][meter] += nano
            self.days[day][task] += nano


class Spending:
    """The sums of one tenant's workspace. Safe to call from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._turn = threading.Lock()
        self._ended = Spent()
        self._usage_id = 0
        self._end_ns = 0
        self._recent: dict[str, int] = {}
        self._closed: dict[str, Statement] = {}

    def spent(self) -> Spent:
        """Everything up to now; leases still running are charged up to this moment."""
        with self._turn:
            tariffs = self._workspace.ledger.tariffs()
            with self._workspace.catalog.read() as connection:
                self._add_usage(connection, tariffs)
                running = self._add_leases(connection, tariffs)
            found = _copy(self._ended)
            now = self._workspace.catalog.clock.now_ns()
            for row in running:
                _add_lease(found, row, max(now, row.start_ns), tariffs.get(row.resource))
            return found

    def _add_usage(self, connection: sa.Connection, tariffs: dict[str, Tariff]) -> None:
        query = (
            sa.select(usage, runs.c.name)
            .outerjoin(runs, runs.c.id == usage.c.holder)
            .where(usage.c.tenant_id == self._workspace.tenant_id, usage.c.id > self._usage_id)
            .order_by(usage.c.id)
        )
        for row in connection.execute(query):
            tariff = tariffs.get(row.meter)
            nano = tariff.quantity(row.quantity, row.at_ns) if tariff else None
            self._ended.add(_task(row.name), row.meter, row.basis, row.quantity, nano, _day(row.at_ns))
            self._usage_id = row.id

    def _add_leases(self, connection: sa.Connection, tariffs: dict[str, Tariff]) -> list[Any]:
        """Add what ended since; returns the leases that still run."""
        query = (
            sa.select(leases, pools.c.resource, runs.c.name)
            .join(pools)
            .outerjoin(runs, runs.c.id == leases.c.holder)
            .where(leases.c.tenant_id == self._workspace.tenant_id)
            .where(leases.c.end_ns.is_(None) | (leases.c.end_ns > self._end_ns - _OVERLAP_NS))
        )
        running: list[Any] = []
        for row in connection.execute(query):
            if row.end_ns is None:
                running.append(row)
            elif row.id not in self._recent:
                _add_lease(self._ended, row, row.end_ns, tariffs.get(row.resource))
                self._recent[row.id] = row.end_ns
                self._end_ns = max(self._end_ns, row.end_ns)
        self._recent = {id: end for id, end in self._recent.items() if end > self._end_ns - _OVERLAP_NS}
        return running

    def statements(self) -> list[Statement]:
        """Every pool reconciled, oldest first; a closed one is reconciled once. None for a tenant that does not run the pools."""
        if self._workspace.tenant_id != LOCAL_TENANT:
            return []
        with self._turn, self._workspace.catalog.read() as connection:
            now, tariffs = self._workspace.catalog.clock.now_ns(), self._workspace.ledger.tariffs()
            found: list[Statement] = []
            for pool in connection.execute(sa.select(pools).order_by(pools.c.opened_ns)).all():
                if pool.id not in self._closed:
                    held = [
                        Lease(row.id, row.pool_id, row.holder, row.amount, row.start_ns, row.end_ns)
                        for row in connection.execute(sa.select(leases).where(leases.c.pool_id == pool.id))
                    ]
                    tariff = tariffs.get(pool.resource, Tariff([]))
                    ended = pool.closed_ns or now
                    statement = reconcile(pool.id, pool.resource, pool.capacity, pool.opened_ns, ended, held, tariff)
                    if pool.closed_ns is None:
                        found.append(statement)
                        continue
                    self._closed[pool.id] = statement
                found.append(self._closed[pool.id])
            return found


def _add_lease(spent: Spent, row: Any, end_ns: int, tariff: Tariff | None) -> None:
    """Cut at midnight: neighbouring pieces telescope, so the pieces add up to the lease."""
    start = row.start_ns
    while start < end_ns or start == row.start_ns:
        piece_end = min(end_ns, (start // DAY_NS + 1) * DAY_NS)
        nano = row.amount * tariff.held(start, piece_end) if tariff else None
        spent.add(_task(row.name), row.resource, "measured", row.amount * (piece_end - start), nano, _day(start))
        if piece_end == end_ns:
            return
        start = piece_end


def _day(at_ns: int) -> date:
    return _EPOCH + timedelta(days=at_ns // DAY_NS)


def _task(run_name: str | None) -> str:
    scope, slash, _ = (run_name or "").partition("/")
    return scope if slash else ELSEWHERE


def _copy(spent: Spent) -> Spent:
    fresh = Spent()
    for key, (quantity, nano) in spent.meters.items():
        fresh.meters[key] = [quantity, nano]
    for task, meters in spent.tasks.items():
        fresh.tasks[task] = defaultdict(int, meters)
    for day, tasks in spent.days.items():
        fresh.days[day] = defaultdict(int, tasks)
    return fresh


def last_days(spent: Spent, count: int) -> list[date]:
    """The newest `count` days up to the last one on which something was spent, without gaps."""
    if not spent.days:
        return []
    last = max(spent.days)
    first = max(min(spent.days), last - timedelta(days=count - 1))
    return [first + timedelta(days=place) for place in range((last - first).days + 1)]
