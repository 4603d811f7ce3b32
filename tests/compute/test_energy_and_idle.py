"""Energy by meter and by estimate; idle time by cause, which adds up to the ledger's own idle, to the nanosecond."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.compute.planner.energy import estimated, grid, grids, metered
from pickaxe.compute.planner.here.idle import CAUSES, Wait, idle_by_cause, idle_of
from pickaxe.compute.planner.quantities.units import CarbonIntensity, Seconds, Tokens, Watts
from pickaxe.kernel.errors import PickaxeError
from pickaxe.kernel.ledger.ledger import Charge
from pickaxe.kernel.ledger.statement import PoolLife, reconcile
from pickaxe.kernel.ledger.tariff import Price, Tariff
from pickaxe.kernel.nouns import Lease

TARIFF = Tariff([Price("cpu", 0, 40_000_000, 3_600_000_000_000, "USD", "test")])
WORLD = grid("world")


def charge(meter: str, quantity: int, basis: str) -> Charge:
    return Charge("run", meter, quantity, basis, None)


def test_a_metered_run() -> None:
    found = metered([charge("energy_mj", 3_600_000, "measured"), charge("tokens_out", 500, "measured")], WORLD)
    assert found.energy.to("Wh") == pytest.approx(1)
    assert found.carbon.to("gCO2") == pytest.approx(0.473)
    assert found.energy_per_token is not None
    assert found.energy_per_token.to("J") == pytest.approx(7.2)
    assert found.basis == "measured"
    assert found.as_dict()["joules_per_token"] == pytest.approx(7.2)


@pytest.mark.parametrize(
    ("bases", "basis"), [([], "unknown"), (["estimated"], "estimated"), (["measured", "estimated"], "partly measured")]
)
def test_the_weakest_reading_names_the_basis(bases: list[str], basis: str) -> None:
    assert metered([charge("energy_mj", 10, item) for item in bases], WORLD).basis == basis


def test_an_estimate_by_hand() -> None:
    found = estimated(Watts(700), Seconds.parse("10 h"), WORLD, devices=8, busy=0.5, idle_power=0.2, pue=1.25, tokens=Tokens(1e6))
    assert found.energy.to("kWh") == pytest.approx(0.7 * 10 * 8 * 0.6 * 1.25)
    assert found.carbon.to("kgCO2") == pytest.approx(0.7 * 10 * 8 * 0.6 * 1.25 * 0.473)
    assert found.basis == "estimated"


@given(busy=st.floats(0, 1), more=st.floats(0, 1))
def test_a_busier_device_never_draws_less(busy: float, more: float) -> None:
    low, high = sorted((busy, more))
    one, two = (estimated(Watts(400), Seconds(60), WORLD, busy=share) for share in (low, high))
    assert two.energy >= one.energy


def test_bad_energy_inputs() -> None:
    with pytest.raises(PickaxeError, match="busy"):
        estimated(Watts(400), Seconds(60), WORLD, busy=2.0)
    with pytest.raises(PickaxeError, match="idle_power"):
        estimated(Watts(400), Seconds(60), WORLD, idle_power=-1.0)
    with pytest.raises(PickaxeError, match="pue"):
        estimated(Watts(400), Seconds(60), WORLD, pue=0.5)
    with pytest.raises(PickaxeError, match="power"):
        estimated(Watts(-1), Seconds(60), WORLD)
    with pytest.raises(PickaxeError, match="carbon_intensity"):
        estimated(Watts(1), Seconds(60), CarbonIntensity(-1))
    with pytest.raises(PickaxeError, match="france"):
        grid("frannce")
    assert all(10 < value.to("gCO2/kWh") < 1000 for value in grids().values())


def lease(amount: int, start: int, end: int | None) -> Lease:
    return Lease("lease", "pool", "run", amount, start, end)


def test_causes() -> None:
    life = PoolLife("pool", "cpu", 4, 0, 100, (lease(3, 10, 60),))
    found = idle_by_cause(life, [Wait(2, 20, 60), Wait(4, 60, 70), Wait(9, 70, 80)], TARIFF)
    assert found.unit_ns == {"no demand": 4 * 10 + 1 * 10 + 4 * 20, "too small": 1 * 40 + 4 * 10, "starting": 4 * 10}
    assert found.utilisation == pytest.approx(150 / 400)


intervals = st.tuples(st.integers(1, 3), st.integers(0, 10**12), st.integers(0, 10**12)).map(lambda t: (t[0], *sorted(t[1:])))


@given(held=st.lists(intervals, max_size=6), waits=st.lists(intervals, max_size=6), opened=st.integers(0, 10**11))
def test_causes_add_up_to_the_ledgers_idle(
    held: list[tuple[int, int, int]], waits: list[tuple[int, int, int]], opened: int
) -> None:
    closed = opened + 2 * 10**12
    leases = tuple(lease(amount, max(start, opened), max(end, opened)) for amount, start, end in held)
    life = PoolLife("pool", "cpu", 18, opened, closed, leases)
    found = idle_by_cause(life, [Wait(*item) for item in waits], TARIFF)
    statement = reconcile("pool", "cpu", 18, opened, closed, leases, TARIFF)
    assert sum(found.nano.values()) == statement.idle
    assert found.held + sum(found.unit_ns.values()) == 18 * (closed - opened)
    assert set(found.unit_ns) == set(CAUSES)


def test_idle_of_a_workspace(tmp_path: Path) -> None:
    from pickaxe.kernel.workspace import Workspace

    with Workspace(tmp_path / "ws") as workspace:
        found = idle_of(workspace)
        assert [item.resource for item in found] == ["cpu"]
        assert found[0].unit_ns["no demand"] > 0
        assert found[0].utilisation == 0
