"""Units round-trip, refuse to be mixed, and say which field was wrong."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.compute.planner.quantities import checks, units
from pickaxe.compute.planner.quantities.uncertain import Uncertain, simulate, tornado
from pickaxe.compute.planner.quantities.units import (
    NAMED,
    Bandwidth,
    Bytes,
    Carbon,
    DevicePrice,
    DeviceTime,
    Flop,
    FlopRate,
    Money,
    Number,
    Quantity,
    Seconds,
    Tokens,
)
from pickaxe.kernel.errors import BadInput, NotFound

KINDS = sorted(NAMED.values(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS)
@given(value=st.floats(1e-12, 1e27))
def test_text_reads_back(kind: type[Quantity], value: float) -> None:
    """Writing with 17 digits and reading gives the number back, to the last few bits."""
    assert float(kind.parse(kind(value).text(17))) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@given(value=st.floats(1e-6, 1e24))
def test_short_text_is_near(kind: type[Quantity], value: float) -> None:
    read = float(kind.parse(kind(value).text()))
    if kind in (Money, DevicePrice, units.TokenPrice, units.EnergyPrice):
        assert abs(read - value) <= max(0.006 * value, 1)  # cents are shown, not thousandths
    else:
        assert read == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        (Bytes, "GB"), (Bytes, "GiB"), (Bandwidth, "Gbit/s"), (Bandwidth, "TB/s"), (FlopRate, "TFLOP/s"), (FlopRate, "PFLOPS"),
        (Flop, "PFLOP/s-days"), (Seconds, "h"), (Seconds, "us"), (Seconds, "months"), (DeviceTime, "GPU-h"), (DevicePrice, "$/GPU-h"),
        (Tokens, "million tokens"), (units.TokenPrice, "$/M tokens"), (units.Joules, "kWh"), (units.CarbonIntensity, "kgCO2/kWh"),
    ],
)  # fmt: skip
@given(value=st.floats(1e-6, 1e9))
def test_conversions_round_trip(kind: type[Quantity], unit: str, value: float) -> None:
    there = kind.parse(f"{value!r} {unit}")
    assert there.to(unit) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("80 GB", Bytes, 80e9), ("80GiB", Bytes, 80 * 2**30), ("400 Gbit/s", Bandwidth, 50e9), ("989 TFLOPS", FlopRate, 989e12),
        ("3640 PFLOP/s-days", Flop, 3640e15 * 86400), ("70B", units.Parameters, 70e9), ("2T", Tokens, 2e12),
        ("$2.40/GPU-h", DevicePrice, 2.4 / 3600), ("$0.002/1k tokens", units.TokenPrice, 2e-6), ("$1.2M", Money, 1.2e6),
        ("43%", Number, 0.43), ("1,720,320 GPU hours", DeviceTime, 1720320 * 3600.0), ("12 kWh", units.Joules, 12 * 3.6e6),
    ],
)  # fmt: skip
def test_reads_what_papers_write(text: str, kind: type[Quantity], value: float) -> None:
    assert float(kind.parse(text)) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", ["¥14.37/GPU-h", "€0.30/kWh", "¥2.00/M tokens", "£5.00M", "¥12,020", "¥3.00B"])
def test_other_currencies_are_written_as_prices(text: str) -> None:
    assert Quantity.parse(text).text() == text


def test_arithmetic_carries_units() -> None:
    assert isinstance(Flop(6e24) / FlopRate.parse("400 TFLOP/s"), Seconds)
    assert isinstance(DevicePrice.parse("$2/GPU-h") * DeviceTime.parse("10 GPU-h"), Money)
    assert isinstance(1 / (Seconds(1) / Bytes(4)), Bandwidth)
    assert isinstance(Bytes(1) / Bytes(2), Number)
    assert sum([Bytes(1), Bytes(2)]) == Bytes(3)
    assert json.dumps(Bytes(3)) == "3.0"
    assert copy.deepcopy(Flop(1) * Bytes(1)) == Flop(1) * Bytes(1)


@pytest.mark.parametrize(
    "mixed",
    [
        lambda: Bytes(1) + Seconds(1), lambda: Bytes(1) - 3, lambda: 3 + Bytes(1), lambda: Bytes(1) < Seconds(2),
        lambda: Bytes(Seconds(3)), lambda: Seconds(1).to("GB"), lambda: Bytes.parse("989 TFLOP/s"), lambda: Money.parse("¥100"),
        lambda: Seconds(1) / 0,
    ],
)  # fmt: skip
def test_mixed_units_are_refused(mixed: object) -> None:
    assert callable(mixed)
    with pytest.raises(BadInput):
        mixed()


@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_bad_input(text: str) -> None:
    def expected_of_refusal() -> str | None:
        try:
            return str(Bytes.parse(text).dimension)
        except BadInput as error:
            return error.expected

    assert expected_of_refusal()


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "1e30 GB", "3 s", None, True, [1]])
def test_amount_names_field_and_range(value: object) -> None:
    with pytest.raises(BadInput) as caught:
        checks.amount("memory", value, Bytes)  # pyright: ignore[reportArgumentType]
    assert "memory" in caught.value.message
    assert caught.value.expected


def test_nearest_names() -> None:
    with pytest.raises(NotFound) as caught:
        checks.named("accelerator", "H10O", {"H100": 1, "A100-80": 2})
    assert "H100" in str(caught.value.remedy)
    with pytest.raises(BadInput) as refused:
        checks.only_keys("scenario", ["tokns"], ["tokens", "devices"])
    assert "tokens" in str(refused.value.remedy)
    with pytest.raises(BadInput):
        checks.count("tensor", 2.5)
    with pytest.raises(BadInput):
        checks.share("mfu", "140%")


def test_bands_are_seeded_and_ordered() -> None:
    inputs = {"a": Uncertain.parse([1, 3]), "b": Uncertain.parse([1, 2, 6]), "c": Uncertain.parse(5)}
    band = simulate(lambda x: x["a"] * x["b"] * x["c"], inputs, seed=7)
    assert band == simulate(lambda x: x["a"] * x["b"] * x["c"], inputs, seed=7)
    assert 5 < band.low < band.median < band.high < 90
    assert [bar.field for bar in tornado(lambda x: x["a"] * x["b"], inputs)] == ["b", "a"]


@given(low=st.floats(0, 1e6), width=st.floats(1e-3, 1e6), at=st.floats(0, 1), share=st.floats(0, 1))
def test_quantiles_stay_inside(low: float, width: float, at: float, share: float) -> None:
    triangle = Uncertain(low, low + width, low + at * width)
    assert low - 1e-6 <= float(triangle.quantile(share)) <= low + width + 1e-6


@pytest.mark.parametrize("value", [[3, 1], [1, 5, 3], [1, 2, 3, 4], [], {"low": 1}, ["1 GB", "3 s"], [1, float("nan")]])
def test_bad_ranges(value: object) -> None:
    with pytest.raises(BadInput):
        Uncertain.parse(value, Bytes, field="memory")


@pytest.mark.parametrize(
    ("grams", "text"), [(950.0, "950 gCO2"), (1.167e6, "1.167 tCO2"), (3e9, "3 ktCO2"), (2.5e12, "2.5 MtCO2")]
)
def test_carbon_is_said_in_tonnes_and_read_back(grams: float, text: str) -> None:
    shown = str(Carbon(grams))
    assert shown == text
    assert float(Carbon.parse(shown)) == pytest.approx(grams)


@pytest.mark.parametrize("text", ["1,5 GB", "0,5 GB", "1 000 GB", "1 2 3 GB", "12,34 GB", "1,0000 GB"])
def test_numbers_that_may_mean_two_things_are_refused(text: str) -> None:
    """A comma for a point would be ten times too much, and a space for a thousand nothing at all."""
    with pytest.raises(BadInput, match="fractions as"):
        Bytes.parse(text, field="memory")


@pytest.mark.parametrize(
    ("text", "size"),
    [("1,500 GB", 1.5e12), ("1500 GB", 1.5e12), ("1_500 GB", 1.5e12), ("8 × 80 GB", 640e9), ("1,234,567.5 B", 1234567.5)],
)
def test_numbers_that_mean_one_thing_are_read(text: str, size: float) -> None:
    assert float(Bytes.parse(text)) == pytest.approx(size)


@pytest.mark.parametrize("kind", [Bytes, Money, DevicePrice, Tokens, Seconds])
def test_a_percentage_is_no_amount(kind: type[Quantity]) -> None:
    with pytest.raises(BadInput, match="a percentage"):
        kind.parse("5%", field="f")
