"""Serving: the roofline against arithmetic done by hand, promises that hold, money that adds up, and bad scenarios refused."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.compute.planner import hardware, models
from pickaxe.compute.planner.inference import (
    Draft,
    Replica,
    Request,
    Speed,
    fastest_within,
    most_sequences,
    prefill_seconds,
    steady,
    step_seconds,
)
from pickaxe.compute.planner.models import Architecture
from pickaxe.compute.planner.serving import plan_serving
from pickaxe.kernel.errors import PickaxeError

IDEAL = Speed(prefill=1.0, decode=1.0, overhead=0.0, reserve=0.0)
REAL = Speed(prefill=0.5, decode=0.65, overhead=0.002, reserve=0.1)
SEVEN = Replica(models.find("llama-2-7b"), hardware.find("A100-80"), 1)
SCENARIO: dict[str, Any] = {
    "model": "llama-3.1-8b",
    "device": "A100-80",
    "tokens_in": "1000 tokens",
    "tokens_out": "300 tokens",
    "price": "$2/GPU-h",
    "samples": 40,
}


def test_decode_of_one_sequence_reads_the_weights_once() -> None:
    """6.74e9 weights of two bytes over 2,039 GB/s; the cache of one token hardly counts."""
    assert step_seconds(SEVEN, IDEAL, 1, 1) == pytest.approx(6.738e9 * 2 / 2.039e12, rel=0.002)


def test_prefill_is_two_flop_a_weight_and_token() -> None:
    """2,048 tokens through all weights but the embedding, and causal attention, 2·n²·d for scores and values of each layer, at 312 TFLOP/s."""
    attention = 32 * 2 * 2048**2 * 4096
    flop = 2 * (6.738e9 - 32_000 * 4096) * 2048 + attention
    assert prefill_seconds(SEVEN, IDEAL, Request(2048, 1)) == pytest.approx(flop / 312e12, rel=0.002)


def test_cache_of_a_token_as_published() -> None:
    """OPT-13B needs 800 KB a token: 2 × 5120 × 40 × 2 bytes (Kwon et al. 2023, section 3)."""
    opt = Architecture("opt-13b", layers=40, hidden=5120, heads=40, kv_heads=40, ffn=20480, vocab=50272, gated=False, bias=True)
    replica = Replica(opt, hardware.find("A100-40"), 1)
    assert replica.kv_bytes == 800 * 1024
    held = most_sequences(replica, Speed(1, 1, 0, 0.1), Request(1024, 1024))
    assert 5 <= held <= 8  # 2,048 tokens take 1.6 GB; about 30% of 40 GB is left for them


def test_more_devices_than_heads_keep_copies_of_the_cache() -> None:
    """Llama 3.1 8B has eight key-value heads: sixteen devices hold each of them twice."""
    eight, sixteen = (Replica(models.find("llama-3.1-8b"), hardware.find("H100"), n) for n in (8, 16))
    assert sixteen.kv_bytes == 2 * eight.kv_bytes
    latent = Replica(models.find("deepseek-v3"), hardware.find("H200"), 16)
    assert latent.kv_bytes == 61 * (512 + 64) * 2


def test_experts_that_nobody_is_sent_to_are_not_read() -> None:
    mixtral = Replica(models.find("mixtral-8x7b"), hardware.find("H100"), 2)
    assert mixtral.read_bytes(1) == pytest.approx(float(mixtral.model.active) * 2, rel=0.01)
    assert mixtral.read_bytes(1000) == pytest.approx(mixtral.weight_bytes, rel=1e-9)


def test_expected_tokens_of_speculation_are_those_of_a_simulation() -> None:
    draft, dice = Draft(length=4, accepted=0.7), random.Random(0)
    total, rounds = 0, 40_000
    for _ in range(rounds):
        accepted = 0
        while accepted < draft.length and dice.random() < draft.accepted:
            accepted += 1
        total += accepted + 1  # the large model's own token after the last accepted one
    assert draft.tokens_per_step == pytest.approx(total / rounds, rel=0.01)
    assert Draft(length=4, accepted=1.0).tokens_per_step == 5


def test_speculation_pays_for_one_sequence_and_not_for_a_full_batch() -> None:
    request, draft = Request(500, 200), Draft(length=4, accepted=0.7, cost=0.05)
    alone = steady(SEVEN, REAL, request, 1, draft).token_s / steady(SEVEN, REAL, request, 1).token_s
    assert alone < 0.6
    small = Replica(models.find("llama-2-7b"), hardware.find("L40S"), 1, kv="fp8")
    full = most_sequences(small, REAL, Request(20, 20))
    crowded = steady(small, REAL, Request(20, 20), full, draft).token_s / steady(small, REAL, Request(20, 20), full).token_s
    assert crowded > alone
    assert crowded > 1


@given(batch=st.integers(1, 400), context=st.floats(1, 1e5), more=st.floats(1.01, 3))
def test_a_step_takes_longer_with_more_sequences_and_longer_ones(batch: int, context: float, more: float) -> None:
    base = step_seconds(SEVEN, REAL, batch, context)
    assert step_seconds(SEVEN, REAL, math.ceil(batch * more), context) >= base
    assert step_seconds(SEVEN, REAL, batch, context * more) >= base


@given(tokens_in=st.integers(1, 20_000), tokens_out=st.integers(1, 4_000), limit=st.floats(0.005, 0.5))
def test_promises_are_kept_and_one_more_call_would_break_them(tokens_in: int, tokens_out: int, limit: float) -> None:
    request = Request(tokens_in, tokens_out)
    found = fastest_within(SEVEN, REAL, request, first_token_s=3.0, token_s=limit)
    held = most_sequences(SEVEN, REAL, request)
    if found is None:
        alone = steady(SEVEN, REAL, request, 1)
        assert held == 0 or alone.token_s > limit or alone.first_token_s > 3.0
        return
    assert found.batch <= held
    assert found.token_s <= limit
    assert found.first_token_s <= 3.0
    if found.batch < held:
        next_one = steady(SEVEN, REAL, request, found.batch + 1)
        assert next_one.token_s > limit or next_one.first_token_s > 3.0


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


@given(
    requests=st.floats(1e3, 1e8),
    more=st.floats(1.0, 10),
    field=st.sampled_from(["requests_day", "tokens_in", "tokens_out", "peak", "price"]),
)
def test_cost_never_falls_with_more_of_anything(requests: float, more: float, field: str) -> None:
    base = {"requests_day": requests, "tokens_in": 800, "tokens_out": 200, "peak": 2, "price": 2 / 3600}
    low = centre(base, "cost_day")
    assert centre(base | {field: base[field] * more}, "cost_day") >= low * (1 - 1e-9)


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
    assert "No batch keeps the promises" in found.notes[0]
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


def test_alternatives_say_why_they_fall_out() -> None:
    rows = plan_serving(SCENARIO | {"model": "llama-2-70b", "device": "H100", "weights": "fp8"}).extra["alternatives"]
    why = {(row["weights"], row["devices_per_replica"]): row["why"] for row in rows}
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
