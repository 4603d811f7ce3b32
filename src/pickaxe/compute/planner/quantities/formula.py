"""A small arithmetic language: formulas as text, evaluated over numbers or over ranges, and nothing else.

Published claims and scenario files carry their arithmetic as text (`6 * parameters * tokens / (peak * mfu) / 3600 * price`), so that a
reader sees it and a machine checks it. Only numbers, names, `+ - * / **` and a few functions are understood; nothing is executed.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from functools import cached_property

from pickaxe.compute.planner.quantities.units import Quantity
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
        try:
            self._evaluate, self._enclose = _evaluator(self._tree), _encloser(self._tree)
        except RecursionError:
            raise _refused(text, "too deep") from None

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
            found = self._evaluate(values)
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
            found = self._enclose(ranges)
        except (ArithmeticError, ValueError):
            return EVERYTHING
        return EVERYTHING if math.isnan(found[0]) or math.isnan(found[1]) else found

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


_Evaluate = Callable[[Mapping[str, float]], float]
_Enclose = Callable[[Mapping[str, Interval]], Interval]


def _evaluator(node: ast.AST) -> _Evaluate:
    """The tree as nested functions, built once: solvers call it ten thousand times."""
    match node:
        case ast.Constant(value=int() | float() as number):
            constant = float(number)
            return lambda values: constant
        case ast.Name(id=name):
            return lambda values: values[name]
        case ast.UnaryOp(op=op, operand=operand):
            inner = _evaluator(operand)
            return (lambda values: -inner(values)) if isinstance(op, ast.USub) else inner
        case ast.BinOp(left=left, op=op, right=right):
            first, operate, second = _evaluator(left), _OPERATIONS[type(op)], _evaluator(right)
            return lambda values: operate(first(values), second(values))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            function, parts, keep = _FUNCTIONS[name], [_evaluator(argument) for argument in arguments], name in _KEEP_UNITS
            return lambda values: function(*(part(values) if keep else _plain(part(values)) for part in parts))
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


def _encloser(node: ast.AST) -> _Enclose:
    match node:
        case ast.Constant(value=int() | float() as number):
            constant = (float(number), float(number))
            return lambda ranges: constant
        case ast.Name(id=name):
            return lambda ranges: ranges[name]
        case ast.UnaryOp(op=op, operand=operand):
            inner = _encloser(operand)
            return (lambda ranges: _negated(inner(ranges))) if isinstance(op, ast.USub) else inner
        case ast.BinOp(left=left, op=op, right=right):
            first, kind, second = _encloser(left), type(op), _encloser(right)
            return lambda ranges: _combined(kind, first(ranges), second(ranges))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            function, parts = _FUNCTIONS[name], [_encloser(argument) for argument in arguments]
            return lambda ranges: _risen(function, [part(ranges) for part in parts])
        case _:
            raise AssertionError(node)


def _negated(interval: Interval) -> Interval:
    return -interval[1], -interval[0]


def _risen(function: Callable[..., float], inner: list[Interval]) -> Interval:
    return function(*(low for low, _ in inner)), function(*(high for _, high in inner))


def _combined(kind: type[ast.operator], left: Interval, right: Interval) -> Interval:
    """Sums, products and quotients are extreme at the ends of both ranges; so are powers of positive numbers."""
    if kind is ast.Add:
        return left[0] + right[0], left[1] + right[1]
    if kind is ast.Sub:
        return left[0] - right[1], left[1] - right[0]
    if (kind is ast.Div and right[0] <= 0 <= right[1]) or (kind is ast.Pow and left[0] <= 0):
        return EVERYTHING
    operate = _OPERATIONS[kind]
    ends = [operate(a, b) for a in left for b in right]
    return EVERYTHING if any(math.isnan(end) for end in ends) else (min(ends), max(ends))
