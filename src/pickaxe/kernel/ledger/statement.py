"""A pool reconciled: what was charged for it and what lay idle make up its cost, to the nano-unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pickaxe.kernel.errors import Conflict
from pickaxe.kernel.ledger.tariff import Tariff
from pickaxe.kernel.nouns import Lease


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


def reconcile(
    pool_id: str, resource: str, capacity: int, opened: int, closed: int, held: Sequence[Lease], tariff: Tariff
) -> Statement:
    """Charge every lease, then walk the pool's timeline and price what nobody held; the two are computed independently.

    Raises `Conflict` if at some instant more was held than the pool has, or less than nothing.
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
        if not 0 <= in_use <= capacity or at < opened or until > closed:
            raise Conflict(
                f"pool {pool_id} was leased beyond its capacity or its life", expected=f"0 to {capacity}", got=str(in_use)
            )
        idle += (capacity - in_use) * tariff.held(at, until)
    return Statement(pool_id, resource, capacity * tariff.held(opened, closed), charged, idle)
