"""A pool's money: margins, break-even and annuities against arithmetic done by hand."""

from __future__ import annotations

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.compute.planner.business.pool import annuity, break_even, margin, plan_pool
from pickaxe.compute.planner.catalogue.prices import market, parse_prices, prices_of, read_prices, shipped_prices
from pickaxe.compute.planner.quantities.units import DevicePrice
from pickaxe.compute.planner.scenario import plan
from pickaxe.kernel.errors import BadInput, PickaxeError

PLAIN: dict[str, Any] = {
    "device": "A100-80",
    "devices": "8 GPU",
    "utilisation": 0.5,
    "device_cost": "$10000",
    "system_share": 0.5,
    "life": "5 years",
    "residual": 0,
    "interest": 0,
    "upkeep": 0,
    "device_power": "400 W",
    "system_power": 0.25,
    "idle_power": 0.2,
    "pue": 1.2,
    "electricity": "$0.10/kWh",
    "space_month": "$100",
    "staff_year": "$876.6",
    "sale_price": "$2/GPU-h",
    "rent_price": "$2.5/GPU-h",
    "reserved_price": "$1.5/GPU-h",
}


def test_by_hand() -> None:
    found = {
        name: float(band.centre) * (3600 if name.endswith("_hour") else 1) for name, band in plan_pool(PLAIN).results.items()
    }
    hours = 8766
    capital = 15_000 / 5 / hours
    power = 0.5 * 1.2 * 0.10
    space = 0.5 * 100 * 12 / hours
    staff = 876.6 / hours
    held = capital + space + staff + power * (0.2 + 0.8 * 0.5)
    assert found["own_held_hour"] == pytest.approx(held)
    assert found["own_used_hour"] == pytest.approx(held / 0.5)
    assert found["power_hour"] == pytest.approx(power * 0.6)
    assert found["margin"] == pytest.approx(1 - held / (2 * 0.5))
    assert found["reserved_over_rent"] == pytest.approx(0.6)
    assert found["investment"] == pytest.approx(120_000)
    assert found["revenue_year"] == pytest.approx(8 * hours * 0.5 * 2)
    fixed = capital + space + staff + power * 0.2
    assert found["break_even"] == pytest.approx(fixed / (2 - power * 0.8))


def test_the_published_server_margins() -> None:
    assert margin(0.182, 0, 1, 1) == pytest.approx(0.818)
    assert margin(0.182, 0, 1, 0.5) == pytest.approx(0.636)
    assert break_even(0.182, 0, 1) == pytest.approx(0.182)
    assert margin(0.2, 0, 1, 0.5) == pytest.approx(0.6)  # exactly 80% at full use is 60% at half, not 63.6%


def test_annuity_pays_back_what_was_lent() -> None:
    payment, owed = annuity(100.0, 10.0, 4, 0.08), 100.0
    for _ in range(4):
        owed = owed * 1.08 - payment
    assert owed == pytest.approx(10.0)
    assert annuity(100.0, 10.0, 4, 0.0) == pytest.approx(22.5)
    assert annuity(100.0, 0.0, 4, 1e-9) == pytest.approx(25.0, rel=1e-6)


@given(
    fixed=st.floats(0.01, 10), variable=st.floats(0, 1), price=st.floats(0.1, 20), low=st.floats(0.01, 1), high=st.floats(0.01, 1)
)
def test_margin_rises_with_use_and_is_zero_at_break_even(
    fixed: float, variable: float, price: float, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    assert margin(fixed, variable, price, low) <= margin(fixed, variable, price, high) + 1e-12
    even = break_even(fixed, variable, price)
    if math.isfinite(even):
        assert margin(fixed, variable, price, even) == pytest.approx(0, abs=1e-9)


def test_defaults_come_from_the_catalogues_and_are_ranges() -> None:
    found = plan_pool({"device": "h100", "on": "2024-06-01", "samples": 200})
    assert not found.inputs.numbers["rent_price"].certain
    assert found.results["margin"].low < found.results["margin"].high
    assert found.inputs.given == frozenset({"device", "on", "samples"})
    assert {bar.field for bar in found.tornado["margin"]} >= {"utilisation", "sale_price", "life"}
    json.dumps(found.as_dict("zh"), allow_nan=False, ensure_ascii=False)


def test_a_guessed_reserved_price_says_so() -> None:
    known, guessed = (plan_pool({"device": device, "on": "2025-09-01", "samples": 20}) for device in ("H100", "L40S"))
    assert not any("reserved" in str(item) for item in known.notes)
    assert "No reserved price" in str(guessed.notes[0])
    given = plan_pool({"device": "L40S", "on": "2025-09-01", "samples": 20, "reserved_price": "$0.9/GPU-h"})
    assert not any("No reserved price" in str(item) for item in given.notes)


def test_a_pool_that_never_earns_says_so() -> None:
    found = plan_pool(PLAIN | {"sale_price": "$0.01/GPU-h"})
    assert "loses money" in str(found.notes[0])
    assert found.as_dict()["results"]["break_even"]["centre"] is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"device": "A100-81"}, "A100-80"),
        ({"utilisation": 0}, "utilisation"),
        ({"utilisation": 1.2}, "utilisation"),
        ({"utilisation": "50 GB"}, "utilisation"),
        ({"pue": 0.9}, "pue"),
        ({"life": "0 years"}, "life"),
        ({"life": 4}, "life"),
        ({"electricity": "$0.10/GPU-h"}, "electricity"),
        ({"device_cost": float("inf")}, "device_cost"),
        ({"utilization": 0.5}, "utilisation"),
        ({"rates": 7}, "rates"),
        ({"rates": {"CNX": 7}}, "CNY"),
        ({"devices": 0}, "devices"),
    ],
)
def test_bad_scenarios_name_the_field(change: dict[str, Any], named: str) -> None:
    with pytest.raises(PickaxeError) as refused:
        plan_pool(PLAIN | change)
    assert named in str(refused.value)


def test_prices_are_dated() -> None:
    before, after = (market(shipped_prices(), "H100", "on demand", day) for day in (date(2024, 6, 1), date(2025, 7, 1)))
    assert {row.seller: row.price.to("$/GPU-h") for row in before}["AWS"] == pytest.approx(12.29)
    assert {row.seller: row.price.to("$/GPU-h") for row in after}["AWS"] == pytest.approx(6.88)
    assert market(shipped_prices(), "H100", "on demand", date(2020, 1, 1)) == []


def test_own_prices_replace_those_that_ship(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('[[price]]\nhardware = "H100"\nsince = 2024-01-01\nprice = "$1.99/GPU-h"\n', encoding="utf-8")
    rows = prices_of({"prices": read_prices(file)})
    assert [row.price.to("$/GPU-h") for row in market(rows, "H100", "on demand", date(2025, 7, 1))] == pytest.approx([1.99])
    assert market(rows, "A100-80", "on demand", date(2025, 7, 1))


@pytest.mark.parametrize(
    ("kind", "more"), [("train", {"tokens": "1B", "devices": 8}), ("serve", {"tokens_in": 100, "tokens_out": 100}), ("pool", {})]
)
def test_a_scenario_pays_the_rows_that_it_brings(kind: str, more: dict[str, Any]) -> None:
    """Alias and day as text, as they come over HTTP; and it keeps them when it is saved."""
    rows = [
        {"hardware": "h100 sxm", "since": "2024-01-01", "price": "$1.99/GPU-h"},
        {"hardware": "H100", "kind": "spot", "since": "2024-01-01", "price": "$0.50/GPU-h"},
    ]
    scenario = {"device": "H100", "on": "2025-09-01", "samples": 20, "prices": rows} | more
    if kind != "pool":
        scenario["model"] = "llama-3.1-8b"
    name = "rent_price" if kind == "pool" else "price"

    def paid(**change: str) -> float:
        return DevicePrice(plan(kind, scenario | change)["cases"][kind]["inputs"][name]["low"]).to("$/GPU-h")

    assert paid() == pytest.approx(1.99)
    if kind != "pool":
        assert paid(price_kind="spot") == pytest.approx(0.5)
        with pytest.raises(PickaxeError, match="reserved"):
            paid(price_kind="reserved")
        with pytest.raises(PickaxeError, match="did you mean spot"):
            paid(price_kind="spott")
    with pytest.raises(PickaxeError, match="H100"):
        plan(kind, scenario | {"prices": [{"hardware": "H1OO", "since": "2024-01-01", "price": "$1/GPU-h"}]})


@pytest.mark.parametrize("prices", [7, "H100", {"hardware": "H100"}, [["H100"]]])
def test_rows_of_prices_that_are_none_are_refused(prices: object) -> None:
    with pytest.raises(PickaxeError, match="prices"):
        plan_pool(PLAIN | {"prices": prices})


@pytest.mark.parametrize(
    "row",
    [
        {"hardware": "H100", "since": "2024", "price": "$1/GPU-h"},
        {"hardware": "H100", "since": date(2024, 1, 1), "price": "$1"},
        {"hardware": "H100", "since": date(2024, 1, 1), "price": "$1/GPU-h", "kind": "spott"},
        {"hardware": "H100", "price": "$1/GPU-h"},
        {"hardware": "H100", "since": date(2024, 1, 1), "price": "$1/GPU-h", "sorce": "x"},
        "H100",
    ],
)
def test_bad_price_rows_are_refused(row: Any) -> None:
    with pytest.raises(BadInput, match="price 1"):
        parse_prices({"price": [row]}, where="own.toml")


def test_prices_of_no_address_are_said_to_be_so_in_either_language() -> None:
    """Oracle's price of 2024 for an MI300X is unconfirmed; whoever gives prices of their own hears nothing of it."""
    scenario = {"device": "MI300X", "on": "2024-10-01"}
    told = [str(item) for item in plan_pool(scenario).notes]
    assert any(
        "The $6.00/GPU-h that Oracle asked for MI300X from 2024-09-26 on has no source that can be checked" in text
        for text in told
    )
    assert any("from press and resellers" in text for text in told)
    assert any("未能查证来源" in text for text in plan("pool", scenario, "zh")["cases"]["pool"]["notes"])
    own = {"rent_price": "$2/GPU-h", "reserved_price": "$1/GPU-h", "device_cost": "$15000", "sale_price": "$2/GPU-h"}
    assert not any("no source" in str(item) or "press" in str(item) for item in plan_pool(scenario | own).notes)
    serving = {
        "model": "llama-3.1-8b",
        "device": "MI300X",
        "tokens_in": 500,
        "tokens_out": 100,
        "samples": 20,
        "on": "2024-10-01",
    }
    assert any("Oracle" in text for text in plan("serve", serving)["cases"]["serve"]["notes"])
    assert not any("Oracle" in text for text in plan("serve", serving | {"price": "$2/GPU-h"})["cases"]["serve"]["notes"])
