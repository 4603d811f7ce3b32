"""The planner against published speeds of serving, with its defaults throughout; only rows that the defaults were not derived from count."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import pytest

from pickaxe.compute.planner.published.serving import SHARES, SPEEDS, PublishedSpeed, defaults, derived, derived_reach
from pickaxe.compute.planner.serving.inference import FOUR_BIT_REACH

STEADY = [row for row in SPEEDS if row.is_steady]
HELD_OUT = [row for row in SPEEDS if row.is_held_out]
REASONS = sorted({row.unlike for row in STEADY if row.unlike})


def share(rows: list[PublishedSpeed], within: float) -> float:
    return sum(abs(row.error) < within for row in rows) / len(rows)


@pytest.mark.slow
def test_most_held_out_rows_lie_in_the_forecast_band() -> None:
    """A 5-95% band of efficiencies alone would hold 90%; engines and versions differ besides."""
    assert len(HELD_OUT) > 100
    assert sum(row.inside for row in HELD_OUT) / len(HELD_OUT) >= 0.80


def test_forecasts_of_held_out_rows_are_close_and_lean_to_neither_side() -> None:
    assert share(HELD_OUT, 0.25) >= 0.90
    assert share(HELD_OUT, 0.50) >= 0.95
    assert share(HELD_OUT, 1.00) == 1.0
    assert abs(median(row.error for row in HELD_OUT)) < 0.05
    assert median(abs(row.error) for row in HELD_OUT) < 0.10


@pytest.mark.parametrize(("measures", "off"), [("decode", 0.20), ("first token", 0.30)])
def test_latency_of_held_out_rows(measures: str, off: float) -> None:
    """Tokens a second of one call alone, and the time to a first token under light load."""
    rows = [row for row in HELD_OUT if row.measures == measures]
    assert len(rows) >= 5
    assert max(abs(row.error) for row in rows) <= off


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason[:20])
def test_settings_that_the_planner_does_not_describe_are_off(reason: str) -> None:
    rows = [row for row in STEADY if row.unlike == reason]
    assert median(abs(row.error) for row in rows) > 0.25, "described after all: take the mark away"
    assert not any(row.calibration for row in rows)


@pytest.mark.parametrize("name", SHARES)
def test_defaults_are_what_the_rows_for_calibration_imply(name: str) -> None:
    found, default = derived(name), defaults()[name]
    assert (found.low, found.mode, found.high) == pytest.approx((default.low, default.mode, default.high))


def test_four_bits_on_devices_and_models_that_taught_nothing() -> None:
    """70B on B200 gives the share of arithmetic; GB200, and 405B on four B200, are forecast with it."""
    assert derived_reach() == pytest.approx(FOUR_BIT_REACH)
    assert {(row.replica.model.name, row.replica.device.key) for row in SPEEDS if row.fits} == {("llama-3.1-70b", "B200")}
    rows = [row for row in HELD_OUT if row.replica.weights == "fp4"]
    assert {row.replica.device.key for row in rows} == {"B200", "GB200"}
    assert max(abs(row.error) for row in rows) < 0.30
    assert median(abs(row.error) for row in rows) < 0.10


def test_experts_spread_over_eighteen_nodes() -> None:
    """DeepSeek's decode units of 144 H800, with nothing fitted to them; the same model with every matrix split would be fifty times off."""
    (row,) = [row for row in HELD_OUT if row.replica.by_experts]
    assert row.replica.devices == 144
    assert abs(row.error) < 0.25
    assert row.inside
    assert replace(row, replica=replace(row.replica, spread="tensor")).error < -0.9


def test_both_kinds_of_rows_come_from_several_sources_and_devices() -> None:
    assert {row.replica.device.key for row in STEADY if row.calibration} == {"A100-80", "H100"}
    assert {"H200", "L40S"} <= {row.replica.device.key for row in HELD_OUT}
    assert len({row.source for row in HELD_OUT}) >= 5
