"""What the planner's calculators share: typed fields in, bands and tornados out.

A calculator is a table of fields and one pure function from values to results. This file reads a scenario into those fields (units,
ranges, other currencies, unknown keys refused), runs the function once at the centre and many times over seeded draws, and gives a
`Forecast` that a screen, a file or an API can show.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from pickaxe.compute.planner.quantities.checks import amount, count, nearest, one_of, only_keys
from pickaxe.compute.planner.quantities.currency import HOME, Rates
from pickaxe.compute.planner.quantities.uncertain import Band, Bar, Uncertain, centres, simulate_many, tornado
from pickaxe.compute.planner.quantities.units import Number, Quantity
from pickaxe.compute.planner.words import Note, in_units, is_share, said, word
from pickaxe.kernel.errors import BadInput

Values = Mapping[str, Any]
Results = dict[str, Quantity]
Outcomes = Callable[[Values], Results]

SAMPLES = 1000
COMMON = ("currency", "on", "rates", "samples", "seed")


@dataclass(frozen=True, slots=True)
class Field:
    """One number that a calculator takes. `default` None: it must be given. Bounds are those of the kind where none are named."""

    name: str
    kind: type[Quantity] = Number
    default: Any = None
    low: str | float | None = None
    high: str | float | None = None

    def read(self, value: Any, rates: Rates, on: date) -> Uncertain:
        """A value or range within the bounds. Raises `BadInput` naming the field."""

        def dollars(part: Any) -> Any:
            return rates.in_dollars(part, on, wanted=self.kind.fixed)

        if isinstance(value, Mapping):
            value = {key: dollars(part) for key, part in value.items()}
            parts = list(value.values())
        elif isinstance(value, (list, tuple)):
            parts = value = [dollars(part) for part in value]
        else:
            parts = [value := dollars(value)]
        for part in parts:
            amount(self.name, part, self.kind, low=self.low, high=self.high)
        return Uncertain.parse(value, self.kind, field=self.name)

    def described(self, language: str) -> dict[str, Any]:
        """For a form: title, unit, default and bounds, as text and in base units."""
        return {
            "name": self.name,
            "title": _title("fields", self.name, language),
            "share": is_share("fields", self.name),
            "example": self.kind.example,
            "default": list(self.default) if isinstance(self.default, tuple) else self.default,
            "low": None if self.low is None else float(self.kind.parse(self.low)),
            "high": None if self.high is None else float(self.kind.parse(self.high)),
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """One name that a calculator takes, out of those that are known."""

    name: str
    default: str | None
    known: Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Inputs:
    """A scenario that was read: numbers with their ranges, names, and which of them were given."""

    numbers: dict[str, Uncertain]
    choices: dict[str, str]
    given: frozenset[str]
    rates: Rates
    on: date
    currency: str
    samples: int
    seed: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Results with their 5–95% bands, and what moves the headline results most."""

    kind: str
    inputs: Inputs
    results: dict[str, Band]
    tornado: dict[str, list[Bar]]
    notes: tuple[Note, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    def shown(self, value: float, *, share: bool = False) -> str:
        """A value for people: money in the scenario's currency, a share in percent."""
        quantity = Quantity(value)
        if not math.isfinite(quantity):
            return "none"
        if share:
            return f"{float(quantity):.1%}"
        if not quantity.dimension and abs(quantity) >= 1000:
            return f"{float(quantity):,.0f}"
        return str(self.inputs.rates.shown(quantity, self.inputs.currency, self.inputs.on))

    def text(self, name: str, value: float) -> str:
        """A value of result `name` for people."""
        return self.shown(value, share=is_share("results", name))

    def input_text(self, name: str) -> str:
        """An input for people: its value, or its range."""
        item, share = self.inputs.numbers[name], is_share("fields", name)
        if item.certain:
            return self.shown(item.centre, share=share)
        return f"{self.shown(item.kind(item.low), share=share)} – {self.shown(item.kind(item.high), share=share)}"

    def centre(self, name: str) -> Quantity:
        return Quantity(self.results[name].centre)

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """Plain JSON: values in base units (second, byte, FLOP, token, US dollar) with their text beside them; null where there is none."""
        return {
            "kind": self.kind,
            "currency": self.inputs.currency,
            "rate": self._rate(),
            "inputs": {
                name: {
                    "title": _title("fields", name, language),
                    "text": self.input_text(name),
                    "low": item.low,
                    "high": item.high,
                    "mode": item.mode,
                    "given": name in self.inputs.given,
                }
                for name, item in self.inputs.numbers.items()
            },
            "choices": dict(self.inputs.choices),
            "results": {
                name: {"title": _title("results", name, language), "text": in_units(self.text(name, band.centre), language)}
                | {key: value if math.isfinite(value) else None for key, value in band.as_dict().items()}
                | {
                    "low_text": in_units(self.text(name, band.low), language),
                    "high_text": in_units(self.text(name, band.high), language),
                }
                for name, band in self.results.items()
            },
            "tornado": {name: [self._bar(name, bar, language) for bar in bars] for name, bars in self.tornado.items()},
            "notes": said(self.notes, language),
            **_finite(said(self.extra, language)),
        }

    def _rate(self) -> dict[str, Any] | None:
        """By which dated rate dollars are shown in another currency; None for dollars."""
        if self.inputs.currency == HOME:
            return None
        rate = self.inputs.rates.rate(self.inputs.currency, self.inputs.on)
        return {
            "per_dollar": rate.per_dollar,
            "since": None if rate.since == date.min else str(rate.since),
            "source": rate.source,
        }

    def _bar(self, name: str, bar: Bar, language: str) -> dict[str, Any]:
        ends = {"at_low": float(bar.at_low), "at_high": float(bar.at_high), "swing": bar.swing}
        ends_text = {"at_low_text": bar.at_low, "at_high_text": bar.at_high}
        texts = {key: in_units(self.text(name, value), language) for key, value in ends_text.items()}
        finite = {key: value if math.isfinite(value) else None for key, value in ends.items()}
        return {"field": bar.field, "title": _title("fields", bar.field, language)} | finite | texts


def _finite(value: Any) -> Any:
    """Plain data as JSON has it: null where there is no number."""
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_inputs(
    scenario: Mapping[str, Any], fields: Iterable[Field], choices: Iterable[Choice] = (), *, also: Iterable[str] = (), where: str
) -> Inputs:
    """Read a flat scenario. Raises `BadInput` for unknown keys, missing fields, other units, and what is out of range."""
    numbers, names = {item.name: item for item in fields}, {item.name: item for item in choices}
    only_keys(where, scenario, [*names, *numbers, *also, *COMMON])
    on = day_of(scenario)
    if not isinstance(scenario.get("rates", {}), Mapping):
        raise BadInput("rates is not a table", expected="currency = units for one US dollar", got=repr(scenario["rates"]))
    rates = Rates(scenario.get("rates"))
    missing = [name for name, item in (numbers | names).items() if item.default is None and name not in scenario]
    if missing:
        raise BadInput(
            f"{where} lacks {', '.join(missing)}", expected=", ".join(f"{name}: {word('fields', name)}" for name in missing)
        )
    return Inputs(
        {name: item.read(scenario.get(name, item.default), rates, on) for name, item in numbers.items()},
        {name: _chosen(item, scenario.get(name, item.default)) for name, item in names.items()},
        frozenset(scenario),
        rates,
        on,
        one_of("currency", scenario.get("currency", HOME), rates.currencies),
        count("samples", scenario.get("samples", SAMPLES), low=20, high=20_000),
        count("seed", scenario.get("seed", 0), low=0, high=2**31),
    )


def day_of(scenario: Mapping[str, Any]) -> date:
    """The day whose prices and rates hold: field `on`, else today. Raises `BadInput`."""
    on = scenario.get("on")
    if on is None:
        return datetime.now(tz=UTC).date()
    try:
        if isinstance(on, datetime):
            return on.date()
        return on if isinstance(on, date) else date.fromisoformat(str(on))
    except ValueError:
        raise BadInput("on is not a day", expected="a day such as 2024-06-30", got=repr(on)) from None


def forecast(
    kind: str,
    inputs: Inputs,
    outcomes: Outcomes,
    headlines: Iterable[str],
    *,
    notes: Iterable[Note] = (),
    extra: dict[str, Any] | None = None,
) -> Forecast:
    """Run the calculator's function at the centre, over the draws, and once per end of each range."""
    bands = simulate_many(outcomes, inputs.numbers, samples=inputs.samples, seed=inputs.seed)
    bars = {
        name: _that_move(tornado(lambda draw, name=name: outcomes(draw)[name], inputs.numbers))
        for name in headlines
        if name in bands
    }
    return Forecast(kind, inputs, bands, bars, tuple(notes), extra or {})


def _that_move(bars: list[Bar]) -> list[Bar]:
    """Bars with a length, longest first; infinity against infinity is none."""
    return sorted((bar for bar in bars if float(bar.at_low) != float(bar.at_high)), key=lambda bar: -bar.swing)


def middle(inputs: Inputs) -> dict[str, Quantity]:
    return centres(inputs.numbers)


def _chosen(item: Choice, value: Any) -> str:
    known = list(item.known())
    if isinstance(value, str) and value in known:
        return value
    raise BadInput(
        f"{item.name}: {value!r} is not known",
        expected=f"one of {', '.join(known)}",
        got=repr(value),
        remedy=nearest(value, known),
    )


def _title(section: str, name: str, language: str) -> str:
    try:
        return word(section, name, language)
    except KeyError:
        return name
