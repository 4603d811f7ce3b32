"""The ledger: what was used, what it costs, and the proof that it adds up.

Two kinds of fact are kept, both as integers and never changed afterwards:

- a *lease*: a run held `amount` units of a pool from one nanosecond to another. Leases are what time is charged by.
- a *usage* row: what a meter read (CPU time, memory, bytes, energy, human time, tokens), and whether it was measured.

A charge is a pure function of these facts and the dated price rows. Time is priced through the cumulative price
F(t) = floor(price x t): a lease of c units over [a, b) costs c x (F(b) - F(a)). Neighbouring intervals telescope, so charges
plus idle equal the cost of the pool *exactly*, whatever the intervals, with no remainder to hide.
"""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any

import sqlalchemy as sa

from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import leases, pools, prices, usage
from pickaxe.kernel.errors import BadInput, Conflict
from pickaxe.kernel.nouns import Lease
from pickaxe.kernel.paging import beginning
from pickaxe.kernel.system.retry import retried

HOUR_NS = 3_600 * 1_000_000_000

DEFAULT_PRICES = {
    "cpu": (40_000_000, HOUR_NS, "default: $0.04 a core-hour, memory and energy included; replace with yours: pickaxe price"),
    "human_ms": (20_000_000_000, 3_600_000, "default: $20 an hour of labelling; replace with yours: pickaxe price"),
    "stored_bytes": (
        23_000_000,
        10**9,
        "default: $0.023 a GB, one month, charged when stored; replace with yours: pickaxe price",
    ),
}


WITHOUT_PRICE = {"tokens": 1_000_000}
"""Meters that cost nothing until somebody sets a price, as the cores that read them are paid; and the units that it is usually for."""


@dataclass(frozen=True, slots=True)
class Price:
    """`nano` billionths of a unit of `currency` for `per` units of the meter, from an instant on."""

    meter: str
    valid_from_ns: int
    nano: int
    per: int
    currency: str
    source: str


@dataclass(frozen=True, slots=True)
class Usage:
    """One reading of one meter. `quantity` is an integer in the unit that the meter's name ends with."""

    meter: str
    quantity: int
    basis: str
    method: str


@dataclass(frozen=True, slots=True)
class Charge:
    """What a holder owes for one meter; `nano` is None for a meter without a price (covered by another)."""

    holder: str
    meter: str
    quantity: int
    basis: str
    nano: int | None


@dataclass(frozen=True, slots=True)
class PoolLife:
    """A pool from its opening to its close, and what was held of it."""

    pool_id: str
    resource: str
    capacity: int
    opened_ns: int
    closed_ns: int
    leases: tuple[Lease, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One pool reconciled: `charged + idle == cost`."""

    pool_id: str
    resource: str
    cost: int
    charged: int
    idle: int


class Tariff:
    """The price rows of one meter as a function of time."""

    def __init__(self, rows: Sequence[Price]) -> None:
        self.rows = sorted(rows, key=lambda row: row.valid_from_ns)

    def up_to(self, at_ns: int) -> int:
        """F(t): the price of one unit held from the epoch to `at_ns`."""
        total = 0
        for row, after in zip_longest(self.rows, self.rows[1:]):
            until = at_ns if after is None else min(at_ns, after.valid_from_ns)
            if until > row.valid_from_ns:
                total += row.nano * until // row.per - row.nano * row.valid_from_ns // row.per
        return total

    def held(self, start_ns: int, end_ns: int) -> int:
        """Price of one unit held over [start_ns, end_ns)."""
        return self.up_to(end_ns) - self.up_to(start_ns)

    def quantity(self, amount: int, at_ns: int) -> int | None:
        """Price of a metered quantity at an instant, None without a price."""
        index = bisect_right([row.valid_from_ns for row in self.rows], at_ns)
        if index == 0:
            return None
        row = self.rows[index - 1]
        return (2 * row.nano * amount + row.per) // (2 * row.per)


def priceable(tariffs: Mapping[str, Tariff]) -> dict[str, int]:
    """Meters that may be given a price, and the units that it was for last."""
    return WITHOUT_PRICE | {meter: tariff.rows[-1].per for meter, tariff in tariffs.items()}


def reconcile(
    pool_id: str, resource: str, capacity: int, opened: int, closed: int, held: Sequence[Lease], tariff: Tariff
) -> Statement:
    """Charge every lease, then walk the pool's timeline and price what nobody held; the two are computed independently.

    Raises `Conflict` if at some instant more was held than the pool has.
    """
    charged = 0
    changes: dict[int, int] = {opened: 0, closed: 0}
    for lease in held:
        end = closed if lease.end_ns is None else lease.end_ns
        charged += lease.amount * tariff.held(lease.start_ns, end)
        changes[lease.start_ns] = changes.get(lease.start_ns, 0) + lease.amount
        changes[end] = changes.get(end, 0) - lease.amount
    idle = in_use = 0
    instants = sorted(changes)
    for at, until in pairwise(instants):
        in_use += changes[at]
        if in_use > capacity or at < opened or until > closed:
            raise Conflict(
                f"pool {pool_id} was leased beyond its capacity or its life", expected=f"<= {capacity}", got=str(in_use)
            )
        idle += (capacity - in_use) * tariff.held(at, until)
    return Statement(pool_id, resource, capacity * tariff.held(opened, closed), charged, idle)


class Pools:
    """The pools of a workspace: each belongs to the process that opened it, and lives as long as its heart beats."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @retried
    def open(self, resource: str, capacity: int, machine: Mapping[str, Any]) -> str:
        """Begin the life of a pool."""
        pool_id, now = f"pool-{uuid.uuid4().hex[:24]}", self._catalog.clock.now_ns()
        with self._catalog.write() as connection:
            connection.execute(
                pools.insert().values(
                    id=pool_id, resource=resource, capacity=capacity, machine=dict(machine), opened_ns=now, heartbeat_ns=now
                )
            )
            for meter, (nano, per, source) in DEFAULT_PRICES.items():
                if connection.execute(sa.select(prices.c.meter).where(prices.c.meter == meter)).first() is None:
                    connection.execute(
                        prices.insert().values(meter=meter, valid_from_ns=0, nano=nano, per=per, currency="USD", source=source)
                    )
        return pool_id

    def close_abandoned(self) -> None:
        """End what dead writers left open, at its last heartbeat. Only the workspace's one writer may call this."""
        with self._catalog.read() as connection:
            abandoned = connection.execute(sa.select(pools.c.id).where(pools.c.closed_ns.is_(None))).scalars().all()
        for pool_id in abandoned:
            self.abandon(pool_id)

    @retried
    def abandon(self, pool_id: str) -> None:
        """End a pool whose machine or process is gone, and the leases on it, at its last heartbeat."""
        with self._catalog.write() as connection:
            heartbeat = connection.execute(sa.select(pools.c.heartbeat_ns).where(pools.c.id == pool_id)).scalar_one()
            of_pool = leases.c.pool_id == pool_id
            # A lease taken after the last heartbeat lasted no longer than its first instant, as far as anybody knows.
            newest = connection.execute(
                sa.select(sa.func.max(leases.c.start_ns), sa.func.max(leases.c.end_ns)).where(of_pool)
            ).one()
            ended = max(heartbeat, *(value or 0 for value in newest))
            connection.execute(leases.update().where(of_pool, leases.c.end_ns.is_(None)).values(end_ns=ended))
            connection.execute(pools.update().where(pools.c.id == pool_id).values(closed_ns=ended, heartbeat_ns=ended))

    @retried
    def beat(self, pool_id: str) -> None:
        """The pool lives. One that others took for dead is open again: the time until now it was idle."""
        with self._catalog.write() as connection:
            alive = pools.update().where(pools.c.id == pool_id)
            connection.execute(alive.values(heartbeat_ns=self._catalog.clock.now_ns(), closed_ns=None))

    @retried
    def close(self, pool_id: str) -> None:
        now = self._catalog.clock.now_ns()
        with self._catalog.write() as connection:
            connection.execute(leases.update().where(leases.c.pool_id == pool_id, leases.c.end_ns.is_(None)).values(end_ns=now))
            connection.execute(pools.update().where(pools.c.id == pool_id).values(closed_ns=now, heartbeat_ns=now))


class Ledger:
    """Prices and pools' statements of a workspace, leases and usage of one tenant."""

    def __init__(self, catalog: Catalog, tenant_id: str) -> None:
        self._catalog = catalog
        self._tenant_id = tenant_id

    @retried
    def grant(self, pool_id: str, holder: str, amount: int) -> str:
        """Lease `amount` units from now on; raises `Conflict` when the pool has not that many free."""
        lease_id, now = f"lease-{uuid.uuid4().hex[:24]}", self._catalog.clock.now_ns()
        taken = sa.select(sa.func.coalesce(sa.func.sum(leases.c.amount), 0)).where(
            leases.c.pool_id == pool_id, leases.c.end_ns.is_(None)
        )
        with self._catalog.write() as connection:
            capacity = connection.execute(sa.select(pools.c.capacity).where(pools.c.id == pool_id)).scalar_one()
            free = capacity - connection.execute(taken).scalar_one()
            if amount < 1 or amount > free:
                raise Conflict(f"cannot lease {amount} of {pool_id}", expected=f"1 to {free} (free now)", got=str(amount))
            connection.execute(
                leases.insert().values(
                    id=lease_id, tenant_id=self._tenant_id, pool_id=pool_id, holder=holder, amount=amount, start_ns=now
                )
            )
        return lease_id

    def release(self, connection: sa.Connection, lease_id: str) -> None:
        """End the lease now; one that ended with its pool stays as it is."""
        held = (leases.c.id == lease_id) & leases.c.end_ns.is_(None)
        connection.execute(leases.update().where(held).values(end_ns=self._catalog.clock.now_ns()))

    def record(self, connection: sa.Connection, holder: str, attempt: int, readings: Sequence[Usage]) -> None:
        """Keep what the meters read, in the transaction that ends the attempt."""
        now = self._catalog.clock.now_ns()
        for reading in readings:
            connection.execute(
                usage.insert().values(
                    tenant_id=self._tenant_id,
                    holder=holder,
                    attempt=attempt,
                    meter=reading.meter,
                    quantity=reading.quantity,
                    basis=reading.basis,
                    method=reading.method,
                    at_ns=now,
                )
            )

    @retried
    def set_price(self, meter: str, nano: int, per: int, *, source: str, currency: str = "USD") -> None:
        """A new price from now on. Prices are never changed backwards: what was charged stays charged."""
        if nano < 0 or per < 1:
            raise BadInput(f"price of {meter} is not usable", expected="nano >= 0 and per >= 1", got=f"{nano} per {per}")
        with self._catalog.write() as connection:
            connection.execute(
                prices.insert().values(
                    meter=meter,
                    valid_from_ns=self._catalog.clock.now_ns(),
                    nano=nano,
                    per=per,
                    currency=currency,
                    source=source,
                )
            )

    @retried
    def tariffs(self) -> dict[str, Tariff]:
        """Every meter's price rows."""
        rows: dict[str, list[Price]] = {}
        with self._catalog.read() as connection:
            for row in connection.execute(sa.select(prices)):
                price = Price(row.meter, row.valid_from_ns, row.nano, row.per, row.currency, row.source)
                rows.setdefault(row.meter, []).append(price)
        return {meter: Tariff(of_meter) for meter, of_meter in rows.items()}

    @retried
    def charges(self, holders: Sequence[str] | None = None) -> list[Charge]:
        """Everything the tenant's holders (None: all) owe, meter by meter; leases still running are charged up to now."""
        now, tariffs, found = self._catalog.clock.now_ns(), self.tariffs(), list[Charge]()
        with self._catalog.read() as connection:
            held = sa.select(leases, pools.c.resource).join(pools).where(leases.c.tenant_id == self._tenant_id)
            used = sa.select(usage).where(usage.c.tenant_id == self._tenant_id).order_by(usage.c.id)
            if holders is not None:
                held, used = held.where(leases.c.holder.in_(holders)), used.where(usage.c.holder.in_(holders))
            for row in connection.execute(held):
                end = now if row.end_ns is None else row.end_ns
                cost = row.amount * tariffs[row.resource].held(row.start_ns, end) if row.resource in tariffs else None
                found.append(Charge(row.holder, row.resource, row.amount * (end - row.start_ns), "measured", cost))
            for row in connection.execute(used):
                tariff = tariffs.get(row.meter, Tariff([]))
                found.append(Charge(row.holder, row.meter, row.quantity, row.basis, tariff.quantity(row.quantity, row.at_ns)))
        return found

    @retried
    def held(self, prefix: str, begin_ns: int, end_ns: int) -> int:
        """Price of what the tenant's holders whose names begin with `prefix` held within an interval."""
        now, tariffs = self._catalog.clock.now_ns(), self.tariffs()
        query = (
            sa.select(leases, pools.c.resource)
            .join(pools)
            .where(leases.c.tenant_id == self._tenant_id)
            .where(*beginning(leases.c.holder, prefix))
            .where(leases.c.start_ns < end_ns, leases.c.end_ns.is_(None) | (leases.c.end_ns > begin_ns))
        )
        nano = 0
        with self._catalog.read() as connection:
            for row in connection.execute(query):
                start, end = max(row.start_ns, begin_ns), min(now if row.end_ns is None else row.end_ns, end_ns)
                if row.resource in tariffs and end > start:
                    nano += row.amount * tariffs[row.resource].held(start, end)
        return nano

    def lives(self) -> list[PoolLife]:
        """Every pool that ever was with its leases, whoever held them; an open pool up to now."""
        now = self._catalog.clock.now_ns()
        held: dict[str, list[Lease]] = {}
        with self._catalog.read() as connection:
            for row in connection.execute(sa.select(leases).order_by(leases.c.start_ns)):
                lease = Lease(row.id, row.pool_id, row.holder, row.amount, row.start_ns, row.end_ns)
                held.setdefault(row.pool_id, []).append(lease)
            return [
                PoolLife(row.id, row.resource, row.capacity, row.opened_ns, row.closed_ns or now, tuple(held.get(row.id, ())))
                for row in connection.execute(sa.select(pools).order_by(pools.c.opened_ns))
            ]

    @retried
    def statements(self) -> list[Statement]:
        """Reconcile every pool that ever was."""
        tariffs = self.tariffs()
        return [
            reconcile(
                life.pool_id,
                life.resource,
                life.capacity,
                life.opened_ns,
                life.closed_ns,
                life.leases,
                tariffs.get(life.resource, Tariff([])),
            )
            for life in self.lives()
        ]
