"""Full and marginal cost of an artifact, from the graph and the ledger.

Allocation rule (`WHOLE`): every run upstream of the artifact counts in full, once, with all its attempts. The marginal cost
leaves out the runs that an artifact published earlier had already needed: it is what *this* one added to the bill. Idle time of
the pool belongs to no artifact; it stands in the pool's statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pickaxe.kernel.lineage import ancestry, ancestry_of_all, upstream
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.schema import artifacts, events, runs

if TYPE_CHECKING:
    from pickaxe.kernel.ledger import Charge
    from pickaxe.kernel.workspace import Workspace

WHOLE = "whole: every upstream run in full, once; marginal: only runs that nothing published earlier had needed"


@dataclass(frozen=True, slots=True)
class RunCost:
    """One upstream run and what it was charged."""

    run_id: str
    name: str
    charges: tuple[Charge, ...]
    shared_with: str | None
    """Ref of the artifact published earlier that had needed this run already; None when the run is marginal."""

    @property
    def nano(self) -> int:
        return sum(charge.nano or 0 for charge in self.charges)


@dataclass(frozen=True, slots=True)
class Cost:
    """The bill of one artifact, in integer nano-units of money."""

    artifact: Artifact
    runs: tuple[RunCost, ...]
    rule: str = WHOLE

    @property
    def full(self) -> int:
        return sum(run.nano for run in self.runs)

    @property
    def marginal(self) -> int:
        return sum(run.nano for run in self.runs if run.shared_with is None)

    def of_meter(self, meter: str, *, marginal: bool = False) -> int:
        """Money for one meter."""
        counted = [run for run in self.runs if not (marginal and run.shared_with)]
        return sum(charge.nano or 0 for run in counted for charge in run.charges if charge.meter == meter)

    def quantity(self, meter: str, *, marginal: bool = False) -> int:
        """Units that one meter read."""
        counted = [run for run in self.runs if not (marginal and run.shared_with)]
        return sum(charge.quantity for run in counted for charge in run.charges if charge.meter == meter)


def cost_of(workspace: Workspace, artifact: Artifact) -> Cost:
    """Price everything upstream of `artifact`."""
    run_ids, _ = upstream(ancestry(workspace, artifact.id), artifact.id)
    charges: dict[str, list[Charge]] = {run_id: [] for run_id in run_ids}
    for charge in workspace.ledger.charges(run_ids):
        charges[charge.holder].append(charge)
    earlier = _needed_earlier(workspace, artifact, set(run_ids))
    names = _names(workspace, run_ids)
    return Cost(
        artifact,
        tuple(RunCost(run_id, names[run_id], tuple(charges[run_id]), earlier.get(run_id)) for run_id in run_ids),
    )


def _needed_earlier(workspace: Workspace, artifact: Artifact, run_ids: set[str]) -> dict[str, str]:
    """Those of the runs that something published before `artifact` had needed -> the ref of the first that did."""
    born_ns = sa.select(artifacts.c.created_ns).where(artifacts.c.id == artifact.id).scalar_subquery()
    published = (
        sa.select(artifacts.c.id, artifacts.c.name, artifacts.c.version)
        .join(events, (events.c.subject == artifacts.c.id) & (events.c.tenant_id == artifacts.c.tenant_id))
        .where(artifacts.c.tenant_id == workspace.tenant_id, artifacts.c.id != artifact.id)
        .where(events.c.kind == "publish", events.c.at_ns < born_ns)
        .order_by(events.c.seq)
    )
    with workspace.catalog.read() as connection:
        rows = connection.execute(published).all()
    graph = ancestry_of_all(workspace, published.with_only_columns(artifacts.c.id).order_by(None))
    needed: dict[str, str] = {}
    seen: set[str] = set()
    for row in rows:
        waiting = [row.id]
        while waiting:
            run_id = graph.made_by.get(waiting.pop())
            if run_id is None or run_id in seen:  # what is above a run that was seen was seen too
                continue
            seen.add(run_id)
            waiting += graph.inputs_of.get(run_id, [])
            if run_id in run_ids:
                needed[run_id] = f"{row.name}:{row.version}"
    return needed


def _names(workspace: Workspace, run_ids: Sequence[str]) -> dict[str, str]:
    with workspace.catalog.read() as connection:
        named = sa.select(runs.c.id, runs.c.name).where(runs.c.tenant_id == workspace.tenant_id, runs.c.id.in_(run_ids))
        found = connection.execute(named)
        return {row.id: row.name for row in found}


def as_money(nano: int, currency: str = "USD") -> str:
    """For people: dollars with the digits that still say something."""
    amount = nano / 1e9
    digits = 2 if abs(amount) >= 1 else 4 if abs(amount) >= 0.01 else 6
    return f"{'$' if currency == 'USD' else currency + ' '}{amount:,.{digits}f}"
