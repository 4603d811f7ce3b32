"""Forecasts from the ledger: one earlier run is scaled, many teach the exponents, nothing is made up; kept beside the readings."""

from __future__ import annotations

import math
import platform
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pickaxe.compute.planner.here.foresight import forecast_run, foresee
from pickaxe.compute.planner.here.history import Past, features_of, log_size, past_runs
from pickaxe.compute.planner.here.kept import median_error, pairs, within
from pickaxe.flows.ceiling import Ceiling
from pickaxe.flows.line import Line
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.workspace import Workspace
from tests.compute.steps import Spin, spin


def past(rows: int, seconds: float, *, epochs: float = 3, cores: int = 1, memory: float = 4e8) -> Past:
    features = {
        "size": log_size(rows),
        "rows:rows": math.log1p(rows),
        "bytes:rows": math.log1p(rows * 60),
        "config:epochs": math.log1p(epochs),
    }
    return Past("run", "step", features, cores, {"wall_ms": seconds * 1000, "memory_peak_bytes": memory})


def seconds(new: Past, runs: list[Past]) -> float:
    return foresee(new.features, new.cores, runs)["wall_ms"].middle / 1000


def test_nothing_is_made_up() -> None:
    assert foresee(past(10, 1).features, 1, []) == {}


def test_the_same_run_takes_the_same() -> None:
    assert seconds(past(1000, 0), [past(1000, 20.0)]) == pytest.approx(20, rel=1e-6)


def test_one_run_is_scaled_with_the_rows() -> None:
    assert 20 * 1.5 < seconds(past(4000, 0), [past(1000, 20.0)]) < 20 * 4


def test_many_runs_teach_the_exponents() -> None:
    """Time = 1 s × (rows/1000)^0.9 × epochs, with 10% noise: unseen sizes are forecast within 15%."""
    draw = random.Random(4)

    def run() -> Past:
        rows, epochs = round(1000 * 2 ** draw.uniform(0, 4)), draw.choice([1, 2, 4])
        return past(rows, (rows / 1000) ** 0.9 * epochs * draw.lognormvariate(0, 0.1), epochs=epochs)

    known, new = [run() for _ in range(40)], [run() for _ in range(20)]
    errors = sorted(abs(seconds(one, known) / (one.readings["wall_ms"] / 1000) - 1) for one in new)
    assert errors[10] < 0.15


def test_bands_widen_with_distance_and_narrow_with_runs() -> None:
    runs = [past(rows, rows / 100) for rows in (1000, 1100, 1200, 1300)]

    def width(rows: int, known: list[Past]) -> float:
        found = foresee(past(rows, 0).features, 1, known)["wall_ms"]
        assert found.low < found.middle < found.high
        return found.high / found.low

    assert width(1150, runs) < width(100_000, runs)
    assert width(1150, runs) < width(1150, runs[:1])


def test_each_machine_is_learnt_by_itself() -> None:
    """A peer three times as slow: its runs are no forecast for here, and what is known of one only is a wide guess for the other."""

    def run(host: str, rows: int, took: float) -> Past:
        one = past(rows, took)
        return replace(one, features={**one.features, f"machine:{host}": 1.0})

    sizes = (1000, 1500, 2000, 2500, 3000, 3500)
    here, there = [run("here", rows, rows / 100) for rows in sizes], [run("there", rows, rows / 33) for rows in sizes]
    assert seconds(run("here", 2200, 0), here + there) == pytest.approx(22, rel=0.1)
    assert seconds(run("there", 2200, 0), here + there) == pytest.approx(66, rel=0.1)
    known, unknown = (foresee(run(host, 2200, 0).features, 1, here)["wall_ms"] for host in ("here", "there"))
    assert unknown.high / unknown.low > 1.5 * known.high / known.low


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "w") as opened:
        yield opened


@pytest.mark.slow
def test_every_stage_is_forecast_and_the_pairs_are_kept(workspace: Workspace) -> None:
    line = Line(workspace, "t")
    for turn in range(4):
        line.stage(f"spin{turn}", spin, Spin(seconds=0.2 + turn / 100), {}, cores=1)
    found = pairs(workspace)
    assert {pair.meter for pair in found} >= {"wall_ms", "memory_peak_bytes"}
    assert len({pair.run_id for pair in found}) == 3, "the first had nothing to go by"
    assert median_error(found, "memory_peak_bytes") is not None
    assert within(found, "wall_ms") is not None
    assert median_error(found, "human_ms") is None
    known = past_runs(workspace, line.workspace.runs.list()[0].step)
    assert len(known) == 4
    assert all(f"machine:{platform.node()}" in one.features for one in known)


def test_a_ceiling_refuses_before_anything_is_spent(workspace: Workspace) -> None:
    Line(workspace, "t").stage("spin", spin, Spin(seconds=0.3), {}, cores=1)
    before = len(workspace.runs.list())
    for ceiling, words in (
        (Ceiling(seconds=0.01), "too long"),
        (Ceiling(memory_bytes=1e6), "memory"),
        (Ceiling(nano=1), "cost too much"),
    ):
        with pytest.raises(BadInput, match=words):
            Line(workspace, "t", ceiling=ceiling).stage("spin", spin, Spin(seconds=0.31), {}, cores=1)
    assert len(workspace.runs.list()) == before
    cached = Line(workspace, "t", ceiling=Ceiling(nano=0)).stage("spin", spin, Spin(seconds=0.3), {}, cores=1)
    assert cached.cached


def test_the_price_is_that_of_the_cores_for_the_time(workspace: Workspace) -> None:
    Line(workspace, "t").stage("spin", spin, Spin(seconds=0.3), {}, cores=1)
    spec = workspace.spec(spin, Spin(seconds=0.3), name="t/spin", inputs={})
    one, two = (forecast_run(workspace, spec, cores) for cores in (1, 2))
    assert one.nano is not None
    assert one.seconds is not None
    assert one.nano == pytest.approx(40_000_000 * one.seconds / 3600, rel=0.01)
    assert two.nano is not None


def test_features_name_what_a_step_is_given() -> None:
    found = features_of({"a": 3, "b": {"c": 0.5, "seed": 9, "on": True}, "d": [1, 2], "e": -1, "f": "x"}, {})
    assert set(found) == {"size", "config:a", "config:b.c", "config:d#"}
