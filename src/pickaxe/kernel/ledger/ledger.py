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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import leases, pools, prices, usage
from pickaxe.kernel.errors import BadInput, Conflict
from pickaxe.kernel.ledger.statement import PoolLife, Statement, reconcile
from pickaxe.kernel.ledger.tariff import Price, Tariff
from pickaxe.kernel.nouns import Lease
from pickaxe.kernel.paging import beginning
from pickaxe.kernel.system.retry import retried


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
class Held:
    """What was held of pools within an interval, unit by unit in nanoseconds, and its price."""

    unit_ns: int
    nano: int


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
            found += [_of_lease(row, tariffs, now) for row in connection.execute(held)]
            found += [_of_reading(row, tariffs) for row in connection.execute(used)]
        return found

    @retried
    def page(self, *, holder: str | None = None, after: str | None = None, limit: int = 100) -> tuple[list[Charge], str | None]:
        """As `charges`, leases before readings, and the cursor (`after`) that goes on; None at the end. Raises `BadInput`."""
        now, tariffs = self._catalog.clock.now_ns(), self.tariffs()
        lease, reading = _begin(after)
        found: list[tuple[str, Charge]] = []
        with self._catalog.read() as connection:
            if lease is not None:
                held = sa.select(leases, pools.c.resource).join(pools).where(leases.c.tenant_id == self._tenant_id)
                held = held.where(leases.c.id > lease, *([leases.c.holder == holder] if holder else []))
                rows = connection.execute(held.order_by(leases.c.id).limit(limit + 1))
                found += [(row.id, _of_lease(row, tariffs, now)) for row in rows]
            if len(found) <= limit:
                used = sa.select(usage).where(usage.c.tenant_id == self._tenant_id, usage.c.id > reading)
                used = used.where(*([usage.c.holder == holder] if holder else []))
                rows = connection.execute(used.order_by(usage.c.id).limit(limit + 1 - len(found)))
                found += [(str(row.id), _of_reading(row, tariffs)) for row in rows]
        return [charge for _, charge in found[:limit]], found[limit - 1][0] if len(found) > limit else None

    @retried
    def used(self, holder: str, attempt: int) -> dict[str, int]:
        """What meters read of one attempt of the tenant's holder, added up by meter."""
        of_attempt = usage.c.tenant_id == self._tenant_id, usage.c.holder == holder, usage.c.attempt == attempt
        query = sa.select(usage.c.meter, sa.func.sum(usage.c.quantity)).where(*of_attempt).group_by(usage.c.meter)
        with self._catalog.read() as connection:
            return {meter: int(quantity) for meter, quantity in connection.execute(query)}

    @retried
    def held(self, prefix: str, begin_ns: int, end_ns: int) -> Held:
        """What the tenant's holders whose names begin with `prefix` held within an interval."""
        now, tariffs = self._catalog.clock.now_ns(), self.tariffs()
        query = (
            sa.select(leases, pools.c.resource)
            .join(pools)
            .where(leases.c.tenant_id == self._tenant_id)
            .where(*beginning(leases.c.holder, prefix))
            .where(leases.c.start_ns < end_ns, leases.c.end_ns.is_(None) | (leases.c.end_ns > begin_ns))
        )
        unit_ns = nano = 0
        with self._catalog.read() as connection:
            for row in connection.execute(query):
                start, end = max(row.start_ns, begin_ns), min(now if row.end_ns is None else row.end_ns, end_ns)
                unit_ns += row.amount * max(end - start, 0)
                if row.resource in tariffs and end > start:
                    nano += row.amount * tariffs[row.resource].held(start, end)
        return Held(unit_ns, nano)

    @retried
    def hosts(self, holders: Sequence[str]) -> dict[str, str]:
        """On which machine the tenant's holders held what they held, by name; the last one of those that moved."""
        query = sa.select(leases.c.holder, pools.c.machine).join(pools).order_by(leases.c.start_ns)
        query = query.where(leases.c.tenant_id == self._tenant_id, leases.c.holder.in_(holders))
        with self._catalog.read() as connection:
            return {row.holder: row.machine.get("host", "") for row in connection.execute(query)}

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


def _of_lease(row: Any, tariffs: Mapping[str, Tariff], now: int) -> Charge:
    end = now if row.end_ns is None else row.end_ns
    cost = row.amount * tariffs[row.resource].held(row.start_ns, end) if row.resource in tariffs else None
    return Charge(row.holder, row.resource, row.amount * (end - row.start_ns), "measured", cost)


def _of_reading(row: Any, tariffs: Mapping[str, Tariff]) -> Charge:
    tariff = tariffs.get(row.meter, Tariff([]))
    return Charge(row.holder, row.meter, row.quantity, row.basis, tariff.quantity(row.quantity, row.at_ns))


def _begin(after: str | None) -> tuple[str | None, int]:
    """The lease and the reading that a page lies beyond: a cursor is the id of one of them."""
    if after is None or after.startswith("lease-"):
        return after or "", 0
    if after.isascii() and after.isdecimal() and len(after) < 19:
        return None, int(after)
    raise BadInput(f"{after!r:.60} is not a cursor", expected="`next` of the page before", remedy="begin again without it")
