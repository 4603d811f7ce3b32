"""The planner against published training runs. The bar is 10% of the GPU-hours; where sources contradict each other, that is asserted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pickaxe.compute.planner.catalogue import hardware, models, utilisation
from pickaxe.compute.planner.published.runs import RUNS, TOLERANCE, PublishedRun, compare, implied_mfu
from pickaxe.compute.planner.quantities.units import Tokens
from pickaxe.compute.planner.training.work import Training, six_n_d, work

REQUIRED = (
    "llama-2-7b", "llama-2-13b", "llama-2-34b", "llama-2-70b", "llama-3.1-405b", "llama-3.1-70b", "llama-3.1-8b", "bloom-176b", "opt-175b", "deepseek-v3", "mlperf-gpt-3-3584",
)  # fmt: skip


@pytest.mark.parametrize("run", RUNS.values(), ids=lambda run: run.key)
def test_forecast_against_published(run: PublishedRun) -> None:
    found = compare(run)
    if run.reproduced:
        assert abs(found.error) <= TOLERANCE, f"{found.forecast} against {run.published}"
    else:
        assert abs(found.error) > TOLERANCE, "agrees after all: mark it reproduced"
        assert run.note


def test_the_runs_that_matter_are_reproduced() -> None:
    assert all(RUNS[key].reproduced for key in REQUIRED)


def test_a_stated_utilisation_reproduces_the_hours_unless_they_hold_more_than_the_training() -> None:
    """The bar is met wherever it can be: only PaLM's hours, with downtime and repeated steps, are not; at PaLM's own tokens a second it is."""
    missed = {run.key for run in RUNS.values() if run.basis == "stated" and not run.reproduced}
    assert missed == {"palm-540b"}
    assert abs(compare(RUNS["palm-540b-speed"]).error) < 0.01
    assert [run.key for run in RUNS.values() if run.basis != "stated" and not run.reproduced] == ["llama-3.1-8b-by-family"]


def test_a_cap_of_power_explains_llama_2_34b() -> None:
    """350 of 400 W: between their cube root and their proportion lies what the run took, and without the cap it lies outside."""
    run, share = RUNS["llama-2-34b"], 350 / 400
    found = compare(run)
    uncapped = (1 + found.error) * share ** (2 / 3) - 1
    assert abs(uncapped) > TOLERANCE
    ends = [(1 + uncapped) / share**power - 1 for power in (1 / 3, 1)]
    assert all(f"{end:.1%}" in run.note for end in ends)
    assert ends[0] < found.error < ends[1]


def test_stated_utilisation_gives_hours_within_a_percent() -> None:
    """Where the paper gives utilisation and pure running time, nothing is left to choose: FLOP must be right."""
    for key in (
        "opt-175b",
        "deepseek-v3",
        "megatron-175b",
        "megatron-530b",
        "megatron-1t",
        "mt-nlg-530b-280",
        "bloom-176b-iteration",
    ):
        assert abs(compare(RUNS[key]).error) < 0.01


def test_opt_flop_is_what_its_logbook_says() -> None:
    """4.30e23 FLOP with recomputation (metaseq, final_update.md)."""
    assert float(work(RUNS["opt-175b"].stages[0].job).hardware) == pytest.approx(4.30e23, rel=0.005)


def test_gpt3_flop() -> None:
    """3.14e23 (Brown et al. 2020, table D.1) is 6 N D; counting attention adds 5%, leaving the looked-up embedding out takes nothing."""
    model = models.find("gpt-3-175b")
    assert float(six_n_d(model, Tokens.parse("300B"))) == pytest.approx(3.14e23, rel=0.002)
    assert float(work(Training(model, Tokens.parse("300B"), 2048)).attention) / 3.14e23 == pytest.approx(0.0277, rel=0.01)


def test_the_smallest_llama_3_contradicts_the_utilisation_of_the_largest_twice() -> None:
    """No MFU in 38-43% explains 1.46M hours for 8B, even if a tenth of the time was lost; nor the 1.3M of the Llama 3 before it."""
    for key in ("llama-3.1-8b", "llama-3-8b"):
        assert implied_mfu(RUNS[key]) < 0.38 * 0.9 * 0.6


@pytest.mark.parametrize(("size", "hours"), [("8b", 1.46e6), ("70b", 7.0e6)])
def test_llama_3_1_is_llama_3_and_the_stage_of_long_context(size: str, hours: float) -> None:
    """Two model cards and a paper, nothing solved: hours of Llama 3, and 800B long tokens at the 38% stated for them, are those of Llama 3.1."""
    whole, before = RUNS[f"llama-3.1-{size}-by-family"], RUNS[f"llama-3-{size}"].published
    long = compare(replace(whole, stages=whole.stages[1:])).forecast
    assert (before + long).to("GPU-h") == pytest.approx(hours, rel=0.06)


def test_held_out_runs_lie_in_the_prior() -> None:
    """Llama 2 stated no utilisation: the distribution built from other papers must cover what its hours imply."""
    prior, used = utilisation.mfu(hardware.find("A100"))
    assert not any("Llama 2" in item.run for item in used)
    for size in ("7b", "13b", "34b", "70b"):
        assert prior.low <= implied_mfu(RUNS[f"llama-2-{size}"]) <= prior.high


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("llama-2-7b", 6_738_415_616), ("llama-2-70b", 68_976_648_192), ("llama-3.1-8b", 8_030_261_248),
        ("llama-3.1-405b", 405_853_388_800), ("smollm2-135m", 134_515_008), ("smollm3-3b", 3_075_098_624), ("gpt2", 124_439_808),
    ],
)  # fmt: skip
def test_counting_by_parts_is_exact(name: str, exact: int) -> None:
    assert int(models.find(name).counted) == exact


@pytest.mark.parametrize(("name", "total", "active"), [("deepseek-v3", 671e9, 37e9), ("mixtral-8x7b", 46.7e9, 12.9e9)])
def test_experts(name: str, total: float, active: float) -> None:
    model = models.find(name)
    assert float(model.parameters) == pytest.approx(total, rel=0.005)
    assert float(model.active) == pytest.approx(active, rel=0.02)


@pytest.mark.parametrize(("name", "published"), [("deepseek-v3", 250e9), ("llama-3.1-405b", 2448e9)])
def test_flop_of_a_token(name: str, published: float) -> None:
    """DeepSeek-AI 2025 (arXiv:2505.09343), table 2: training FLOP a token at 4,096 tokens, causal attention counted by half."""
    found = work(Training(models.find(name), Tokens(1), 4096, causal_half=True)).model
    assert float(found) == pytest.approx(published, rel=0.015)
