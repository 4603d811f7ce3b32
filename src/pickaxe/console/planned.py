"""Forecasts as pages draw them: results with what moves them, curves, and forecasts against readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pickaxe.compute.planner.here.kept import Pair
from pickaxe.console import charts
from pickaxe.console.tornado import moves
from pickaxe.console.words import Translate

_LEAST_USE = 0.2
_UNITS = (("_ms", 1e-3, "s"), ("_us", 1e-3, "ms"), ("_bytes", 1e-6, "MB"), ("nano_hour", 1e-9, "$"), ("nano_thousand", 1e-9, "$"))
"""How a meter's name ends, what its unit is worth in the one that is drawn, and that one's symbol."""


def cases_shown(kind: str, found: Mapping[str, Any], t: Translate, language: str) -> list[dict[str, Any]]:
    """The forecasts of a scenario, case by case, as the page shows them."""
    cases: list[dict[str, Any]] = []
    for name, case in found.items():
        results, bars = case["results"], case["tornado"]
        headlines = [key for key in bars if key in results]
        drawn = {key: moves(bars[key], case["inputs"], results[key]["centre"], language) for key in headlines}
        cases.append(
            {
                "name": name,
                "headlines": [results[key] for key in headlines],
                "results": list(results.values()),
                "tornados": [(key, results[key], lines) for key, lines in drawn.items() if lines],
                "curve": _curve(kind, case, t),
                "notes": case["notes"],
                "layouts": case.get("layouts"),
                "rate": case["rate"],
            }
        )
    return cases


def pairs_drawn(found: Sequence[Pair], t: Translate) -> charts.Spec | None:
    """Forecasts of one meter against its readings, in the unit that people use."""
    worth, unit = next(((worth, unit) for ending, worth, unit in _UNITS if found[0].meter.endswith(ending)), (1.0, ""))
    titles = [t(f"plan.{name}") + (f" ({unit})" if unit else "") for name in ("forecast", "read")]
    return charts.forecasts(found, worth=worth, x_title=titles[0], y_title=titles[1])


def _curve(kind: str, case: Mapping[str, Any], t: Translate) -> charts.Spec | None:
    """Margin by use of a pool, or the day's money of an own and a bought model by traffic; None for other kinds."""
    rows, results = case.get("curve") or [], case["results"]
    if kind == "pool" and rows:
        shown = [row for row in rows if row["margin"] is not None and row["utilisation"] >= _LEAST_USE]
        if not shown:
            return None
        points = [(float(row["utilisation"]), float(row["margin"])) for row in shown]
        even = results["break_even"]["centre"]
        marks = [(even, t("plan.even", at=results["break_even"]["text"]))] if even is not None and _LEAST_USE <= even <= 1 else []
        return charts.amounts({results["margin"]["title"]: points}, x=".0%", y=".0%", marks=marks)
    if kind == "own" and rows:
        worth = case["rate"]["per_dollar"] if case["rate"] else 1.0
        series = {
            results[name]["title"]: [
                (float(row["calls_day"]), worth * float(row[name])) for row in rows if row.get(name) is not None
            ]
            for name in ("api_day", "own_day")
        }
        even = results["own_break_even"]["centre"]
        marks = [(even, t("plan.cheaper", at=results["own_break_even"]["text"]))] if even is not None else []
        return charts.amounts(series, x="~s", y="~s", marks=marks, log=True) if all(series.values()) else None
    return None
