"""A small arithmetic language: formulas as text, evaluated over numbers or over ranges, and nothing else.

Published claims and scenario files carry their arithmetic as text (`6 * parameters * tokens / (peak * mfu) / 3600 * price`), so that a
reader sees it and a machine checks it. Only numbers, names, `+ - * / **` and a few functions are understood; nothing is executed.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from functools import cached_property

from pickaxe.compute.planner.units import Quantity
from pickaxe.kernel.errors import BadInput

Interval = tuple[float, float]

_MAX_LENGTH = 500
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "min": min,
    "max": max,
}
"""All of them rise with every argument, which is what makes their bounds over a range the values at its ends."""

_KEEP_UNITS = {"min", "max"}

EVERYTHING: Interval = (-math.inf, math.inf)


class Formula:
    """A formula and the names it needs. Raises `BadInput` for anything but arithmetic."""

    def __init__(self, text: str) -> None:
        if len(text) > _MAX_LENGTH:
            raise BadInput("the formula is too long", expected=f"at most {_MAX_LENGTH} characters", got=str(len(text)))
        self.text = text
        try:
            self._tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise _refused(text, "not arithmetic") from None
        for node in ast.walk(self._tree):
            self._check(node)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the formula needs, in the order in which it is written."""
        called = {node.func for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        named = [node for node in ast.walk(self._tree) if isinstance(node, ast.Name) and node not in called]
        return tuple(dict.fromkeys(node.id for node in sorted(named, key=lambda node: node.col_offset)))

    def value(self, values: Mapping[str, float]) -> float:
        """The number for these values; quantities among them carry their units through, and only what fits may be added.

        Raises `BadInput` for a missing name, units that do not fit, a division by zero or an overflow.
        """
        missing = [name for name in self.names if name not in values]
        if missing:
            raise BadInput(f"the formula {self.text!r} needs {', '.join(missing)}", expected=f"values of {', '.join(self.names)}")
        try:
            found = _value(self._tree, values)
        except (ArithmeticError, ValueError) as error:
            raise BadInput(f"the formula {self.text!r} has no value here: {error}", got=_shown(values, self.names)) from None
        if not math.isfinite(found):
            raise BadInput(f"the formula {self.text!r} has no finite value here", got=_shown(values, self.names))
        return found

    def bounds(self, ranges: Mapping[str, Interval]) -> Interval:
        """An interval that surely holds every value of the formula over these ranges; it may be wider than needed.

        Interval arithmetic (Moore 1966), in floating point without outward rounding: compare with a little slack.
        """
        try:
            return _bounds(self._tree, ranges)
        except (ArithmeticError, ValueError):
            return EVERYTHING

    def _check(self, node: ast.AST) -> None:
        match node:
            case (
                ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow()) | ast.UnaryOp(op=ast.USub() | ast.UAdd())
            ):
                return
            case ast.Name() | ast.operator() | ast.unaryop() | ast.expr_context():
                return
            case ast.Constant(value=bool() | complex()):
                raise _refused(self.text, f"{node.value!r} is not a real number")
            case ast.Constant(value=int() | float()):
                return
            case ast.Call(func=ast.Name(id=name), keywords=[], args=[_, *_]) if name in _FUNCTIONS:
                return
            case _:
                raise _refused(self.text, f"{type(node).__name__} is not understood")


def _refused(text: str, why: str) -> BadInput:
    return BadInput(
        f"{text[:80]!r} is not a formula: {why}",
        expected=f"numbers, names, + - * / ** and {', '.join(_FUNCTIONS)}",
    )


def _shown(values: Mapping[str, float], names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} = {values[name]:g}" for name in names)


def _value(node: ast.AST, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=op, operand=operand):
            inner = _value(operand, values)
            return -inner if isinstance(op, ast.USub) else inner
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATIONS[type(op)](_value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            inner = [_value(argument, values) for argument in arguments]
            return _FUNCTIONS[name](*(inner if name in _KEEP_UNITS else (_plain(value) for value in inner)))
        case _:
            raise AssertionError(node)  # _check let it through


def _plain(value: float) -> float:
    if isinstance(value, Quantity) and value.dimension:
        raise BadInput(
            f"{value} stands in a power, a root or a logarithm",
            expected="a number without a unit",
            remedy="divide by another quantity",
        )
    return float(value)


def _power(base: float, exponent: float) -> float:
    return math.pow(_plain(base), _plain(exponent))  # raises where ** would go complex


_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: _power,
}


def _bounds(node: ast.AST, ranges: Mapping[str, Interval]) -> Interval:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number), float(number)
        case ast.Name(id=name):
            return ranges[name]
        case ast.UnaryOp(op=op, operand=operand):
            low, high = _bounds(operand, ranges)
            return (-high, -low) if isinstance(op, ast.USub) else (low, high)
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(op, _bounds(left, ranges), _bounds(right, ranges))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            inner = [_bounds(argument, ranges) for argument in arguments]
            return _FUNCTIONS[name](*(low for low, _ in inner)), _FUNCTIONS[name](*(high for _, high in inner))
        case _:
            raise AssertionError(node)


def _combined(op: ast.operator, left: Interval, right: Interval) -> Interval:
    """Sums, products and quotients are extreme at the ends of both ranges; so are powers of positive numbers."""
    if isinstance(op, ast.Div) and right[0] <= 0 <= right[1]:
        return EVERYTHING
    if isinstance(op, ast.Pow) and left[0] <= 0:
        return EVERYTHING
    ends = [_OPERATIONS[type(op)](a, b) for a in left for b in right]
    return EVERYTHING if any(math.isnan(end) for end in ends) else (min(ends), max(ends))
