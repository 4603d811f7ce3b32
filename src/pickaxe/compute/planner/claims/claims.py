"""Published claims as data: what is said, the arithmetic behind it, and the range in which each assumption is plausible.

The claims that ship are in `data/claims.toml`; a claim of your own is a file of the same form. `claim_solver.solve` says under which
assumptions it is true. Texts are tables by language (`en` is required), so that a language is added where the text stands.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pickaxe.compute.planner.quantities.checks import nearest
from pickaxe.compute.planner.quantities.formula import Formula, Interval
from pickaxe.compute.planner.quantities.units import Quantity
from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.toml_text import values_in

Verdict = Literal["true", "possible", "impossible", "undecided"]
"""True with the values it names (or the usual ones); true with others that are plausible; with none; not settled by the search."""

_SLACK = 1e-9
_MAX_ASSUMPTIONS = 8
_MAX_NAMES = 24


def _with_english(texts: dict[str, str]) -> dict[str, str]:
    if "en" not in texts:
        raise ValueError("the English text (en) is missing")
    return texts


Text = Annotated[dict[Literal["en", "zh"], str], AfterValidator(_with_english)]


def in_language(texts: Mapping[Any, str], language: str) -> str:
    """The text in `language`, in English where it has none."""
    return texts.get(language, texts["en"])


def in_unit_of(quantity: Quantity, unit: str | None) -> str:
    """For people: in `unit`, or in the scale that reads best."""
    if unit is None:
        return str(quantity)
    amount = f"{quantity.to(unit):,.5g}"
    if unit == "%":
        return f"{amount}%"
    return f"{amount} {unit[:-1] if amount == '1' and unit in ('days', 'months') else unit}"


class Assumption(Config):
    """What the statement leaves open: the usual value and the ends of what is plausible, each with its reason."""

    value: Quantity
    low: Quantity
    high: Quantity
    why: str = Field(description="where the range comes from")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.value.dimension == self.low.dimension == self.high.dimension:
            raise ValueError(f"units differ: {self.low}, {self.value}, {self.high}")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"the usual value {self.value} is not between {self.low} and {self.high}")
        return self


class Result(Config):
    """What the statement says comes out: about a value, or a range open on one side."""

    about: Quantity | None = None
    within: float = Field(0.02, gt=0, lt=1, description="relative: how far off still counts as `about`")
    at_least: Quantity | None = None
    at_most: Quantity | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.about is None) == (self.at_least is None and self.at_most is None):
            raise ValueError("give about, or at_least and at_most (one or both)")
        if self.at_least is not None and self.at_most is not None and not self.at_least <= self.at_most:
            raise ValueError(f"at_least {self.at_least} is more than at_most {self.at_most}")
        return self

    @property
    def any_quantity(self) -> Quantity:
        return next(item for item in (self.about, self.at_least, self.at_most) if item is not None)

    @property
    def interval(self) -> Interval:
        """Ends in base units, an infinite one where nothing is said."""
        if self.about is not None:
            margin = abs(float(self.about)) * self.within
            return float(self.about) - margin, float(self.about) + margin
        low = -float("inf") if self.at_least is None else float(self.at_least)
        return low, float("inf") if self.at_most is None else float(self.at_most)

    def holds(self, value: float) -> bool:
        low, high = self.interval
        slack = _SLACK * abs(value)
        return low - slack <= float(value) <= high + slack


class Case(Config):
    """One line of the arithmetic: with these values this comes out, or this value of `solve` is what it takes."""

    text: Text
    set: dict[str, Quantity] = Field({}, description="names with other values")
    formula: str | None = Field(None, description="another formula over the same names")
    solve: str | None = Field(None, description="the name whose value is wanted")
    reach: Quantity | None = Field(
        None, description="what the formula shall give when solving; the claim's own value if left out"
    )
    expect: Quantity
    unit: str | None = Field(None, description="the unit in which it is shown")
    within: float = Field(0.005, gt=0, lt=1, description="relative: rounding of the published figure")


class Claim(Config):
    """A published statement with its arithmetic."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")
    group: str = ""
    title: Text
    says: Text
    source: str
    formula: str
    unit: str | None = Field(None, description="the unit in which results are shown")
    units: dict[str, str] = Field({}, description="name -> the unit in which its values are shown")
    result: Result
    constants: dict[str, Quantity] = Field({}, max_length=_MAX_NAMES, description="laws and definitions, not open to question")
    given: dict[str, Quantity] = Field({}, max_length=_MAX_NAMES, description="what the statement itself fixes")
    assume: dict[str, Assumption] = Field({}, max_length=_MAX_ASSUMPTIONS, description="what it leaves open")
    verdict: Verdict | None = Field(None, description="what the solver is expected to find; a test holds it to that")
    note: Text | None = None
    cases: tuple[Case, ...] = Field((), max_length=_MAX_NAMES)

    @cached_property
    def arithmetic(self) -> Formula:
        return Formula(self.formula)

    @property
    def usual(self) -> dict[str, Quantity]:
        """Every name with the value that is stated or usual."""
        return self.constants | self.given | {name: item.value for name, item in self.assume.items()}

    def shown(self, value: float) -> str:
        """A result in the claim's unit."""
        return in_unit_of(Quantity(float(value), self.result.any_quantity.dimension), self.unit)

    def written(self, name: str, value: Quantity) -> str:
        """The value of one name in the unit that the claim shows it in."""
        return in_unit_of(value, self.units.get(name))

    def checked(self) -> Self:
        """This claim, once its formula, names and units fit together. Raises `BadInput` naming what does not."""
        where = f"claim {self.id}"
        twice = [name for name in self.usual if sum(name in part for part in (self.constants, self.given, self.assume)) > 1]
        if twice:
            raise BadInput(f"{where}: {', '.join(twice)} has more than one value", remedy="keep one: constants, given or assume")
        for formula in (self.arithmetic, *(Formula(case.formula) for case in self.cases if case.formula)):
            _known(formula.names, self.usual, f"{where}, formula {formula.text!r}")
        unused = [name for name in self.usual if all(name not in text for text in self._formulas())]
        if unused:
            raise BadInput(f"{where}: {', '.join(unused)} is not used by the formula", got=self.formula, remedy="remove it")
        came, wanted = Quantity(self.arithmetic.value(self.usual)), self.result.any_quantity
        if came.dimension != wanted.dimension:
            raise BadInput(f"{where}: the formula gives another unit than the result", expected=str(wanted), got=str(came))
        for name, unit in self.units.items():
            _known([name], self.usual, f"{where}, units")
            self.usual[name].to(unit)
        for case in self.cases:
            _known([*case.set, *filter(None, [case.solve])], self.usual, f"{where}, case {case.text['en']!r}")
        return self

    def _formulas(self) -> list[tuple[str, ...]]:
        return [self.arithmetic.names, *(Formula(case.formula).names for case in self.cases if case.formula)]


def _known(names: Any, usual: Mapping[str, Any], where: str) -> None:
    for name in names:
        if name not in usual:
            raise BadInput(
                f"{where}: {name} has no value",
                expected=f"one of {', '.join(usual)}",
                remedy=nearest(name, usual) or f"give it under [given] or [assume.{name}]",
            )


def claim_from(values: dict[str, Any], *, where: str = "claim") -> Claim:
    """A claim from the values of a TOML file. Raises `BadInput`."""
    return Claim.parse(values, where=where).checked()


def read_claim(path: Path) -> Claim:
    """A claim file of one's own. Raises `BadInput` with the line or the field."""
    expected, remedy = "a claim, see docs/guides/planner-business.md", "check the path, or name a claim that ships"
    values = values_in(path, expected=expected, remedy=remedy)
    return claim_from({"id": "own", "source": str(path.name)} | values, where=path.name)


@cache
def shipped_claims() -> dict[str, Claim]:
    """Id -> claim, in the order of the page."""
    text = files("pickaxe.compute.planner").joinpath("data", "claims.toml").read_text(encoding="utf-8")
    found = [claim_from(values, where=f"claim {values.get('id')}") for values in tomllib.loads(text)["claim"]]
    return {claim.id: claim for claim in found}


def claim_named(name: Any) -> Claim:
    """A claim that ships. Raises `BadInput` with the nearest known name."""
    known = shipped_claims()
    if not isinstance(name, str) or name not in known:
        raise BadInput(
            f"no claim is called {repr(name)[:80]}",
            expected=f"one of {', '.join(known)}",
            remedy=nearest(name, known) or "list them: pickaxe plan claim",
        )
    return known[name]
