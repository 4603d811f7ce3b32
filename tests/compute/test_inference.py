"""One replica: the roofline against arithmetic done by hand, speculation against a simulation, promises that hold."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.compute.planner.catalogue import hardware, models
from pickaxe.compute.planner.catalogue.models import Architecture
from pickaxe.compute.planner.serving.inference import (
    FOUR_BIT_REACH,
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

IDEAL = Speed(prefill=1.0, decode=1.0, overhead=0.0, reserve=0.0)
REAL = Speed(prefill=0.5, decode=0.65, overhead=0.002, reserve=0.1)
SEVEN = Replica(models.find("llama-2-7b"), hardware.find("A100-80"), 1)


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


def test_experts_spread_hold_the_rest_on_every_device_and_each_call_on_one() -> None:
    model = models.find("deepseek-v3")
    split, spread = (Replica(model, hardware.find("H200"), 16, "fp8", "bf16", how) for how in ("tensor", "experts"))
    beside = float(model.parameters) - model.moe_layers * model.experts * model.expert
    assert spread.held_bytes - split.held_bytes == pytest.approx(15 * beside, rel=0.02)
    assert spread.kv_bytes == split.kv_bytes
    assert most_sequences(spread, REAL, Request(4000, 1000)) % 16 == 0
    alone, many = (step_seconds(spread, IDEAL, batch, 1) for batch in (1, 16))
    assert alone < many, "sixteen calls touch more experts"
    assert spread.crowding(1) == 16
    assert spread.crowding(16) == spread.crowding(4000) == 1


def test_two_halves_of_the_calls_hide_the_routing() -> None:
    """From two calls a device on, the longer of computing and routing counts, not both."""
    spread = Replica(models.find("deepseek-v3"), hardware.find("H800"), 64, "fp8", "bf16", "experts")
    few, enough = (step_seconds(spread, REAL, batch, 4000) for batch in (127, 128))
    assert enough < few


def test_four_bits_where_the_device_has_them() -> None:
    shape = models.find("llama-3.1-70b")
    four, eight = (Replica(shape, hardware.find("B200"), 1, weights) for weights in ("fp4", "fp8"))
    assert four.peak == pytest.approx(2 * eight.peak * FOUR_BIT_REACH)
    assert four.weight_bytes < 0.6 * eight.weight_bytes
    older = Replica(shape, hardware.find("H100"), 1, "fp4")
    assert older.peak == Replica(shape, hardware.find("H100"), 1, "bf16").peak


SPREAD = st.sampled_from(
    [("llama-3.1-70b", "tensor"), ("mixtral-8x7b", "tensor"), ("deepseek-v3", "tensor"), ("deepseek-v3", "experts")]
)


@given(
    kind=SPREAD,
    device=st.sampled_from(["H100", "B200", "A100-80", "L4"]),
    devices=st.sampled_from([1, 2, 4, 8, 16, 32, 64]),
    batch=st.integers(1, 4000),
    context=st.integers(1, 20_000),
    weights=st.sampled_from(["bf16", "fp8", "fp4", "int4"]),
)
def test_twice_the_devices_never_take_less_than_half_the_time(
    kind: tuple[str, str], device: str, devices: int, batch: int, context: int, weights: str
) -> None:
    model, spread = kind
    one, two = (
        Replica(models.find(model), hardware.find(device), number, weights, "bf16", spread) for number in (devices, 2 * devices)
    )
    assert step_seconds(two, REAL, batch, context) >= step_seconds(one, REAL, batch, context) / 2 * (1 - 1e-9)
    request = Request(context, 100)
    assert prefill_seconds(two, REAL, request) >= prefill_seconds(one, REAL, request) / 2 * (1 - 1e-9)


@given(kind=SPREAD, devices=st.sampled_from([2, 8, 32]), batch=st.integers(1, 4000), more=st.integers(1, 400))
def test_more_calls_never_take_a_shorter_step(kind: tuple[str, str], devices: int, batch: int, more: int) -> None:
    """But where two halves of the calls begin to hide the routing from each other."""
    model, spread = kind
    replica = Replica(models.find(model), hardware.find("H100"), devices, "fp8", "bf16", spread)
    if spread == "experts" and batch < 2 * devices <= batch + more:
        return
    assert step_seconds(replica, REAL, batch + more, 2000) >= step_seconds(replica, REAL, batch, 2000) * (1 - 1e-9)


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
