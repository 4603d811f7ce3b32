"""Memory against the tables of the papers that the formulas are from, and against a published table of practice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.compute.planner import models
from pickaxe.compute.planner.layout import Layout
from pickaxe.compute.planner.memory import Keeping, layer_activations, memory, zero_states
from pickaxe.compute.planner.training import Training
from pickaxe.compute.planner.units import Tokens
from pickaxe.kernel.errors import BadInput

# Rajbhandari et al. 2020 (arXiv:1910.02054), table 1: GB per device of a model's states, by (stage 1, 2, 3), at 16 bytes a parameter.
ZERO_TABLE = {
    7.5e9: {1: (120, 120, 120), 4: (52.5, 41.3, 30), 16: (35.6, 21.6, 7.5), 64: (31.4, 16.6, 1.88), 256: (30.4, 15.4, 0.47), 1024: (30.1, 15.1, 0.12)},
    128e9: {1: (2048, 2048, 2048), 4: (896, 704, 512), 16: (608, 368, 128), 64: (536, 284, 32), 256: (518, 263, 8), 1024: (513, 257, 2)},
    1e12: {1: (16000, 16000, 16000), 4: (7000, 5500, 4000), 16: (4750, 2875, 1000), 64: (4187, 2218, 250), 256: (4046, 2054, 62.5), 1024: (4011, 2013, 15.6)},
}  # fmt: skip


@pytest.mark.parametrize("parameters", ZERO_TABLE)
def test_zero_table(parameters: float) -> None:
    for shards, row in ZERO_TABLE[parameters].items():
        for stage, published in enumerate(row, start=1):
            found = float(zero_states(parameters, shards, stage)) / 1e9
            assert found == pytest.approx(published, rel=0.02, abs=0.006), (shards, stage)


# Korthikanti et al. 2022 (arXiv:2205.05198), table 2, in units of s b h, with a = heads, s = length, h = width, t = tensor degree.
TABLE_2 = [
    ("no parallelism", {}, lambda a, s, h, t: 34 + 5 * a * s / h),
    ("tensor", {"tensor": 8}, lambda a, s, h, t: 10 + 24 / t + 5 * a * s / (h * t)),
    ("tensor + sequence", {"tensor": 8, "sequence_parallel": True}, lambda a, s, h, t: 34 / t + 5 * a * s / (h * t)),
    ("tensor + selective", {"tensor": 8, "recompute": "selective"}, lambda a, s, h, t: 10 + 24 / t),
    ("all three", {"tensor": 8, "sequence_parallel": True, "recompute": "selective"}, lambda a, s, h, t: 34 / t),
    ("full recomputation", {"tensor": 8, "recompute": "full"}, lambda a, s, h, t: 2),
]


@pytest.mark.parametrize("size", ["22b", "175b", "530b", "1t"])
@pytest.mark.parametrize(("row", "choice", "formula"), TABLE_2, ids=[row[0] for row in TABLE_2])
def test_activations_table(size: str, row: str, choice: dict, formula) -> None:
    shape, length, batch = models.find(f"megatron-{size}"), 2048, 4
    found = float(layer_activations(shape, batch * length, length, **choice)) / (batch * length * shape.hidden)
    assert found == pytest.approx(formula(shape.heads, length, shape.hidden, 8), rel=0.02)


@pytest.mark.parametrize(("size", "scores", "saved"), [("175b", 80, 0.70), ("530b", 64, 0.65)])
def test_what_selective_recomputation_saves(size: str, scores: int, saved: float) -> None:
    """Section 5 of the same paper: 5as/h is 80 for GPT-3 and 64 for MT-NLG, 70% and 65% of the activations."""
    shape = models.find(f"megatron-{size}")
    whole = float(layer_activations(shape, 2048, 2048))
    less = float(layer_activations(shape, 2048, 2048, recompute="selective"))
    assert (whole - less) / (2048 * shape.hidden) == pytest.approx(scores, rel=0.02)
    assert 1 - less / whole == pytest.approx(saved, rel=0.02)


def test_first_stage_holds_all_layers_in_a_full_pipeline() -> None:
    """Equation 5: with at least p micro-batches in flight the first stage keeps as much as all layers of one micro-batch."""
    shape = models.find("megatron-175b")
    keep = Keeping(attention="standard", dropout=True)
    job = Training(shape, Tokens(1e9), 2048)
    one = float(layer_activations(shape, 2048, 2048, tensor=8, sequence_parallel=True))
    staged = memory(job, Layout(tensor=8, pipeline=8, micro_batches=64, sequence_parallel=True), keep)
    embedding = 2048 * shape.hidden * 8 / 8
    assert float(staged.activations) == pytest.approx(shape.layers * one + embedding, rel=1e-9)
    chunks = memory(job, Layout(tensor=8, pipeline=8, micro_batches=64, interleave=3, sequence_parallel=True), keep)
    assert float(chunks.activations) == pytest.approx(float(staged.activations) * (1 + 7 / 24), rel=1e-9)


# LLaMA-Factory's README, "Hardware Requirement": estimated GB, all devices together. The sizes are LLaMA's; one sequence of 1,024 tokens.
SIZES = ("llama-2-7b", "llama-2-13b", "llama-33b", "llama-2-70b")
FACTORY = [
    ("full, 32 bits", "full", {"precision": "amp"}, (120, 240, 600, 1200)),
    ("full, pure bf16", "full", {"precision": "pure-bf16"}, (60, 120, 300, 600)),
    ("LoRA, 16 bits", "lora", {"base": "bf16"}, (16, 32, 64, 160)),
    ("QLoRA, 8 bits", "lora", {"base": "int8"}, (10, 20, 40, 80)),
    ("QLoRA, 4 bits", "lora", {"base": "nf4"}, (6, 12, 24, 48)),
    ("QLoRA, 2 bits", "lora", {"base": "int2"}, (4, 8, 16, 24)),
]


@pytest.mark.parametrize(("row", "method", "choice", "published"), FACTORY, ids=[row[0] for row in FACTORY])
def test_llama_factory_table(row: str, method: str, choice: dict, published: tuple[int, ...]) -> None:
    for size, gigabytes in zip(SIZES, published, strict=True):
        job = Training(models.find(size), Tokens(1e9), 1024, method=method, rank=8, recompute="full")
        assert memory(job, Layout(), Keeping(**choice)).total.to("GB") == pytest.approx(gigabytes, rel=0.20), size


layouts = st.builds(
    Layout,
    data=st.sampled_from([1, 2, 8]),
    tensor=st.sampled_from([1, 2, 4]),
    pipeline=st.sampled_from([1, 2, 4]),
    zero=st.sampled_from([0, 1]),
    micro_batch=st.integers(1, 8),
    micro_batches=st.integers(1, 16),
)
recomputations = st.sampled_from(["none", "selective", "full"])
attentions = st.sampled_from(["standard", "flash"])


@settings(max_examples=60, deadline=None)
@given(layout=layouts, recompute=recomputations, attention=attentions, length=st.sampled_from([128, 1024, 8192]))
def test_memory_grows_with_batch_and_sequence(layout: Layout, recompute: str, attention: str, length: int) -> None:
    keep = Keeping(attention=attention)
    job = Training(models.find("llama-3.1-8b"), Tokens(1e9), length, recompute=recompute)
    base = float(memory(job, layout, keep).total)
    assert float(memory(job, replace(layout, micro_batch=layout.micro_batch + 1), keep).total) > base
    assert float(memory(replace(job, sequence=2 * length), layout, keep).total) > base


@settings(max_examples=40, deadline=None)
@given(layout=layouts, zero=st.integers(0, 2))
def test_sharding_never_costs_memory(layout: Layout, zero: int) -> None:
    flat = replace(layout, pipeline=1, zero=zero)
    job = Training(models.find("llama-2-7b"), Tokens(1e9), 2048)
    more = memory(job, replace(flat, zero=zero + 1))
    less = memory(job, flat)
    assert float(more.weights + more.gradients + more.optimiser) <= float(less.weights + less.gradients + less.optimiser) * (
        1 + 1e-12
    )


def test_offload_moves_states_to_the_host() -> None:
    job = Training(models.find("llama-2-7b"), Tokens(1e9), 2048)
    kept, moved = memory(job, Layout()), memory(job, Layout(), Keeping(offload="optimiser"))
    assert float(moved.host) == float(kept.optimiser)
    assert float(moved.optimiser) == 0
    everything = memory(job, Layout(), Keeping(offload="all"))
    assert everything.total < moved.total < kept.total


@pytest.mark.parametrize(
    "wrong",
    [
        {"tensor": 7}, {"tensor": 64}, {"pipeline": 33}, {"context": 3}, {"data": 4, "expert": 2}, {"zero": 4}, {"data": 0}, {"data": 1.5},
        {"pipeline": 4, "zero": 3, "data": 2}, {"sequence_parallel": True}, {"interleave": 2}, {"micro_batch": -1}, {"micro_batch": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_contradictory_degrees_are_refused(wrong: dict) -> None:
    with pytest.raises(BadInput) as caught:
        memory(Training(models.find("llama-3.1-8b"), Tokens(1e9), 2048), Layout(**wrong))
    assert caught.value.expected
