"""Full and marginal cost of an artifact, from the graph and the ledger.

Allocation rule (`WHOLE`): every run upstream of the artifact counts in full, once, with all its attempts. The marginal cost
leaves out the runs that an artifact published earlier had already needed: it is what *this* one added to the bill. Idle time of
the pool belongs to no artifact; it stands in the pool's statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pickaxe.kernel.browse import run_names
from pickaxe.kernel.catalog.schema import artifacts, events
from pickaxe.kernel.lineage import Edges, ancestry, progeny, upstream
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.paging import MANY, batched

if TYPE_CHECKING:
    from pickaxe.kernel.ledger.ledger import Charge
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
    graph = ancestry(workspace, artifact.id)
    run_ids, _ = upstream(graph, artifact.id)
    charges: dict[str, list[Charge]] = {run_id: [] for run_id in run_ids}
    for charge in workspace.ledger.charges(run_ids):
        charges[charge.holder].append(charge)
    earlier = _needed_earlier(workspace, artifact, graph, set(run_ids))
    names = run_names(workspace, run_ids)
    return Cost(
        artifact,
        tuple(RunCost(run_id, names[run_id], tuple(charges[run_id]), earlier.get(run_id)) for run_id in run_ids),
    )


def _needed_earlier(workspace: Workspace, artifact: Artifact, above: Edges, run_ids: set[str]) -> dict[str, str]:
    """Those of the runs that something published before `artifact` had needed -> the ref of the first that did.

    Whatever needed one of the runs lies below it, so what is published elsewhere in the workspace is not looked at.
    """
    made = [id for run_id in run_ids for id in above.outputs_of.get(run_id, [])]
    below = progeny(workspace, *made)
    made_by, inputs_of = {**above.made_by, **below.made_by}, {**above.inputs_of, **below.inputs_of}
    needed: dict[str, str] = {}
    seen: set[str] = set()
    for row in _published_before(workspace, artifact, [*made, *below.made_by]):
        waiting = [row.id]
        while waiting:
            run_id = made_by.get(waiting.pop())
            if run_id is None or run_id in seen:  # what is above a run that was seen was seen too
                continue
            seen.add(run_id)
            waiting += inputs_of.get(run_id, [])
            if run_id in run_ids:
                needed[run_id] = f"{row.name}:{row.version}"
    return needed


def _published_before(workspace: Workspace, artifact: Artifact, ids: Sequence[str]) -> list[Any]:
    """Those of the artifacts `ids` that were published before `artifact` was made, in the order in which they were."""
    born_ns = sa.select(artifacts.c.created_ns).where(artifacts.c.id == artifact.id).scalar_subquery()
    found: list[Any] = []
    with workspace.catalog.read() as connection:
        for some in batched(dict.fromkeys(ids), MANY):
            published = (
                sa.select(artifacts.c.id, artifacts.c.name, artifacts.c.version, events.c.seq)
                .join(events, (events.c.subject == artifacts.c.id) & (events.c.tenant_id == artifacts.c.tenant_id))
                .where(artifacts.c.tenant_id == workspace.tenant_id, artifacts.c.id != artifact.id, artifacts.c.id.in_(some))
                .where(events.c.kind == "publish", events.c.at_ns < born_ns)
            )
            found += connection.execute(published).all()
    return sorted(found, key=lambda row: row.seq)


def as_money(nano: int, currency: str = "USD") -> str:
    """For people: dollars with the digits that still say something."""
    amount = nano / 1e9
    digits = 2 if abs(amount) >= 1 else 4 if abs(amount) >= 0.01 else 6
    return f"{'$' if currency == 'USD' else currency + ' '}{amount:,.{digits}f}"
