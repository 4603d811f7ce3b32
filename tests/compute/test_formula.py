"""Formulas: values with their units, bounds that enclose, roots, and nothing but arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.compute.planner.claims.solver import root
from pickaxe.compute.planner.quantities.formula import Formula
from pickaxe.compute.planner.quantities.units import Quantity
from pickaxe.kernel.errors import BadInput


@given(a=st.floats(0.1, 100), b=st.floats(0.1, 100), c=st.floats(0.01, 3))
def test_bounds_enclose_values(a: float, b: float, c: float) -> None:
    formula = Formula("log2(a) * b - a / b + max(a, b) ** c - sqrt(a * b)")
    ranges = {"a": (0.1, 100.0), "b": (0.1, 100.0), "c": (0.01, 3.0)}
    low, high = formula.bounds(ranges)
    assert low <= formula.value({"a": a, "b": b, "c": c}) <= high
    point = formula.bounds({"a": (a, a), "b": (b, b), "c": (c, c)})
    assert point[0] == pytest.approx(point[1], rel=1e-9)


def test_root_is_the_nearest_one() -> None:
    assert root(Formula("x + 100 / x"), {"x": 3.0}, "x", 25.0) == pytest.approx(5.0)
    assert root(Formula("x ** 2"), {"x": 3.0}, "x", -1.0) is None


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "a.b",
        "a[0]",
        "lambda: 1",
        "'a' * 9",
        "1 if a else 2",
        "a < b",
        "print(1)",
        "max()",
        "True + 1",
        "2j",
        "a @ b",
        "a := 1",
        "",
        "(" * 400,
        "9" * 600,
    ],
)
def test_a_formula_is_arithmetic_only(text: str) -> None:
    with pytest.raises(BadInput):
        Formula(text)


@pytest.mark.parametrize(
    "text", ["9 ** 9 ** 9 ** 9", "1 / (a - a)", "log(0 - a)", "a ** 1000 * a ** 1000", "(0 - a) ** 0.5", "exp(1e6)"]
)
def test_a_formula_without_a_value(text: str) -> None:
    with pytest.raises(BadInput, match="formula"):
        Formula(text).value({"a": 5.0})


def test_units_are_carried_through() -> None:
    formula = Formula("flop / rate")
    assert Quantity(formula.value({"flop": Quantity.parse("1 PFLOP"), "rate": Quantity.parse("1 TFLOP/s")})).to(
        "s"
    ) == pytest.approx(1000)
    with pytest.raises(BadInput, match="logarithm"):
        Formula("log2(a)").value({"a": Quantity.parse("3 s")})
