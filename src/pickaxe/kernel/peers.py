"""Several processes that write one catalog: what the dead among them left under way is found and ended by the living.

Of a process of this machine the machine says whether it is dead (see `process`); another one is taken for dead when its heart has not
beaten for `GONE_AFTER` although the database could be reached all that time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import leases, pools, runs
from pickaxe.kernel.ledger.pools import Pools
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.runs import GONE_AFTER, interrupt
from pickaxe.kernel.system.process import is_alive
from pickaxe.kernel.system.retry import retried

_LOOK_EVERY = timedelta(seconds=6)


def living(catalog: Catalog) -> list[str]:
    """Who has the catalog open for writing, for people."""
    return [f"process {machine.get('pid')} on {machine.get('host')}" for _, machine, alive in _open_pools(catalog) if alive]


def living_pools(catalog: Catalog) -> set[str]:
    """The pools whose processes live, as far as one can tell."""
    return {pool_id for pool_id, _, alive in _open_pools(catalog) if alive}


@retried
def _open_pools(catalog: Catalog) -> list[tuple[str, dict[str, Any], bool]]:
    """Pools that nobody has closed: id, machine, and whether its process lives as far as one can tell."""
    silent = catalog.silent_since_ns(GONE_AFTER)
    query = sa.select(pools.c.id, pools.c.machine, pools.c.heartbeat_ns).where(pools.c.closed_ns.is_(None))
    with catalog.read() as connection:
        rows = connection.execute(query).all()
    return [(row.id, row.machine, _lives(row.machine, row.heartbeat_ns >= silent)) for row in rows]


def _lives(machine: Mapping[str, Any], beats: bool) -> bool:
    known = is_alive(machine)
    return beats if known is None else known


class Peers:
    """Looks after the other writers of a shared catalog."""

    def __init__(self, catalog: Catalog, own_pools: Pools) -> None:
        self._catalog = catalog
        self._pools = own_pools
        self._looked = 0.0

    def look(self, *, now: bool = False) -> list[str]:
        """End what dead peers left, every few seconds (or `now`); ids of the runs that were interrupted."""
        if not now and time.monotonic() - self._looked < _LOOK_EVERY.total_seconds():
            return []
        self._looked = time.monotonic()
        dead = self._dead_pools()
        interrupted = self._interrupt(dead)
        for pool_id in dead:
            self._pools.abandon(pool_id)
        return interrupted

    def _dead_pools(self) -> list[str]:
        return [pool_id for pool_id, _, alive in _open_pools(self._catalog) if not alive]

    @retried
    def _interrupt(self, dead: Sequence[str]) -> list[str]:
        held = sa.select(leases.c.holder).where(leases.c.pool_id.in_(dead), leases.c.end_ns.is_(None))
        silent = sa.func.coalesce(runs.c.heartbeat_ns, runs.c.created_ns) < self._catalog.silent_since_ns(GONE_AFTER)
        with self._catalog.write() as connection:
            return interrupt(connection, sa.or_(silent, sa.and_(runs.c.state == RunState.RUNNING, runs.c.id.in_(held))))
