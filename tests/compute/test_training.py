"""Work and cost of training: monotone, honest about what a device more can bring, and bad input refused by name."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.compute.planner.catalogue import hardware, models
from pickaxe.compute.planner.quantities.units import Bytes, DevicePrice, Devices, Parameters, Seconds, Tokens
from pickaxe.compute.planner.training.layout import Layout
from pickaxe.compute.planner.training.layouts import Wanted, search
from pickaxe.compute.planner.training.memory import memory
from pickaxe.compute.planner.training.network import step, utilisation
from pickaxe.compute.planner.training.tried import layouts
from pickaxe.compute.planner.training.work import Rollouts, Training, cost, six_n_d, work
from pickaxe.kernel.errors import BadInput, NotFound, PickaxeError

PRICE = DevicePrice.parse("$2/GPU-h")
SHAPES = st.sampled_from([models.find(name) for name in ("gpt2", "llama-2-7b", "llama-3.1-70b", "mixtral-8x7b", "deepseek-v3")])
METHODS = st.sampled_from(["full", "lora"])


@settings(max_examples=60, deadline=None)
@given(
    shape=SHAPES, method=METHODS, tokens=st.floats(1e6, 1e14), more=st.floats(1.001, 10), mfu=st.floats(0.05, 0.9),
    devices=st.integers(1, 10_000),
)  # fmt: skip
def test_cost_is_monotone(shape: models.Architecture, method: str, tokens: float, more: float, mfu: float, devices: int) -> None:
    device = hardware.find("H100")

    def spent(job: Training, number: int = devices) -> tuple[float, float, float]:
        found = cost(job, device, Devices(number), mfu=mfu, price=PRICE)
        assert found.money is not None
        assert found.energy is not None
        return float(found.money), float(found.energy), float(found.time)

    job = Training(shape, Tokens(tokens), 2048, method=method)
    base = spent(job)
    assert all(after > before for before, after in zip(base, spent(replace(job, tokens=Tokens(tokens * more))), strict=True))
    assert all(after > before for before, after in zip(base, spent(replace(job, sequence=4096)), strict=True))
    larger = replace(shape, layers=shape.layers + 1, total=None)
    same = replace(shape, total=None)
    assert all(
        after > before for before, after in zip(spent(replace(job, model=same)), spent(replace(job, model=larger)), strict=True)
    )
    # Twice the devices take at best half the time, and never less money.
    assert spent(job, 2 * devices)[2] >= base[2] / 2 * (1 - 1e-12)
    assert spent(job, 2 * devices)[0] >= base[0] * (1 - 1e-12)


@pytest.mark.parametrize("name", ["llama-2-7b", "llama-3.1-8b"])
def test_doubling_devices_with_a_network_brings_less_than_half(name: str) -> None:
    job = Training(models.find(name), Tokens.parse("10B"), 4096)
    times = [
        float(search(job, hardware.find("A100"), Wanted(batch=1024, devices=[number])).best[0].time)
        for number in (8, 16, 32, 64, 128)
    ]
    assert all(after >= before / 2 for before, after in pairwise(times))
    assert times == sorted(times, reverse=True)


def test_where_six_n_d_is_wrong() -> None:
    tokens = Tokens.parse("1T")
    short = Training(models.find("llama-3.1-8b"), tokens, 2048)
    rule = float(six_n_d(short.model, tokens))
    assert float(work(short).model) == pytest.approx(rule, rel=0.05)
    assert float(work(replace(short, sequence=131072)).model) > 4 * rule
    assert float(work(replace(short, sequence=131072, causal_half=True)).attention) == pytest.approx(
        float(work(replace(short, sequence=131072)).attention) / 2, rel=1e-4
    )
    mixture = models.find("mixtral-8x7b")
    assert float(work(Training(mixture, tokens, 2048)).model) < 0.35 * 6 * float(mixture.parameters) * float(tokens)
    # Frozen weights have no gradient of their own: two passes of three, and the adapters' own three.
    assert float(work(replace(short, method="lora")).layers) == pytest.approx(float(work(short).layers) * 2 / 3, rel=0.02)
    top = work(replace(short, method="frozen", trained_layers=2))
    assert float(top.layers) == pytest.approx(float(work(short).layers) * (1 + 2 * 2 / 32) / 3)
    again = work(replace(short, recompute="full"))
    assert float(again.hardware) == pytest.approx(float(again.model) + float(again.layers + again.attention) / 3)


def test_masked_language_model_computes_its_head_for_some_tokens() -> None:
    job = Training(models.find("bert-base"), Tokens.parse("1B"), 512, objective="masked")
    assert float(work(job).head) == pytest.approx(0.15 * float(work(replace(job, objective="causal")).head))


def test_generation_dominates_reinforcement_learning() -> None:
    """OpenRLHF (Hu et al. 2024, arXiv:2405.11143) reports that generation takes more than 80% of the time."""
    job = Training(models.find("llama-2-7b"), Tokens.parse("100M"), 1024)
    found = cost(job, hardware.find("A100"), Devices(16), mfu=0.4, rollouts=Rollouts(judges=Parameters(21e9)))
    plain = cost(job, hardware.find("A100"), Devices(16), mfu=0.4)
    assert 0.5 < float(found.generating / found.device_time) < 0.9
    assert found.device_time > 2 * plain.device_time


MEGATRON = [
    ("megatron-22b", Layout(tensor=8, micro_batch=4, sequence_parallel=True), 1.10),
    ("megatron-175b", Layout(tensor=8, pipeline=8, micro_batches=64, interleave=3, sequence_parallel=True), 13.75),
    ("megatron-530b", Layout(tensor=8, pipeline=35, micro_batches=280, interleave=3, sequence_parallel=True), 37.83),
    ("megatron-1t", Layout(tensor=8, pipeline=64, micro_batches=512, sequence_parallel=True), 71.49),
]


@pytest.mark.parametrize(("name", "layout", "seconds"), MEGATRON, ids=[row[0] for row in MEGATRON])
def test_network_model_against_measured_iterations(name: str, layout: Layout, seconds: float) -> None:
    """Korthikanti et al. 2022, table 5, without being told the MFU."""
    job = Training(models.find(name), Tokens(1e9), 2048, recompute="selective")
    assert float(step(job, layout, hardware.find("A100")).total) == pytest.approx(seconds, rel=0.20)


@pytest.mark.parametrize(("data", "many", "mfu"), [(64, 32, 0.43), (128, 16, 0.41)])
def test_network_model_against_llama_3(data: int, many: int, mfu: float) -> None:
    """Llama Team 2024, table 4: TP8 PP16 on 8,192 and 16,384 H100, without being told the MFU."""
    job = Training(models.find("llama-3.1-405b"), Tokens(1e12), 8192)
    layout = Layout(data=data, tensor=8, pipeline=16, micro_batches=many, interleave=4, zero=1, sequence_parallel=True)
    device = hardware.find("H100")
    assert utilisation(job, layout, device, step(job, layout, device)) == pytest.approx(mfu, rel=0.15)


def test_search_orders_by_cost_and_says_why_others_fall_out() -> None:
    job = Training(models.find("llama-3.1-8b"), Tokens.parse("1B"), 2048)
    found = search(job, hardware.find("A100-40"), Wanted(batch=64, devices=[1, 2, 4, 8], price=PRICE))
    assert len(found.best) >= 2
    costs = [float(one.money) for one in found.best if one.money is not None]
    assert max(costs) >= min(costs) == pytest.approx(costs[0], rel=0.03)
    assert all(after >= before / 1.03 for before, after in pairwise(costs))
    assert all(one.memory.total <= found.capacity for one in found.best)
    assert sum(item.layouts for item in found.fallen) >= found.considered - 1
    assert any("40 GB" in str(item.reason) for item in found.fallen)


@pytest.mark.parametrize(
    ("name", "devices", "batch"), [("llama-3.1-405b", [16_384], 16_384), ("deepseek-v3", [2**n for n in range(11)], 1024)]
)
def test_the_largest_searches_answer_at_once(name: str, devices: list[int], batch: int) -> None:
    job = Training(models.find(name), Tokens.parse("15T"), 8192)
    began = process_time()
    found = search(job, hardware.find("H100"), Wanted(batch=batch, devices=devices))
    assert found.considered > 2_000
    assert process_time() - began < 15


def test_layouts_that_are_too_large_whatever_their_batches_are_counted_and_the_nearest_is_found() -> None:
    """What a bound leaves out is what trying each of them would: the least memory of all, and how many there are."""
    job, device = Training(models.find("llama-3.1-70b"), Tokens(1e12), 8192), hardware.find("L4")
    found = search(job, device, Wanted(batch=64, devices=[8]))
    jobs = [replace(job, recompute=choice) for choice in ("none", "full")]
    tried = [
        float(memory(each, layout).total)
        for layout in layouts(job, device, Wanted(batch=64, devices=[8]))
        if not layout.contradiction(job.model, job.sequence)
        for each in jobs
    ]
    (fallen,) = (item for item in found.fallen if item.reason.key == "falls_too_large")
    assert fallen.layouts == len(tried)
    assert str(Bytes(min(tried))) in str(fallen.reason)


def test_nothing_fits_is_an_answer() -> None:
    job = Training(models.find("llama-3.1-70b"), Tokens.parse("1B"), 8192)
    found = search(job, hardware.find("L4"), Wanted(batch=8, devices=[8]))
    assert found.best == ()
    assert "24 GB" in str(found.fallen[0].reason)


def test_deadline_and_fixed_degrees() -> None:
    job = Training(models.find("llama-3.1-8b"), Tokens.parse("1B"), 2048)
    device = hardware.find("H100")
    late = search(job, device, Wanted(batch=64, devices=[8], deadline=Seconds(60)))
    assert late.best == ()
    assert any("takes longer" in str(item.reason) for item in late.fallen)
    fixed = search(job, device, Wanted(batch=64, devices=[8], tensor=4, recompute="full"))
    assert {(one.layout.tensor, one.recompute) for one in fixed.best} == {(4, "full")}
    with pytest.raises(BadInput, match="no layout"):
        search(job, device, Wanted(batch=64, devices=[8], tensor=3))


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("tokens", lambda shape: Training(shape, Tokens(0))),
        ("tokens", lambda shape: Training(shape, Tokens(-1e9))),
        ("tokens", lambda shape: Training(shape, Tokens(math.nan))),
        ("tokens", lambda shape: Training(shape, Tokens(1e30))),
        ("sequence", lambda shape: Training(shape, Tokens(1e9), 0)),
        ("method", lambda shape: Training(shape, Tokens(1e9), method="qlora")),
        ("recompute", lambda shape: Training(shape, Tokens(1e9), recompute="selectve")),
        ("trained_layers", lambda shape: Training(shape, Tokens(1e9), method="frozen")),
        ("trained_layers", lambda shape: Training(shape, Tokens(1e9), method="frozen", trained_layers=99)),
        ("mfu", lambda shape: cost(Training(shape, Tokens(1e9)), hardware.find("H100"), Devices(1), mfu=0)),
        ("mfu", lambda shape: cost(Training(shape, Tokens(1e9)), hardware.find("H100"), Devices(1), mfu=41)),
        ("goodput", lambda shape: cost(Training(shape, Tokens(1e9)), hardware.find("H100"), Devices(1), mfu=0.4, goodput=math.nan)),
        ("devices", lambda shape: cost(Training(shape, Tokens(1e9)), hardware.find("H100"), Devices(0), mfu=0.4)),
        ("pue", lambda shape: cost(Training(shape, Tokens(1e9)), hardware.find("H100"), Devices(1), mfu=0.4, pue=0.5)),
        ("device", lambda _: hardware.find("H1000")),
        ("model", lambda _: models.find("lama-2-7b")),
        ("fp8", lambda _: hardware.find("A100").flops("fp8")),
        ("batch", lambda _: Wanted(batch=0, devices=[1])),
        ("devices", lambda _: Wanted(batch=1, devices=[-1])),
    ],
)  # fmt: skip
def test_bad_input_names_the_field(field: str, make) -> None:
    with pytest.raises((BadInput, NotFound)) as caught:
        make(models.find("llama-2-7b"))
    error = caught.value
    assert isinstance(error, PickaxeError)
    assert field in error.message
    assert error.expected
    if isinstance(error, NotFound):
        assert error.remedy
        assert "did you mean" in error.remedy


def test_every_figure_of_the_catalogue_has_a_source() -> None:
    for device in hardware.load().values():
        figures = {"memory", "bandwidth", *(f"peak.{dtype}" for dtype in device.peak)}
        if device.kind != "cpu":
            figures |= {"link", "domain"}
        assert figures <= set(device.sources), device.key
        assert not any("without a source" in text for text in device.sources.values()), device.key
        assert device.launched
