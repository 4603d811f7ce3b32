"""Applications: cost and margin by hand, the three cases, paybacks, own against bought, and the curve of model N+1."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.compute.planner.business.application import CASES, MONTH, compare, plan_application
from pickaxe.compute.planner.business.payback import break_even_calls, plan_own, plan_payback
from pickaxe.compute.planner.here.model_curve import LedgerRow, model_curve
from pickaxe.kernel.errors import BadInput, PickaxeError

APP: dict[str, Any] = {
    "users": 1_000_000,
    "calls": 10,
    "tokens_in": "800 tokens",
    "tokens_out": "200 tokens",
    "mix": [
        {"name": "small", "share": 0.9, "price_in": "$0.1/M tokens", "price_out": "$0.4/M tokens"},
        {"name": "large", "share": 0.1, "price_in": "$2/M tokens", "price_out": "$8/M tokens"},
    ],
    "user_price": "$20",
    "paying": 0.05,
    "samples": 40,
}


def centres(scenario: dict[str, Any]) -> dict[str, float]:
    return {name: float(band.centre) for name, band in plan_application(scenario).results.items()}


def test_by_hand() -> None:
    found = centres(APP | {"cache_hit": 0.25, "retries": 0.1, "prefix_hit": 0.5, "prefix_price": 0.2, "fixed_month": "$1000"})
    calls = 10_000_000 * 0.75 * 1.1
    price_in, price_out = (0.9 * 0.1 + 0.1 * 2) * 1e-6, (0.9 * 0.4 + 0.1 * 8) * 1e-6
    call = 800 * (0.5 + 0.5 * 0.2) * price_in + 200 * price_out
    assert found["models_day"] == pytest.approx(calls * call)
    assert found["cost_day"] == pytest.approx(calls * call + 1000 / MONTH)
    assert found["margin"] == pytest.approx(1 - found["cost_day"] * MONTH / 1e6)
    assert found["cost_call"] == pytest.approx(found["cost_day"] / 1e7)
    assert found["cost_user_month"] * 1e6 == pytest.approx(found["cost_day"] * MONTH)


def test_ten_million_users_for_twenty_thousand_dollars() -> None:
    one = {
        "users": 10e6,
        "calls": 1,
        "tokens_in": 600,
        "tokens_out": 400,
        "price_in": "$0.002/k tokens",
        "price_out": "$0.002/k tokens",
    }
    assert centres(one)["cost_day"] == pytest.approx(20_000)
    listed = {key: value for key, value in one.items() if not key.startswith("price")} | {"mix": [{"name": "gpt-3.5-turbo-2023"}]}
    assert centres(listed)["cost_day"] == pytest.approx(20_000)


def test_the_price_that_breaks_even_breaks_even() -> None:
    price = centres(APP)["break_even_price"]
    assert centres(APP | {"user_price": f"${price!r}"})["margin"] == pytest.approx(0, abs=1e-9)
    users = centres(APP | {"fixed_month": "$300000"})["break_even_users"]
    assert centres(APP | {"fixed_month": "$300000", "users": users})["profit_month"] == pytest.approx(0, abs=1e-3)


def test_three_cases_side_by_side() -> None:
    tables = {
        "adopter": {},
        "innovator": {
            "training_cost": "$3M",
            "mix": [{"name": "own", "price_in": "$0.05/M tokens", "price_out": "$0.2/M tokens"}],
        },
        "incumbent": {"base_revenue": "$3", "base_margin": 0.6, "displaced": 0.1},
    }
    found = compare(APP | {"case": tables})
    assert tuple(found) == CASES
    by_case = {name: {key: float(band.centre) for key, band in item.results.items()} for name, item in found.items()}
    assert by_case["innovator"]["cost_day"] == pytest.approx(by_case["innovator"]["models_day"] + 3e6 / 12 / MONTH)
    revenue = 1e6 * 3 * 0.9 + 1e6
    assert by_case["incumbent"]["revenue_month"] == pytest.approx(revenue)
    cost = by_case["incumbent"]["cost_day"] * MONTH + 1e6 * 3 * 0.4
    assert by_case["incumbent"]["margin"] == pytest.approx(1 - cost / revenue)
    assert by_case["incumbent"]["margin_change"] == pytest.approx(1 - cost / revenue - 0.6)
    held = compare(
        APP | {"case": {"incumbent": tables["incumbent"] | {"user_price": f"${by_case['incumbent']['break_even_price']!r}"}}}
    )
    assert float(held["incumbent"].results["margin"].centre) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"case": "innovator"}, "training_cost"),
        ({"case": "incumbent"}, "base_revenue"),
        ({"training_cost": "$1M"}, "innovator"),
        ({"case": "inovator"}, "innovator"),
        ({"case": {"adopter": 3}}, "[case.NAME]"),
        ({"mix": []}, "[[mix]]"),
        ({"mix": [{"name": "x"}]}, "price_in"),
        ({"mix": [APP["mix"][0]]}, "add up"),
        ({"mix": [*APP["mix"], APP["mix"][0]]}, "twice"),
        ({"mix": [APP["mix"][0] | {"prise": 1}]}, "prise"),
        ({"mix": [APP["mix"][0] | {"share": 1, "price_in": "$2/GPU-h"}]}, "mix.small.price_in"),
        ({"users": 0}, "users"),
        ({"users": -1}, "users"),
        ({"users": math.nan}, "users"),
        ({"users": [10, 5]}, "users"),
        ({"cache_hit": 2}, "cache_hit"),
        ({"user_price": "20 tokens"}, "user_price"),
        ({"user": 3}, "users"),
    ],
)
def test_bad_scenarios_name_the_field(change: dict[str, Any], named: str) -> None:
    with pytest.raises(PickaxeError) as refused:
        compare(APP | change)
    assert named in str(refused.value)


@given(
    field=st.sampled_from(["users", "calls", "tokens_in", "tokens_out", "retries", "user_cost"]),
    more=st.floats(1, 100),
)
def test_cost_never_falls_with_more_of_anything(field: str, more: float) -> None:
    base = {"users": 1000, "calls": 3, "tokens_in": 100, "tokens_out": 50, "retries": 0.01, "user_cost": 0.1}
    assert centres(APP | base | {field: base[field] * more})["cost_day"] >= centres(APP | base)["cost_day"] * (1 - 1e-12)


@given(low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_better_cache_never_costs_more(low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert centres(APP | {"cache_hit": high})["cost_day"] <= centres(APP | {"cache_hit": low})["cost_day"] + 1e-9


def test_ranges_give_bands_and_a_tornado() -> None:
    found = plan_application(APP | {"calls": [5, 10, 30], "samples": 500})
    assert found.results["cost_day"].low < found.results["cost_day"].high
    assert [bar.field for bar in found.tornado["cost_day"]] == ["calls"]
    plain = found.as_dict("zh")
    assert plain["inputs"]["mix.small.price_in"]["title"] == "small: 输入词元价"
    json.dumps(plain, allow_nan=False)


def test_payback_by_hand() -> None:
    scenario = {"teacher_cost": "$30", "distil_cost": "$10", "calls_day": 1000, "large_call": "$0.01", "small_call": "$0.002"}
    found = {name: float(band.centre) for name, band in plan_payback(scenario).results.items()}
    assert found["payback_calls"] == pytest.approx(5000)
    assert found["payback_time"] == pytest.approx(5 * 86_400)
    with_errors = scenario | {"large_error": 0.10, "small_error": 0.15, "error_cost": "$0.1"}
    assert float(plan_payback(with_errors).results["saved_call"].centre) == pytest.approx(0.003)
    never = plan_payback(scenario | {"small_error": 0.2, "error_cost": "$1"})
    assert "never pays back" in str(never.notes[0])
    assert never.as_dict()["results"]["payback_calls"]["centre"] is None


OWN: dict[str, Any] = {
    "model": "llama-3.1-8b",
    "device": "H100",
    "price": "$3/GPU-h",
    "tokens_in": 1000,
    "tokens_out": 300,
    "requests_day": 1e6,
    "api_price_in": "$0.27/M tokens",
    "api_price_out": "$1.10/M tokens",
    "own_fixed_month": "$20000",
    "samples": 30,
}


def test_own_is_dearer_below_the_break_even_and_cheaper_above() -> None:
    even = float(plan_own(OWN).results["own_break_even"].centre)
    for volume, cheaper in ((even * 0.5, False), (even * 3, True)):
        found = plan_own(OWN | {"requests_day": volume}).results
        assert (float(found["own_day"].centre) < float(found["api_day"].centre)) is cheaper
    assert len(plan_own(OWN).extra["curve"]) == 25


def test_own_that_never_pays_and_own_that_cannot_serve() -> None:
    free = plan_own(OWN | {"api_price_in": "$0.0001/M tokens", "api_price_out": "$0.0001/M tokens"})
    assert math.isinf(float(free.results["own_break_even"].centre))
    with pytest.raises(BadInput, match="promises"):
        plan_own(OWN | {"token_limit": "1 ms"})
    with pytest.raises(BadInput, match="api_price_in"):
        plan_own({key: value for key, value in OWN.items() if key != "api_price_in"})


@given(fixed=st.floats(1, 1e5), own=st.floats(1e-6, 1e-3), bought=st.floats(2e-3, 1))
def test_break_even_of_straight_lines(fixed: float, own: float, bought: float) -> None:
    found = break_even_calls(lambda n: fixed + own * n, lambda n: bought * n)
    assert found == pytest.approx(fixed / (bought - own), rel=1e-6)


def rows(costs: list[float]) -> list[LedgerRow]:
    return [LedgerRow(f"model:{n}", int(cost * 1e9), int(cost * 1e9)) for n, cost in enumerate(costs, 1)]


def test_the_curve_finds_a_power_law_and_its_band_widens_with_noise() -> None:
    clean = model_curve(rows([12 * n**-0.4 for n in range(1, 8)]))
    assert clean.learning == pytest.approx(2**-0.4, rel=1e-6)
    assert clean.next_cost == pytest.approx(12 * 8**-0.4, rel=1e-6)
    noisy = model_curve(rows([12 * n**-0.4 * (1.3 if n % 2 else 0.8) for n in range(1, 8)]))
    assert noisy.next_low is not None
    assert noisy.next_high is not None
    assert noisy.next_high / noisy.next_low > 1.5


def test_the_curve_without_enough_models_forecasts_nothing() -> None:
    assert model_curve(rows([3.0, 2.0])).next_cost is None
    assert model_curve([]).as_dict() == {"models": [], "learning": None, "next": None}
    cached = model_curve([*rows([3.0, 2.0, 1.5]), LedgerRow("again", 10**9, 0)])
    assert cached.next_cost is not None
    assert cached.as_dict()["models"][3]["marginal"] == 0
    with pytest.raises(BadInput, match="marginal"):
        model_curve([LedgerRow("odd", 1, 2)])


def test_the_band_holds_nine_new_models_in_ten() -> None:
    """Lognormal noise around a known law: the share of next models inside the 5–95% band is 90%, give or take the draw."""
    import random

    dice, inside, trials = random.Random(7), 0, 2000
    for _ in range(trials):
        costs = [10 * n**-0.3 * math.exp(dice.gauss(0, 0.2)) for n in range(1, 8)]
        found = model_curve(rows(costs[:-1]))
        assert found.next_low is not None
        assert found.next_high is not None
        inside += found.next_low <= costs[-1] <= found.next_high
    assert inside / trials == pytest.approx(0.9, abs=0.02)
