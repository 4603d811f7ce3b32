"""When a small model of one's own pays: compression payback, and an own model against a bought one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pickaxe.compute.planner.business.application import MONTH
from pickaxe.compute.planner.calculator import Field, Forecast, Results, Values, forecast, middle, read_inputs
from pickaxe.compute.planner.quantities.units import Money, Number, Seconds, TokenPrice
from pickaxe.compute.planner.serving.plan import read_serving
from pickaxe.compute.planner.serving.traffic import best_batch, replicas_for
from pickaxe.compute.planner.words import in_all, note
from pickaxe.kernel.errors import BadInput

_DAY, _YEAR_DAYS = 86_400.0, 365.25
_MOST_CALLS = 1e10

PAYBACK_FIELDS = (
    Field("teacher_cost", Money, "$0", "$0", "$1e12"),
    Field("distil_cost", Money, None, "$0", "$1e12"),
    Field("calls_day", Number, None, 0.001, 1e13),
    Field("large_call", Money, None, "$0", "$1000000"),
    Field("small_call", Money, None, "$0", "$1000000"),
    Field("large_error", Number, 0, 0, 1),
    Field("small_error", Number, 0, 0, 1),
    Field("error_cost", Money, "$0", "$0", "$1e9"),
)
OWN_FIELDS = (
    Field("api_price_in", TokenPrice, None),
    Field("api_price_out", TokenPrice, None),
    Field("own_fixed_month", Money, "$0", "$0", "$1e12"),
)


def plan_payback(scenario: Mapping[str, Any]) -> Forecast:
    """Calls and time until teacher and distillation are recovered from cheaper calls, errors priced in. Raises `BadInput`."""
    inputs = read_inputs(scenario, PAYBACK_FIELDS, where="payback")
    at = payback(middle(inputs))
    notes = [note("never_pays")] if not math.isfinite(at["payback_calls"]) else []
    return forecast("payback", inputs, payback, ("payback_calls", "saved_year"), notes=notes)


def payback(values: Values) -> Results:
    """Results for one draw; infinite where a call of the small model, its errors priced in, is no cheaper."""
    error = float(values["error_cost"])
    large = float(values["large_call"]) + float(values["large_error"]) * error
    small = float(values["small_call"]) + float(values["small_error"]) * error
    spent = float(values["teacher_cost"]) + float(values["distil_cost"])
    saved = large - small
    calls = spent / saved if saved > 0 else 0.0 if spent == 0 and saved == 0 else math.inf
    return {
        "saved_call": Money(saved),
        "payback_calls": Number(calls),
        "payback_time": Seconds(calls / float(values["calls_day"]) * _DAY),
        "saved_year": Money(saved * float(values["calls_day"]) * _YEAR_DAYS - spent),
    }


def plan_own(scenario: Mapping[str, Any]) -> Forecast:
    """An own model, served as `plan serve` says, against bought tokens; the curve by volume is in `extra`. Raises `BadInput`."""
    own = {field.name for field in OWN_FIELDS}
    serving = read_serving({key: value for key, value in scenario.items() if key not in own})
    shared = {key: scenario[key] for key in ("currency", "on", "rates", "samples", "seed") if key in scenario}
    bought = read_inputs({key: scenario[key] for key in own if key in scenario} | shared, OWN_FIELDS, where="own")
    numbers = serving.inputs.numbers | bought.numbers
    inputs = replace(serving.inputs, numbers=numbers, given=frozenset(scenario))

    def served(values: Values) -> Callable[[float], float]:
        """Cost of a day by calls a day."""
        found = best_batch(serving.replica, values, serving.draft_length)
        replica_day = float(values["price"]) * serving.replica.devices * _DAY
        return lambda calls: own_day(values, replicas_for(values, found, calls / _DAY)[1] * replica_day)

    at = middle(inputs)
    if not math.isfinite(served(at)(1.0)):
        raise BadInput(
            "the own model cannot keep the promises",
            expected="a model, device and limits that fit",
            got="; ".join(map(str, serving.notes)),
            said=in_all(note("keeps_no_promise"), *serving.notes),
        )
    by_volume = served(at)
    volumes = [10 ** (step / 4) for step in range(8, 33)]
    curve = [{"calls_day": calls, "api_day": bought_day(at, calls), "own_day": by_volume(calls)} for calls in volumes]
    return forecast(
        "own",
        inputs,
        lambda values: own_or_bought(values, served(values)),
        ("own_break_even",),
        notes=serving.notes,
        extra={"curve": curve},
    )


def own_or_bought(values: Values, own: Callable[[float], float]) -> Results:
    """Cost of a day either way, and from how many calls a day on owning is cheaper for good; `own`: cost of a day by calls a day."""
    calls = float(values["requests_day"])
    return {
        "api_day": Money(bought_day(values, calls)),
        "own_day": Money(own(calls)),
        "own_break_even": Number(break_even_calls(own, lambda n: bought_day(values, n))),
    }


def bought_day(values: Values, calls: float) -> float:
    call = float(values["tokens_in"]) * float(values["api_price_in"]) + float(values["tokens_out"]) * float(
        values["api_price_out"]
    )
    return calls * call


def own_day(values: Values, served: float) -> float:
    return served + float(values["own_fixed_month"]) / MONTH


def break_even_calls(own: Callable[[float], float], bought: Callable[[float], float]) -> float:
    """The volume from which the own model stays cheaper; infinite where it is dearer even at 10 billion calls a day.

    Own cost rises in steps of a replica, so curves may cross more than once: the search goes down from the largest volume.
    """
    if own(_MOST_CALLS) > bought(_MOST_CALLS):
        return math.inf
    low, high = 1e-3, _MOST_CALLS
    if own(low) <= bought(low):
        return 0.0
    grid = [_MOST_CALLS / 1.5**step for step in range(80) if _MOST_CALLS / 1.5**step > low]
    dearer = next((calls for calls in grid if own(calls) > bought(calls)), low)
    low, high = dearer, min(dearer * 1.5, _MOST_CALLS)
    for _ in range(60):
        middle_calls = math.sqrt(low * high)
        low, high = (middle_calls, high) if own(middle_calls) > bought(middle_calls) else (low, middle_calls)
    return high
