"""Idle time named by its cause, from what the ledger and the runs know.

At every instant the free part of a pool has one cause: nobody asked for anything (*no demand*); somebody asks for more than is free, so the
rest lies fallow (*too small*); or somebody asks for what is free and has not got it yet (*starting*: queueing, start-up). The three add up to
the pool's idle time exactly, as they are counted in whole units and nanoseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pickaxe.kernel.ledger.statement import PoolLife
from pickaxe.kernel.ledger.tariff import Tariff
from pickaxe.kernel.system.clock import as_ns

if TYPE_CHECKING:
    from pickaxe.kernel.nouns import Run
    from pickaxe.kernel.workspace import Workspace

Cause = Literal["no demand", "too small", "starting"]
CAUSES: tuple[Cause, ...] = ("no demand", "too small", "starting")


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody asked for `amount` units at `start_ns` and got them, or gave up, at `end_ns`."""

    amount: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Idle:
    """One pool's idle time by cause, in unit-nanoseconds and in nano-units of money (the latter of this pool's tariff)."""

    pool_id: str
    resource: str
    held: int
    unit_ns: dict[Cause, int]
    nano: dict[Cause, int]

    @property
    def utilisation(self) -> float:
        """Share of the pool's life, unit by unit, that somebody held; 0 for a pool that had no life."""
        whole = self.held + sum(self.unit_ns.values())
        return self.held / whole if whole else 0.0


def idle_by_cause(life: PoolLife, waits: Iterable[Wait], tariff: Tariff) -> Idle:
    """Walk the pool's life from change to change and name the cause of what nobody held."""
    changes: dict[int, list[tuple[int, int]]] = {life.opened_ns: [], life.closed_ns: []}

    def change(at: int, taken: int, asked: int) -> None:
        changes.setdefault(min(max(at, life.opened_ns), life.closed_ns), []).append((taken, asked))

    for lease in life.leases:
        change(lease.start_ns, lease.amount, 0)
        change(life.closed_ns if lease.end_ns is None else lease.end_ns, -lease.amount, 0)
    for wait in waits:
        if wait.start_ns < wait.end_ns:
            change(wait.start_ns, 0, wait.amount)
            change(wait.end_ns, 0, -wait.amount)
    unit_ns, nano = dict.fromkeys(CAUSES, 0), dict.fromkeys(CAUSES, 0)
    taken = used = 0
    asked: Counter[int] = Counter()
    for at, until in pairwise(sorted(changes)):
        for by, wanted in changes[at]:
            taken += by
            asked[abs(wanted)] += 1 if wanted > 0 else -1 if wanted < 0 else 0
        free = life.capacity - taken
        used += taken * (until - at)
        cause = _cause(free, [amount for amount, number in asked.items() if amount and number])
        unit_ns[cause] += free * (until - at)
        nano[cause] += free * tariff.held(at, until)
    return Idle(life.pool_id, life.resource, used, unit_ns, nano)


def idle_of(workspace: Workspace) -> list[Idle]:
    """Every pool of a workspace: a run waits from when it was queued until it gets its lease."""
    tariffs = workspace.ledger.tariffs()
    queued = {run.id: as_ns(run.created_at) for run in _runs(workspace)}
    found: list[Idle] = []
    for life in workspace.ledger.lives():
        first = {lease.holder: lease for lease in reversed(life.leases) if lease.holder in queued}
        waits = [Wait(lease.amount, max(queued[holder], life.opened_ns), lease.start_ns) for holder, lease in first.items()]
        found.append(idle_by_cause(life, waits, tariffs.get(life.resource, Tariff([]))))
    return found


def _runs(workspace: Workspace) -> Iterator[Run]:
    cursor: str | None = None
    while True:
        runs, cursor = workspace.runs.page(after=cursor, limit=1000)
        yield from runs
        if cursor is None:
            return


def _cause(free: int, asked: Sequence[int]) -> Cause:
    if not asked:
        return "no demand"
    return "too small" if min(asked) > free else "starting"
