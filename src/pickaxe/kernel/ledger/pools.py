"""The lives of pools: opened, kept alive, closed, and ended for those who died."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import leases, pools, prices
from pickaxe.kernel.ledger.tariff import DEFAULT_PRICES
from pickaxe.kernel.system.retry import retried


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

    @retried
    def closed(self, pool_ids: Collection[str]) -> dict[str, int]:
        """When those of them were closed that are, by their owner or for it."""
        query = sa.select(pools.c.id, pools.c.closed_ns).where(pools.c.id.in_(pool_ids), pools.c.closed_ns.is_not(None))
        with self._catalog.read() as connection:
            return {row.id: row.closed_ns for row in connection.execute(query)}
