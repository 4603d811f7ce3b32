"""Quantities that know their unit: `Bytes.parse("80 GB")`, `Flop(6e24) / FlopRate.parse("400 TFLOP/s") -> Seconds`.

A quantity is a float in the base unit of its dimension, so it costs what a float costs, goes into JSON as a number and into numpy
as one. Products and quotients of quantities carry the product of their dimensions; sums, differences and comparisons of different
dimensions are refused, and so is `Bytes(Seconds(3))`. Base units: FLOP, byte, second, token, joule, device, parameter, gram of CO2
equivalent, user, call, and each currency by itself (changing one into another needs a dated rate).

    >>> Bytes.parse("80 GB") / Bandwidth.parse("2 TB/s")
    Seconds('40 ms')
    >>> DevicePrice.parse("$2.40/GPU-h") * DeviceTime.parse("1.72M GPU-h")
    Money('$4.13M')
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Self, TypeVar, cast

from pickaxe.compute.planner.quantities.unit_text import describe, in_unit, read, show
from pickaxe.compute.planner.quantities.unit_words import Dimension
from pickaxe.kernel.errors import BadInput


class Quantity(float):
    """A number with a dimension; the subclasses below name the ones that the planner uses.

    Raises `BadInput` when two dimensions that differ are added, compared or converted.
    """

    __slots__ = ("dimension",)
    dimension: Dimension
    fixed: ClassVar[Dimension | None] = None
    example: ClassVar[str] = "1"

    def __new__(cls, value: float = 0.0, dimension: Dimension | None = None) -> Self:
        given = value.dimension if isinstance(value, Quantity) else dimension
        wanted = cls.fixed if cls.fixed is not None else (given or ())
        if given is not None and given != wanted:
            raise BadInput(
                f"{show(float(value), given)} is not {describe(wanted)}", expected=f"{describe(wanted)}, such as {cls.example}"
            )
        self = float.__new__(cls, value)
        self.dimension = wanted
        return self

    def __getnewargs__(self) -> Any:
        return (float(self), self.dimension)

    @classmethod
    def parse(cls, text: str | float, *, field: str = "value") -> Self:
        """Read "80 GB", "2.4 $/GPU-h", "15T tokens" or a plain number in the base unit; `field` is named in the error.

        Raises `BadInput` for text that is no quantity or one of another dimension.
        """
        if isinstance(text, bool) or not isinstance(text, (str, float, int)):
            raise BadInput(f"{field} is not a quantity", expected=f"text such as {cls.example!r}", got=repr(text))
        if not isinstance(text, str):
            try:
                return cls(text)
            except OverflowError:
                raise BadInput(f"{field} is out of range", expected="a number below 1e308", got=f"{str(text)[:20]}...") from None
        value, dimension = read(text, field=field, example=cls.example, wanted=cls.fixed)
        of_whole = "%" in text and bool(cls.fixed)
        if cls.fixed is not None and (of_whole or dimension not in (cls.fixed, ())):
            raise BadInput(
                f"{field} has the wrong unit",
                expected=f"{describe(cls.fixed)}, such as {cls.example!r}",
                got=f"{text!r}, which is {'a percentage' if of_whole else describe(dimension)}",
                remedy="check which number belongs in this field",
            )
        return cls(value, dimension or cls.fixed)

    def to(self, unit: str) -> float:
        """This quantity as a plain number of `unit`: `Seconds(7200).to("h") == 2.0`."""
        size, dimension = in_unit(unit)
        if dimension != self.dimension:
            raise BadInput(f"{self} cannot be given in {unit}", expected=describe(self.dimension), got=describe(dimension))
        return float(self) / size

    def text(self, digits: int = 4) -> str:
        """Written for people, in the scale that reads best; 17 digits read back as the same number."""
        return show(float(self), self.dimension, digits)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text()!r})"

    def __format__(self, spec: str) -> str:
        return self.text() if not spec else format(float(self), spec)

    def _same(self, other: object, verb: str) -> None:
        """Zero is zero in every unit; anything else must have this dimension."""
        if type(other) is type(self) and self.fixed is not None:
            return
        theirs = other.dimension if isinstance(other, Quantity) else ()
        if theirs != self.dimension and not (not isinstance(other, Quantity) and other == 0):
            shown = str(other) if isinstance(other, Quantity) else repr(other)
            raise BadInput(
                f"cannot {verb} {self} and {shown}: different units",
                expected=describe(self.dimension),
                got=describe(theirs) if theirs else "a number without a unit",
            )

    def __add__(self, other: float) -> Self:
        self._same(other, "add")
        return _raw(type(self), float.__add__(self, other), self.dimension)

    __radd__ = __add__

    def __sub__(self, other: float) -> Self:
        self._same(other, "subtract")
        return _raw(type(self), float.__sub__(self, other), self.dimension)

    def __rsub__(self, other: float) -> Self:
        self._same(other, "subtract")
        return type(self)(float(other) - float(self), self.dimension)

    def __neg__(self) -> Self:
        return type(self)(-float(self), self.dimension)

    def __abs__(self) -> Self:
        return type(self)(abs(float(self)), self.dimension)

    def __mul__(self, other: float) -> Quantity:
        return _made(float(self) * float(other), _product(self.dimension, _of(other), 1), self)

    def __rmul__(self, other: float) -> Quantity:
        return self.__mul__(other)

    def __truediv__(self, other: float) -> Quantity:
        return _made(_divided(float(self), float(other)), _product(self.dimension, _of(other), -1), self)

    def __rtruediv__(self, other: float) -> Quantity:
        return _made(_divided(float(other), float(self)), _product((), self.dimension, -1), self)

    def __lt__(self, other: float) -> bool:
        self._same(other, "compare")
        return float(self) < float(other)

    def __le__(self, other: float) -> bool:
        self._same(other, "compare")
        return float(self) <= float(other)

    def __gt__(self, other: float) -> bool:
        self._same(other, "compare")
        return float(self) > float(other)

    def __ge__(self, other: float) -> bool:
        self._same(other, "compare")
        return float(self) >= float(other)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Quantity) and other.dimension != self.dimension:
            return False
        return isinstance(other, (int, float)) and float(self) == float(other)

    def __hash__(self) -> int:
        return hash(float(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """As a field of a `Config`: text or a number comes in, text goes out."""
        from pydantic_core import core_schema

        def validate(value: Any) -> Quantity:
            try:
                return cls(value) if isinstance(value, Quantity) else cls.parse(value)
            except BadInput as error:
                raise ValueError(f"{error.message}; expected {error.expected}; got {error.got}") from None

        written = core_schema.plain_serializer_function_ser_schema(lambda value: cast(Quantity, value).text(17))
        return core_schema.no_info_plain_validator_function(validate, serialization=written)

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, Any]:
        return {"type": ["string", "number"], "description": f"with its unit, such as {cls.example!r}; a number is in base units"}


class Number(Quantity):
    """A plain number: a ratio, a count, a share."""

    __slots__ = ()
    fixed, example = (), "0.4"


class Flop(Quantity):
    """Floating-point operations; a multiply-add is two."""

    __slots__ = ()
    fixed, example = (("FLOP", 1),), "3.15e23 FLOP"


class FlopRate(Quantity):
    __slots__ = ()
    fixed, example = (("FLOP", 1), ("s", -1)), "989 TFLOP/s"


class Bytes(Quantity):
    __slots__ = ()
    fixed, example = (("B", 1),), "80 GB"


class Bandwidth(Quantity):
    __slots__ = ()
    fixed, example = (("B", 1), ("s", -1)), "3.35 TB/s"


class Seconds(Quantity):
    __slots__ = ()
    fixed, example = (("s", 1),), "2.5 h"


class Tokens(Quantity):
    __slots__ = ()
    fixed, example = (("token", 1),), "2T tokens"


class TokenRate(Quantity):
    __slots__ = ()
    fixed, example = (("s", -1), ("token", 1)), "1500 token/s"


class Parameters(Quantity):
    __slots__ = ()
    fixed, example = (("param", 1),), "70B"


class Joules(Quantity):
    __slots__ = ()
    fixed, example = (("J", 1),), "12 kWh"


class Watts(Quantity):
    __slots__ = ()
    fixed, example = (("J", 1), ("s", -1)), "700 W"


class Devices(Quantity):
    """A number of accelerators (or machines, where they are what is rented)."""

    __slots__ = ()
    fixed, example = (("device", 1),), "8 GPU"


class DeviceTime(Quantity):
    """Devices held for a time: GPU-hours."""

    __slots__ = ()
    fixed, example = (("device", 1), ("s", 1)), "1.72M GPU-h"


class Carbon(Quantity):
    __slots__ = ()
    fixed, example = (("gCO2", 1),), "12 kgCO2"


class CarbonIntensity(Quantity):
    __slots__ = ()
    fixed, example = (("J", -1), ("gCO2", 1)), "400 gCO2/kWh"


class Money(Quantity):
    """US dollars. Amounts in other currencies are plain `Quantity` until a dated rate makes them dollars."""

    __slots__ = ()
    fixed, example = (("USD", 1),), "$1.2M"


class DevicePrice(Quantity):
    __slots__ = ()
    fixed, example = (("USD", 1), ("device", -1), ("s", -1)), "$2.40/GPU-h"


class TokenPrice(Quantity):
    __slots__ = ()
    fixed, example = (("USD", 1), ("token", -1)), "$0.60/M tokens"


class EnergyPrice(Quantity):
    __slots__ = ()
    fixed, example = (("J", -1), ("USD", 1)), "$0.12/kWh"


Q = TypeVar("Q", bound=Quantity)

NAMED: dict[Dimension, type[Quantity]] = {
    kind.fixed: kind
    for kind in (
        Number, Flop, FlopRate, Bytes, Bandwidth, Seconds, Tokens, TokenRate, Parameters, Joules, Watts, Devices, DeviceTime,
        Carbon, CarbonIntensity, Money, DevicePrice, TokenPrice, EnergyPrice,
    )
    if kind.fixed is not None
}  # fmt: skip


def _of(value: object) -> Dimension:
    return value.dimension if isinstance(value, Quantity) else ()


def _raw(kind: type[Q], value: float, dimension: Dimension) -> Q:
    """A quantity whose dimension is known to be right: sums and products are made by the million in a search."""
    made = float.__new__(kind, value)
    made.dimension = dimension
    return made


@cache
def _product(left: Dimension, right: Dimension, sign: int) -> Dimension:
    powers = dict(left)
    for base, power in right:
        powers[base] = powers.get(base, 0) + sign * power
    return tuple(sorted((base, power) for base, power in powers.items() if power))


def _divided(top: float, bottom: float) -> float:
    if bottom == 0:
        raise BadInput("division by zero", expected="a denominator above zero")
    return top / bottom


def _made(value: float, dimension: Dimension, like: Quantity) -> Quantity:
    """The named class of this dimension, a plain `Quantity` where none has a name."""
    kind = type(like) if dimension == like.dimension else NAMED.get(dimension, Quantity)
    return _raw(kind, value, dimension)
