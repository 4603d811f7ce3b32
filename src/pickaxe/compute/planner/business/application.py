"""`pickaxe plan app`: what an application on top of models costs a day and a user, and what is left under a price.

users × calls × tokens, less the answers that a cache gives, spread over a mix of models at their token prices. Three cases of the same
arithmetic stand side by side: an *adopter* buys tokens; an *innovator* trains a model and writes it off; an *incumbent* adds the cost to a
business that has revenue already, and may lose a part of it to the new product.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pickaxe.compute.planner.calculator import Choice, Field, Forecast, Results, Values, forecast, middle, read_inputs
from pickaxe.compute.planner.catalogue.prices import token_price
from pickaxe.compute.planner.quantities.units import Money, Number, Seconds, TokenPrice, Tokens
from pickaxe.compute.planner.words import note
from pickaxe.kernel.errors import BadInput

MONTH = 365.25 / 12
_MONTH_S = MONTH * 86_400.0
HEADLINES = ("cost_day", "margin", "cost_user_month")
CASES = ("adopter", "innovator", "incumbent")

FIELDS = (
    Field("users", Number, None, 1, 1e11),
    Field("calls", Number, None, 0.0001, 1e6),
    Field("tokens_in", Tokens, None, "1 token", "10M tokens"),
    Field("tokens_out", Tokens, None, "1 token", "1M tokens"),
    Field("cache_hit", Number, 0, 0, 1),
    Field("prefix_hit", Number, 0, 0, 1),
    Field("prefix_price", Number, (0.1, 0.25, 0.5), 0, 1),
    Field("retries", Number, 0, 0, 100),
    Field("user_price", Money, "$0", "$0", "$1000000"),
    Field("paying", Number, 1, 0, 1),
    Field("user_cost", Money, "$0", "$0", "$1000000"),
    Field("fixed_month", Money, "$0", "$0", "$1e12"),
    Field("training_cost", Money, "$0", "$0", "$1e13"),
    Field("training_life", Seconds, "12 months", "1 day", "30 years"),
    Field("base_revenue", Money, "$0", "$0", "$1000000"),
    Field("base_margin", Number, 0, -10, 1),
    Field("displaced", Number, 0, 0, 1),
)
_MIX = ("name", "share", "price_in", "price_out")


def choices() -> tuple[Choice, ...]:
    return (Choice("case", "adopter", lambda: CASES),)


def plan_application(scenario: Mapping[str, Any]) -> Forecast:
    """Forecast of a scenario with its `mix` of models. Raises `BadInput` naming the field."""
    fields, flat, names = _with_mix(scenario)
    inputs = read_inputs(flat, (*FIELDS, *fields), choices(), where="app")
    inputs = replace(inputs, given=frozenset(scenario) | frozenset(name for name in flat if name.startswith("mix.")))
    at = middle(inputs)
    _fits(inputs.choices["case"], at)
    total = sum(float(at[f"mix.{name}.share"]) for name in names)
    if not math.isclose(total, 1, abs_tol=0.005):
        raise BadInput("the shares of the mix do not add up", expected="1 over all models", got=f"{total:.4g}")
    incumbent = inputs.choices["case"] == "incumbent"
    notes = [note("no_margin")] if float(outcomes(at, names, incumbent=incumbent)["margin"]) < 0 else []
    return forecast("app", inputs, lambda values: outcomes(values, names, incumbent=incumbent), HEADLINES, notes=notes)


def compare(scenario: Mapping[str, Any]) -> dict[str, Forecast]:
    """The scenario and each table under `[case.NAME]` over it; cases named adopter, innovator or incumbent are of that kind."""
    base = {key: value for key, value in scenario.items() if key != "case" or isinstance(value, str)}
    tables = scenario.get("case", {})
    if isinstance(tables, str) or tables == {}:
        return {base.get("case", CASES[0]): plan_application(base)}
    if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
        raise BadInput("case is not a table of tables", expected="[case.NAME] with the fields that differ", got=repr(tables)[:80])
    return {
        name: plan_application(base | ({"case": name} if name in CASES else {}) | dict(table)) for name, table in tables.items()
    }


def outcomes(values: Values, names: tuple[str, ...], *, incumbent: bool = False) -> Results:
    """Results for one draw; shares of the mix are scaled to one. Only an incumbent has a margin of before."""
    users = float(values["users"])
    asked = users * float(values["calls"])
    calls = asked * (1 - float(values["cache_hit"])) * (1 + float(values["retries"]))
    tokens = {"in": float(values["tokens_in"]), "out": float(values["tokens_out"])}
    discount = 1 - float(values["prefix_hit"]) * (1 - float(values["prefix_price"]))
    call = tokens["in"] * discount * _mean(values, names, "price_in") + tokens["out"] * _mean(values, names, "price_out")
    models_month = calls * call * MONTH
    training = float(values["training_cost"]) / (float(values["training_life"]) / _MONTH_S)
    cost = models_month + users * float(values["user_cost"]) + float(values["fixed_month"]) + training
    revenue, base_cost = _business(values, users)
    payers = users * float(values["paying"])
    before = float(values["base_margin"]) if incumbent else 0.0
    kept = (cost + base_cost) / (1 - before) if before < 1 else math.inf  # revenue that keeps the margin of before
    lacking = kept - (revenue - payers * float(values["user_price"]))
    after = 1 - (cost + base_cost) / revenue if revenue else -math.inf
    return {
        "cost_day": Money(cost / MONTH),
        "models_day": Money(calls * call),
        "cost_user_month": Money(cost / users),
        "cost_call": Money(cost / MONTH / asked),
        "calls_day": Number(asked),
        "tokens_day": Tokens(calls * (tokens["in"] + tokens["out"])),
        "revenue_month": Money(revenue),
        "margin": Number(after),
        **({"margin_change": Number(after - before)} if incumbent else {}),
        "break_even_price": Money(max(0.0, lacking) / payers if payers else math.inf),
        "profit_month": Money(revenue - cost - base_cost),
        "break_even_users": Number(_users_needed(values, call)),
    }


def _business(values: Values, users: float) -> tuple[float, float]:
    """Revenue a month, and what the business that was there before costs: its costs stay when a part of its revenue is displaced."""
    base = users * float(values["base_revenue"])
    new = users * float(values["paying"]) * float(values["user_price"])
    return new + base * (1 - float(values["displaced"])), base * (1 - float(values["base_margin"]))


def _users_needed(values: Values, call: float) -> float:
    """Users at whose number revenue covers cost; infinite where each user loses money."""
    calls = float(values["calls"]) * (1 - float(values["cache_hit"])) * (1 + float(values["retries"]))
    revenue, base_cost = _business(values, 1.0)
    left = revenue - base_cost - calls * call * MONTH - float(values["user_cost"])
    fixed = float(values["fixed_month"]) + float(values["training_cost"]) / (float(values["training_life"]) / _MONTH_S)
    return fixed / left if left > 0 else 0.0 if fixed == 0 and left == 0 else math.inf


def _mean(values: Values, names: tuple[str, ...], what: str) -> float:
    shares = [float(values[f"mix.{name}.share"]) for name in names]
    total = sum(shares)
    return (
        sum(share * float(values[f"mix.{name}.{what}"]) for name, share in zip(names, shares, strict=True)) / total
        if total
        else 0.0
    )


def _fits(case: str, at: Values) -> None:
    """Each case needs what makes it one."""
    if case == "innovator" and not float(at["training_cost"]):
        raise BadInput(
            "an innovator trains a model",
            expected="training_cost above zero",
            remedy="give training_cost, or take case = adopter",
        )
    if case == "adopter" and float(at["training_cost"]):
        raise BadInput("an adopter trains nothing", expected="training_cost of zero", remedy="take case = innovator")
    if case == "incumbent" and not float(at["base_revenue"]):
        raise BadInput(
            "an incumbent has a business already", expected="base_revenue above zero", remedy="give base_revenue and base_margin"
        )


def _with_mix(scenario: Mapping[str, Any]) -> tuple[list[Field], dict[str, Any], tuple[str, ...]]:
    """The mix as fields of their own, `mix.NAME.share` and so on; a single model may stand as price_in and price_out."""
    flat = {key: value for key, value in scenario.items() if key != "mix"}
    mix = scenario.get("mix")
    if mix is None and {"price_in", "price_out"} <= set(flat):
        mix = [{"name": "model", "share": 1, "price_in": flat.pop("price_in"), "price_out": flat.pop("price_out")}]
    if not isinstance(mix, list) or not mix or not all(isinstance(entry, Mapping) for entry in mix):
        raise BadInput(
            "app lacks a mix of models",
            expected="[[mix]] with name, share, price_in and price_out",
            got=None if mix is None else repr(mix)[:80],
            remedy="for one model give price_in and price_out; for several write them into a scenario file: pickaxe plan app FILE",
        )
    names: list[str] = []
    for number, entry in enumerate(mix, 1):
        name = str(entry.get("name", f"model {number}"))
        if name in names:
            raise BadInput(f"mix: {name!r} comes twice", remedy="give each model a name of its own")
        unknown = [key for key in entry if key not in _MIX]
        if unknown:
            raise BadInput(f"mix {name} has no field {unknown[0]!r}", expected=", ".join(_MIX))
        names.append(name)
        known = token_price(name)
        if known is None and not {"price_in", "price_out"} <= set(entry):
            raise BadInput(
                f"mix {name}: its token prices are not known", expected="price_in and price_out, such as '$0.60/M tokens'"
            )
        flat[f"mix.{name}.share"] = entry.get("share", 1 if len(mix) == 1 else 0)
        for index, key in enumerate(("price_in", "price_out")):
            flat[f"mix.{name}.{key}"] = entry.get(key, known[index] if known else None)
    fields = [Field(f"mix.{name}.share", Number, None, 0, 1) for name in names]
    fields += [Field(f"mix.{name}.{key}", TokenPrice, None) for name in names for key in ("price_in", "price_out")]
    return fields, flat, tuple(names)
