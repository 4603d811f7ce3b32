"""Other currencies by dated rates. Inside the planner money is US dollars; it is changed when it comes in and when it is shown.

The rates that ship are yearly averages (`data/rates.toml`); a scenario may bring its own. A rate is found by its date, never guessed: a
date before the first row is refused, one after the last row takes the last and says so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from pickaxe.compute.planner.quantities.checks import amount, one_of
from pickaxe.compute.planner.quantities.unit_text import read
from pickaxe.compute.planner.quantities.unit_words import Dimension
from pickaxe.compute.planner.quantities.units import Number, Quantity
from pickaxe.kernel.errors import BadInput

HOME = "USD"


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_dollar` units of `currency` for one US dollar, from a day on."""

    currency: str
    since: date
    per_dollar: float
    source: str


class Rates:
    """Dated rates; rows of a user's own stand above those that ship."""

    def __init__(self, own: Mapping[str, Any] | None = None) -> None:
        self._rows = dict(_shipped())
        for currency, value in (own or {}).items():
            code = one_of("rates", currency, self._rows)
            worth = amount(f"rates.{code}", value, Number, low=1e-6, high=1e6)
            self._rows[code] = [Rate(code, date.min, float(worth), "given in the scenario")]

    @property
    def currencies(self) -> list[str]:
        return [HOME, *self._rows]

    def rate(self, currency: str, on: date) -> Rate:
        """The rate that held on a day. Raises `BadInput` for an unknown currency or a day before the first rate."""
        code = one_of("currency", currency, self.currencies)
        if code == HOME:
            return Rate(HOME, date.min, 1.0, "by definition")
        valid = [row for row in self._rows[code] if row.since <= on]
        if not valid:
            first = self._rows[code][0].since
            raise BadInput(f"no rate of {code} is known for {on}", expected=f"a day from {first} on", remedy=f"give rates.{code}")
        return valid[-1]

    def in_dollars(self, text: Any, on: date, *, wanted: Dimension | None = None) -> Any:
        """A written amount in another currency as a quantity in dollars; anything else as it came."""
        if not isinstance(text, str) or (wanted is not None and not any(base == HOME for base, _ in wanted)):
            return text
        try:
            value, dimension = read(text, wanted=wanted)
        except BadInput:
            return text  # the field's own check says what is wrong with it
        for currency in self._rows:
            power = dict(dimension).get(currency)
            if power is not None:
                worth = self.rate(currency, on).per_dollar ** power
                rest = [(HOME if base == currency else base, exponent) for base, exponent in dimension]
                return Quantity(value / worth, tuple(sorted(rest)))
        return text

    def shown(self, quantity: Quantity, currency: str, on: date) -> Quantity:
        """A quantity of dollars in another currency; one without money as it is."""
        power = dict(quantity.dimension).get(HOME)
        if power is None or currency == HOME:
            return quantity
        row = self.rate(currency, on)
        changed = [(row.currency if base == HOME else base, exponent) for base, exponent in quantity.dimension]
        return Quantity(float(quantity) * row.per_dollar**power, tuple(sorted(changed)))


@cache
def _shipped() -> dict[str, list[Rate]]:
    text = files("pickaxe.compute.planner").joinpath("data", "rates.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)
    return {
        currency: [Rate(currency, since, float(worth), document["source"]) for since, worth in sorted(rows)]
        for currency, rows in document["rates"].items()
    }
