"""Serving a stated traffic: money that adds up, promises that cannot be kept, energy, and bad scenarios refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.compute.planner.serving.plan import plan_serving
from pickaxe.kernel.errors import PickaxeError

SCENARIO: dict[str, Any] = {
    "model": "llama-3.1-8b",
    "device": "A100-80",
    "tokens_in": "1000 tokens",
    "tokens_out": "300 tokens",
    "price": "$2/GPU-h",
    "samples": 40,
}


def centre(scenario: dict[str, Any], name: str) -> float:
    return float(plan_serving(SCENARIO | scenario | {"samples": 20}).results[name].centre)


def test_tokens_at_their_prices_are_the_cost_of_a_call() -> None:
    for extra in ({}, {"draft_length": 4}, {"elastic": 0.5, "requests_day": 5e6}, {"prefix_hit": 0.6, "weights": "int4"}):
        found = plan_serving(SCENARIO | extra).results
        parts = 1000 * found["price_in"].centre + 300 * found["price_out"].centre
        assert float(parts) == pytest.approx(float(found["cost_request"].centre), rel=1e-9)
        assert float(found["cost_request"].centre) * float(extra.get("requests_day", 100_000)) == pytest.approx(
            float(found["cost_day"].centre)
        )


@pytest.mark.slow
@given(
    requests=st.floats(1e3, 1e8),
    more=st.floats(1.0, 10),
    field=st.sampled_from(["requests_day", "tokens_in", "tokens_out", "peak", "price"]),
)
def test_cost_never_falls_with_more_of_anything(requests: float, more: float, field: str) -> None:
    base = {"requests_day": requests, "tokens_in": 800, "tokens_out": 200, "peak": 2, "price": 2 / 3600}
    low = centre(base, "cost_day")
    assert centre(base | {field: base[field] * more}, "cost_day") >= low * (1 - 1e-9)


@pytest.mark.slow
@given(layers=st.integers(4, 40), more=st.integers(0, 60), devices=st.sampled_from([1, 2, 8]))
def test_a_larger_model_never_costs_less(layers: int, more: int, devices: int) -> None:
    def cost(layers: int) -> float:
        model = {"layers": layers, "hidden": 2048, "heads": 16, "kv_heads": 8, "vocab": 32_000}
        return centre({"model": model, "devices_per_replica": devices, "requests_day": 3e7}, "cost_day")

    assert cost(layers + more) >= cost(layers) * (1 - 1e-9)


def test_fewer_bits_are_smaller_and_faster_alone() -> None:
    single = [centre({"weights": weights}, "single_rate") for weights in ("fp32", "bf16", "int8", "int4")]
    assert single == sorted(single)


def test_more_devices_answer_sooner_and_cost_more_for_little_traffic() -> None:
    one, eight = ({"devices_per_replica": n, "model": "llama-3.1-8b", "requests_day": 1000} for n in (1, 8))
    assert centre(eight, "token_time") <= centre(one, "token_time") or centre(eight, "single_rate") > centre(one, "single_rate")
    assert centre(eight, "cost_day") > centre(one, "cost_day")


def test_bands_and_tornado() -> None:
    found = plan_serving(SCENARIO | {"price": ["$1.5/GPU-h", "$4/GPU-h"], "samples": 400})
    band = found.results["cost_day"]
    assert band.low < band.median < band.high
    assert found.tornado["cost_day"][0].field == "price"
    again = plan_serving(SCENARIO | {"price": ["$1.5/GPU-h", "$4/GPU-h"], "samples": 400})
    assert again.as_dict() == found.as_dict()
    json.dumps(found.as_dict(), allow_nan=False)


def test_energy_and_carbon_of_a_token() -> None:
    fixed = {"device_power": "400 W", "system_power": 0.5, "idle_power": 0.2, "pue": 1.25, "carbon_intensity": "100 gCO2/kWh"}
    found = plan_serving(SCENARIO | fixed).results
    busy = float(found["busy"].centre)
    joules = 400 * 1.5 * (busy + (1 - busy) * 0.2) * 1.25 * 86_400
    assert float(found["energy_day"].centre) == pytest.approx(joules)
    assert float(found["energy_token"].centre) == pytest.approx(joules / (100_000 * 1300))
    assert float(found["carbon_day"].centre) == pytest.approx(joules / 3.6e6 * 100)
    france, world = (float(plan_serving(SCENARIO | {"grid": grid}).results["carbon_day"].centre) for grid in ("france", "world"))
    assert france < world / 5
    with pytest.raises(PickaxeError, match="france"):
        plan_serving(SCENARIO | {"grid": "Frence"})
    assert "energy_day" not in plan_serving(SCENARIO | {"device_power": "0 W"}).results


def test_draws_that_break_a_promise_beside_draws_that_keep_it() -> None:
    found = plan_serving(SCENARIO | {"token_limit": ["5 ms", "40 ms"], "samples": 200})
    assert math.isinf(float(found.results["cost_day"].high))
    assert math.isfinite(float(found.results["cost_day"].low))
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_promise_that_cannot_be_kept_is_an_answer() -> None:
    found = plan_serving(SCENARIO | {"token_limit": "1 ms"})
    assert "No batch keeps the promises" in str(found.notes[0])
    assert found.results["concurrency"].centre == 0
    plain = found.as_dict()
    assert plain["results"]["cost_day"]["centre"] is None
    json.dumps(plain, allow_nan=False)


def test_without_a_number_of_devices_the_cheapest_split_is_taken() -> None:
    """One H100 holds Llama 2 70B in 8 bits and next to nothing besides; two hold far more than twice the calls."""
    common = SCENARIO | {"model": "llama-2-70b", "device": "H100", "weights": "fp8", "requests_day": 1e6}
    chosen = plan_serving(common)
    assert chosen.extra["devices_per_replica"] > 1
    alone = plan_serving(common | {"devices_per_replica": 1})
    assert float(chosen.results["cost_day"].centre) < float(alone.results["cost_day"].centre)
    assert plan_serving(SCENARIO | {"requests_day": 10}).extra["devices_per_replica"] == 1


def test_experts_are_spread_where_that_is_cheaper_and_both_are_compared() -> None:
    wide = SCENARIO | {"model": "deepseek-v3", "device": "H200", "weights": "fp8", "requests_day": 5e7, "tokens_in": 4000}
    found = plan_serving(wide)
    assert found.extra["parallel"] == "experts"
    split = plan_serving(wide | {"parallel": "tensor"})
    assert split.extra["parallel"] == "tensor"
    assert float(found.results["cost_day"].centre) <= float(split.results["cost_day"].centre)
    assert {row["parallel"] for row in found.extra["alternatives"]} == {"tensor", "experts"}
    assert {row["parallel"] for row in plan_serving(SCENARIO).extra["alternatives"]} == {"tensor"}
    fixed = plan_serving(wide | {"parallel": "experts", "devices_per_replica": 32})
    assert fixed.extra["devices_per_replica"] == 32


def test_four_bits_are_an_alternative_where_the_device_computes_in_them() -> None:
    for device, has in (("B200", True), ("H100", False)):
        rows = plan_serving(SCENARIO | {"device": device}).extra["alternatives"]
        assert any(row["weights"] == "fp4" for row in rows) is has
    assert "does not compute in fp4" in str(plan_serving(SCENARIO | {"device": "H100", "weights": "fp4"}).notes[0])


def test_alternatives_say_why_they_fall_out() -> None:
    rows = plan_serving(SCENARIO | {"model": "llama-2-70b", "device": "H100", "weights": "fp8"}).extra["alternatives"]
    why = {(row["weights"], row["devices_per_replica"]): str(row["why"]) for row in rows}
    assert why["bf16", 1] == "does not fit"
    assert why["int4", 1] == ""
    costs = [row["cost_day"] for row in rows if row["cost_day"] is not None]
    assert costs == sorted(costs)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "llama-3.1-7b"}, "llama-3.1-70b"),
        ({"device": "A100-8"}, "A100-80"),
        ({"weights": "int5"}, "int4"),
        ({"tokens_in": 0}, "tokens_in"),
        ({"tokens_in": -5}, "tokens_in"),
        ({"tokens_in": math.nan}, "tokens_in"),
        ({"tokens_in": "1e15 tokens"}, "tokens_in"),
        ({"tokens_in": "5 GB"}, "tokens_in"),
        ({"tokens_out": True}, "tokens_out"),
        ({"price": "$2/kWh"}, "price"),
        ({"first_token_limit": "2 tokens"}, "first_token_limit"),
        ({"prefix_hit": 1.5}, "prefix_hit"),
        ({"prefix_hit": [0.5, 0.1]}, "prefix_hit"),
        ({"token_in": 5}, "tokens_in"),
        ({"devices_per_replica": 2.5}, "devices_per_replica"),
        ({"devices_per_replica": 10**9}, "devices_per_replica"),
        ({"model": "llama-3.1-405b", "devices_per_replica": 1}, "does not fit"),
        ({"model": "bert-base"}, "encoder"),
        ({"parallel": "expert"}, "experts"),
        ({"parallel": "experts"}, "parallel = tensor"),
        ({"model": "deepseek-v3", "device": "H200", "parallel": "experts", "devices_per_replica": 512}, "at most 256"),
        ({"device": "Ascend-910B", "price": None}, "price"),
        ({"draft_length": 100}, "draft_length"),
        ({"samples": 1}, "samples"),
        ({"currency": "CNYY"}, "currency"),
        ({"on": "yesterday"}, "2024-06-30"),
        ({"model": 7}, "model"),
        ({"device": ["A100-80"]}, "device"),
    ],
)
def test_bad_scenarios_name_the_field(change: dict[str, Any], named: str) -> None:
    scenario = {key: value for key, value in (SCENARIO | change).items() if value is not None}
    with pytest.raises(PickaxeError) as refused:
        plan_serving(scenario)
    assert refused.value.status in (404, 422)
    assert named in str(refused.value)


def test_a_device_that_computes_in_no_usable_type() -> None:
    odd = {"memory": "24 GB", "bandwidth": "20 GB/s", "peak": {"fp64": "150 GFLOP/s"}, "kind": "cpu"}
    with pytest.raises(PickaxeError, match="no peak for bf16"):
        plan_serving(SCENARIO | {"device": odd})


def test_other_currencies_by_their_dated_rates() -> None:
    dollars = centre({"price": "$2/GPU-h"}, "cost_day")
    assert centre({"price": "¥14.15/GPU-h", "on": "2023-05-01"}, "cost_day") == pytest.approx(dollars, rel=1e-9)
    assert centre({"price": "¥14/GPU-h", "rates": {"CNY": 7}}, "cost_day") == pytest.approx(dollars, rel=1e-9)
    assert plan_serving(SCENARIO | {"currency": "CNY", "rates": {"CNY": 7}}).as_dict()["results"]["cost_day"]["text"] == "¥336.00"
    with pytest.raises(PickaxeError, match="no rate of CNY"):
        plan_serving(SCENARIO | {"price": "¥14/GPU-h", "on": "1999-01-01"})
