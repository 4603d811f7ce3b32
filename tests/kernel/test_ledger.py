"""Money: integer arithmetic that adds up, prices that are dated, costs along the graph."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.kernel.errors import Conflict
from pickaxe.kernel.ledger.cost import as_money, cost_of
from pickaxe.kernel.ledger.statement import reconcile
from pickaxe.kernel.ledger.tariff import Price, Tariff
from pickaxe.kernel.nouns import Lease, Route
from pickaxe.kernel.workspace import Workspace
from tests.kernel import sample_steps as steps

_INSTANT = st.integers(0, 10**15)
_PRICES = st.lists(
    st.builds(
        Price,
        meter=st.just("cpu"),
        valid_from_ns=_INSTANT,
        nano=st.integers(0, 10**12),
        per=st.integers(1, 10**13),
        currency=st.just("USD"),
        source=st.just("test"),
    ),
    max_size=4,
    unique_by=lambda price: price.valid_from_ns,
)


@st.composite
def _leases(draw: st.DrawFn) -> tuple[int, int, int, list[Lease]]:
    """A pool's capacity and life, and leases that a correct engine could have granted."""
    capacity = draw(st.integers(1, 8))
    opened, closed = sorted((draw(_INSTANT), draw(_INSTANT)))
    granted: list[Lease] = []
    for number in range(draw(st.integers(0, 12))):
        start, end = sorted(draw(st.tuples(st.integers(opened, closed), st.integers(opened, closed))))
        amount = draw(st.integers(1, capacity))
        if _most_in_use([*granted, Lease(str(number), "p", "r", amount, start, end)]) <= capacity:
            granted.append(Lease(str(number), "p", "r", amount, start, end))
    return capacity, opened, closed, granted


def _most_in_use(leases: Sequence[Lease]) -> int:
    starts = [lease.start_ns for lease in leases]
    return max(sum(item.amount for item in leases if item.start_ns <= at < (item.end_ns or 0)) for at in starts)


@given(_leases(), _PRICES)
def test_charges_plus_idle_are_the_cost_of_the_pool_exactly(pool: tuple[int, int, int, list[Lease]], prices: list[Price]) -> None:
    capacity, opened, closed, leases = pool
    statement = reconcile("p", "cpu", capacity, opened, closed, leases, Tariff(prices))
    assert statement.charged + statement.idle == statement.cost
    assert statement.idle >= 0


@given(_PRICES, st.lists(_INSTANT, min_size=3, max_size=3).map(sorted))
def test_time_is_additive_and_never_cheaper_for_being_longer(prices: list[Price], instants: list[int]) -> None:
    a, b, c = instants
    tariff = Tariff(prices)
    assert tariff.held(a, b) + tariff.held(b, c) == tariff.held(a, c)
    assert 0 <= tariff.held(a, b) <= tariff.held(a, c)


def test_more_than_the_pool_has_is_refused() -> None:
    twice = [Lease("1", "p", "r", 2, 0, 10), Lease("2", "p", "r", 1, 5, 10)]
    with pytest.raises(Conflict, match="beyond its capacity"):
        reconcile("p", "cpu", 2, 0, 10, twice, Tariff([]))


def test_a_core_hour_costs_its_price() -> None:
    hour = 3_600 * 10**9
    tariff = Tariff([Price("cpu", 0, 40_000_000, hour, "USD", "test"), Price("cpu", 2 * hour, 80_000_000, hour, "USD", "test")])
    assert tariff.held(0, hour) == 40_000_000
    assert tariff.held(hour, 3 * hour) == 120_000_000
    assert as_money(tariff.held(0, hour)) == "$0.0400"


def test_a_new_price_leaves_what_was_charged_as_it_was(workspace: Workspace) -> None:
    run = workspace.run(steps.count, steps.Count(upto=1), name="t/count").run
    before = workspace.ledger.charges([run.id])
    workspace.ledger.set_price("cpu", 10**12, 1, source="test")
    workspace.ledger.set_price("stored_bytes", 10**12, 1, source="test")
    assert workspace.ledger.charges([run.id]) == before
    assert all(item.charged + item.idle == item.cost for item in workspace.ledger.statements())


def test_the_pool_never_grants_more_than_it_has(workspace: Workspace) -> None:
    lease = workspace.ledger.grant(workspace.stores.pool_id, "somebody", 2)
    with pytest.raises(Conflict, match="cannot lease 1"):
        workspace.ledger.grant(workspace.stores.pool_id, "somebody else", 1)
    with workspace.catalog.write() as connection:
        workspace.ledger.release(connection, lease)
    workspace.ledger.grant(workspace.stores.pool_id, "somebody else", 1)


def test_full_cost_counts_every_upstream_run_and_marginal_only_what_was_new(workspace: Workspace) -> None:
    shared = workspace.run(steps.count, steps.Count(upto=1), name="shared/count")["total"]
    first = workspace.run(steps.double, steps.Config(), name="one/double", inputs={"total": shared})["total"]
    workspace.publish("one", [Route(first.id)])
    second = workspace.run(steps.count, steps.Count(upto=5), name="two/own")["total"]
    both = workspace.run(steps.add, steps.Config(), name="two/add", inputs={"left": shared, "right": second})["total"]
    one, two = cost_of(workspace, first), cost_of(workspace, both)
    assert one.full == one.marginal > 0
    assert {run.name: run.shared_with for run in two.runs} == {"two/add": None, "shared/count": "one/total:1", "two/own": None}
    shared_cost = next(run.nano for run in two.runs if run.shared_with)
    assert two.marginal == two.full - shared_cost


def test_the_cost_of_the_first_model_does_not_change_when_a_second_is_published(workspace: Workspace) -> None:
    total = workspace.run(steps.count, steps.Count(upto=1), name="t/count")["total"]
    workspace.publish("one", [Route(total.id)])
    before = cost_of(workspace, total)
    other = workspace.run(steps.double, steps.Config(), name="u/double", inputs={"total": total})["total"]
    workspace.publish("two", [Route(other.id)])
    assert cost_of(workspace, total) == before
    assert cost_of(workspace, other).marginal < cost_of(workspace, other).full


@pytest.mark.parametrize("folder", ["sqlite"], indirect=True)  # on PostgreSQL this process is alive: see test_peers
def test_an_abandoned_pool_ends_at_its_last_heartbeat(folder: Path) -> None:
    first = Workspace(folder)
    first.ledger.grant(first.stores.pool_id, "killed", 1)
    first.stores._closing.set()  # stop the heart and let go of the lock, as a kill would, without the tidy end
    first.stores._heart.join()
    first.catalog.close()
    first.stores._release()
    with Workspace(folder) as second:
        old, new = second.ledger.statements()
        assert old.charged + old.idle == old.cost
        assert new.charged == 0
