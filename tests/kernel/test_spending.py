"""Sums that are kept are the ledger's own charges, to the nano, however they are read."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

import pickaxe
from pickaxe.kernel.catalog.schema import leases, pools
from pickaxe.kernel.ledger.ledger import Usage
from pickaxe.kernel.ledger.spending import DAY_NS, Spending
from pickaxe.kernel.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path):
    with pickaxe.open(tmp_path / "ws") as opened:
        yield opened


def _lease(workspace: Workspace, number: int, start_ns: int, end_ns: int | None) -> None:
    pool_id = f"pool-{number}"
    with workspace.catalog.write() as connection:
        connection.execute(
            pools.insert().values(
                id=pool_id,
                resource="cpu",
                capacity=4,
                machine={},
                opened_ns=start_ns,
                heartbeat_ns=end_ns or start_ns,
                closed_ns=end_ns,
            )
        )
        connection.execute(
            leases.insert().values(
                id=f"lease-{number}", tenant_id=workspace.tenant_id, pool_id=pool_id, holder=f"run-{number}", amount=3,
                start_ns=start_ns, end_ns=end_ns,
            )
        )  # fmt: skip


def _record(workspace: Workspace, quantity: int) -> None:
    with workspace.catalog.write() as connection:
        workspace.ledger.record(connection, "run-x", 1, [Usage("human_ms", quantity, "measured", "a test")])


def _charged(workspace: Workspace) -> int:
    return sum(charge.nano or 0 for charge in workspace.ledger.charges())


def test_sums_are_the_charges_and_stay_so_as_more_comes(workspace: Workspace) -> None:
    spending, now = Spending(workspace), workspace.catalog.clock.now_ns()
    for number in range(20):
        start = now - (20 - number) * DAY_NS // 3 - number * 977
        _lease(workspace, number, start, start + DAY_NS // 2 + number)
        _record(workspace, 1000 + number)
        assert spending.spent().charged == _charged(workspace)
    spent = spending.spent()
    assert sum(nano for tasks in spent.days.values() for nano in tasks.values()) == spent.charged
    assert sum(nano for meters in spent.tasks.values() for nano in meters.values()) == spent.charged
    assert Spending(workspace).spent().meters == spent.meters


def test_a_lease_over_midnight_is_cut_and_loses_nothing(workspace: Workspace) -> None:
    midnight = (workspace.catalog.clock.now_ns() // DAY_NS) * DAY_NS
    _lease(workspace, 1, midnight - 7 * DAY_NS - 1, midnight - 3 * DAY_NS + 1)
    spent = Spending(workspace).spent()
    assert spent.charged == _charged(workspace)
    assert len(spent.days) == 6


def test_a_running_lease_counts_once_when_it_ends(workspace: Workspace) -> None:
    spending, now = Spending(workspace), workspace.catalog.clock.now_ns()
    _lease(workspace, 1, now - 10**12, None)
    assert spending.spent().charged > 0
    with workspace.catalog.write() as connection:
        connection.execute(sa.update(leases).values(end_ns=now))
        connection.execute(sa.update(pools).where(pools.c.id == "pool-1").values(closed_ns=now))
    assert spending.spent().charged == spending.spent().charged == _charged(workspace)


def test_statements_are_the_ledgers(workspace: Workspace) -> None:
    now = workspace.catalog.clock.now_ns()
    for number in range(3):
        _lease(workspace, number, now - (9 - number) * 10**12, now - (8 - number) * 10**12)
    spending = Spending(workspace)
    for _ in range(2):
        closed = [item for item in spending.statements() if item.pool_id.startswith("pool-") and len(item.pool_id) < 8]
        assert closed == [item for item in workspace.ledger.statements() if len(item.pool_id) < 8]
        assert all(item.charged + item.idle == item.cost for item in closed)
