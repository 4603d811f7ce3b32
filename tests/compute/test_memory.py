"""Memory against the tables of the papers that the formulas are from, and against a published table of practice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.compute.planner.catalogue import models
from pickaxe.compute.planner.published.memory import TABLES, Table
from pickaxe.compute.planner.quantities.units import Tokens
from pickaxe.compute.planner.training.activations import layer_activations
from pickaxe.compute.planner.training.layout import Layout
from pickaxe.compute.planner.training.memory import Keeping, memory
from pickaxe.compute.planner.training.work import Training
from pickaxe.kernel.errors import BadInput


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.key)
def test_published_tables(table: Table) -> None:
    cells = list(table.cells())
    assert len(cells) >= 24
    assert [cell for cell in cells if not table.holds(cell)] == []


def test_zero_and_activations_are_exact_but_for_rounding() -> None:
    """Both are formulas: what is left are the digits that the papers print."""
    zero, activations, _ = TABLES
    assert max(abs(cell.error) for cell in activations.cells()) < 1e-12
    assert max(abs(cell.error) for cell in zero.cells() if cell.published > 1) < 0.004


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


def test_bloom_held_about_what_was_seen() -> None:
    """BigScience's page of the model: one copy on 48 GPUs with 60 GB of memory used on each; BF16_Optimizer, ZeRO-1, full recomputation."""
    job = Training(models.find("bloom-176b"), Tokens.parse("366B"), 2048, recompute="full")
    layout = Layout(data=8, tensor=4, pipeline=12, micro_batch=2, micro_batches=128, zero=1)
    assert memory(job, layout, Keeping(precision="mixed-both-grads")).total.to("GB") == pytest.approx(60, rel=0.10)


def test_layouts_that_ran_fit() -> None:
    """Korthikanti et al. 2022 ran these on A100 of 80 GB with selective recomputation, and could not without it."""
    keep = Keeping(precision="mixed-fp32-grad", attention="standard", dropout=True)
    for size, layout in (
        ("175b", Layout(tensor=8, pipeline=8, micro_batches=64, interleave=3, sequence_parallel=True)),
        ("530b", Layout(tensor=8, pipeline=35, micro_batches=280, interleave=3, sequence_parallel=True)),
        ("1t", Layout(tensor=8, pipeline=64, micro_batches=512, sequence_parallel=True)),
    ):
        job = Training(models.find(f"megatron-{size}"), Tokens(1e9), 2048)
        assert memory(replace(job, recompute="selective"), layout, keep).total.to("GB") < 80, size
        assert memory(job, layout, keep).total.to("GB") > 80, size


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
