"""The console's charts as Vega-Lite specifications: plain dictionaries, drawn in the browser.

Colours are the placeholders of `pickaxe.flows.report.drawing`, which the stylesheet turns into those of the reader's theme. Figures stand
under ``datasets``, so that a live chart gets new ones without being drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pickaxe.compute.planner.here.kept import Pair
from pickaxe.flows.report.charts import STRONGEST
from pickaxe.flows.report.drawing import ALARM, SERIES, SOFT, scale, short, theme

Spec = dict[str, Any]
Point = tuple[float, float]

_ONE_ROW = 40
"""Characters of all names in a legend that stand beside each other on a narrow screen; more of them stand below each other."""
_WIDER = 10
"""Times that the last bin of a histogram is as wide as the first, where they grow by a factor and not by an amount."""
MOST_POINTS = 400
"""Of one series: more than a chart has pixels to show."""


def curves(series: Mapping[str, Sequence[Point]], *, x: str, zero: bool = False, height: int = 190) -> Spec:
    """Lines over a common x, with the values under the pointer. Names of series become the legend (none for a single one).

    `zero`: the axis begins there, for amounts of which nothing is a meaningful one.
    """
    names = [short(name, 40) for name in series]
    legend: dict[str, Any] = {"title": None} | ({"columns": 1} if sum(map(len, names)) > _ONE_ROW else {})
    points = [
        {"x": at, "y": value, "series": name}
        for name, found in zip(names, series.values(), strict=True)
        for at, value in thinned(found)
    ]
    colour = {"field": "series", "type": "nominal", "scale": scale(names), "legend": None if len(names) < 2 else legend}
    axis: dict[str, Any] = {"tickMinStep": 1, "format": "~s"}
    if all(float(point["x"]).is_integer() for point in points):
        axis["labelExpr"] = "datum.value % 1 ? '' : datum.label"  # there is no half of a step
    across = {"field": "x", "type": "quantitative", "title": x, "scale": {"zero": False, "nice": False}, "axis": axis}
    pointed = {
        "name": "pointed",
        "select": {"type": "point", "nearest": True, "on": "pointermove", "clear": "pointerout", "fields": ["x"]},
    }
    tooltip = [
        {"field": "series", "type": "nominal", "title": " "},
        {"field": "x", "type": "quantitative", "title": x, "format": ",.6~g"},
        {"field": "y", "type": "quantitative", "title": " ", "format": ",.4~g"},
    ]
    return framed(
        points,
        {
            "encoding": {
                "x": across,
                "y": {"field": "y", "type": "quantitative", "title": None, "scale": {"zero": zero}, "axis": {"tickCount": 5}},
                "color": colour,
            },
            "layer": [
                {"mark": {"type": "line", "strokeWidth": 1.8, "point": {"size": 14} if len(points) < 40 else False}},
                {
                    "params": [pointed],
                    "mark": {"type": "point", "filled": True, "size": 55},
                    "encoding": {
                        "opacity": {"condition": {"param": "pointed", "empty": False, "value": 1}, "value": 0},
                        "tooltip": tooltip,
                    },
                },
            ],
        },
        height,
    )


def histogram(bins: Sequence[tuple[float, float, int]], *, x: str, y: str, mark: float | None = None, height: int = 170) -> Spec:
    """Bars from given bins (low, high, count), each as wide as the others where they widen by a factor; a dashed line at `mark`."""
    by_factors = bins and bins[0][0] > 0 and bins[-1][1] - bins[-1][0] > _WIDER * (bins[0][1] - bins[0][0])
    across: Spec = {"scale": {"type": "log"}, "axis": {"format": "~s", "tickCount": 5}} if by_factors else {}
    layers: list[Spec] = [
        {
            "mark": {"type": "bar", "color": SERIES[0], "binSpacing": 1},
            "encoding": {
                "x": {"field": "low", "type": "quantitative", "bin": {"binned": True}, "title": x} | across,
                "x2": {"field": "high"},
                "y": {"field": "count", "type": "quantitative", "title": y},
                "tooltip": [
                    {"field": "low", "type": "quantitative", "format": ",.4~g", "title": "≥"},
                    {"field": "high", "type": "quantitative", "format": ",.4~g", "title": "<"},
                    {"field": "count", "type": "quantitative", "title": y},
                ],
            },
        }
    ]
    if mark is not None:
        layers.append({"mark": {"type": "rule", "color": ALARM, "strokeDash": [4, 3]}, "encoding": {"x": {"datum": mark}}})
    return framed([{"low": low, "high": high, "count": number} for low, high, number in bins], {"layer": layers}, height)


def windows(drift: Mapping[str, Any], *, x: str, height: int = 190) -> Spec:
    """How unlike its reference each window of traffic is, by source: -log10 of its combined p-value; the alarm fires above the line."""
    sources = [item["source"] or "traffic" for item in drift["sources"] if item["windows"]]
    shown = {source: short(source) for source in sources}
    line = -math.log10(drift["level"])
    rows = [
        {
            "window": item["window"],
            "source": shown.get(item["source"] or "traffic", "traffic"),
            "evidence": min(STRONGEST, -math.log10(max(item["p_value"], 10.0**-STRONGEST))),
            "p": item["p_value"],
        }
        for item in drift["windows"]
    ]
    tooltip = [
        {"field": "source", "type": "nominal", "title": " "},
        {"field": "window", "type": "quantitative", "title": x},
        {"field": "p", "type": "quantitative", "title": "p", "format": ".2e"},
    ]
    encoding = {
        "x": {"field": "window", "type": "quantitative", "title": x, "axis": {"tickMinStep": 1, "format": "d"}},
        "y": {
            "field": "evidence",
            "type": "quantitative",
            "title": "−log₁₀ p",
            "scale": {"domain": [0, max([line + 1, *(row["evidence"] for row in rows)])]},
        },
        "color": {"field": "source", "type": "nominal", "scale": scale(list(shown.values())), "legend": {"title": None}},
        "tooltip": tooltip,
    }
    return framed(
        rows,
        {
            "layer": [
                {"mark": {"type": "rule", "color": ALARM, "strokeDash": [4, 3]}, "encoding": {"y": {"datum": line}}},
                {"mark": {"type": "line", "strokeWidth": 1.5, "opacity": 0.6}, "encoding": encoding},
                {"mark": {"type": "point", "filled": True, "size": 45, "opacity": 1}, "encoding": encoding},
            ]
        },
        height,
    )


def stacked_days(rows: Sequence[Mapping[str, Any]], *, names: Sequence[str], height: int = 220) -> Spec:
    """Money by day (rows of day, name, money), stacked by name in the given order."""
    shown = [short(name, 28) for name in names]
    places = {name: place for place, name in enumerate(names)}
    values = [{**row, "name": short(row["name"], 28), "place": places[row["name"]]} for row in rows]
    days: dict[Any, float] = {}
    for row in rows:
        days[row["day"]] = days.get(row["day"], 0.0) + row["money"]
    top = max(days.values(), default=0.0)
    return framed(
        values,
        {
            "mark": {"type": "bar", "size": 18},
            "encoding": {
                "x": {"field": "day", "type": "ordinal", "title": None, "axis": {"labelAngle": 0, "labelOverlap": True}},
                "y": {
                    "field": "money",
                    "type": "quantitative",
                    "title": None,
                    "axis": {"format": _money_format(top), "tickCount": 5},
                },
                "color": {"field": "name", "type": "nominal", "scale": scale(shown), "legend": {"title": None, "columns": 4}},
                "order": {"field": "place", "type": "quantitative"},
                "tooltip": [
                    {"field": "day", "type": "ordinal", "title": " "},
                    {"field": "name", "type": "nominal", "title": " "},
                    {"field": "money", "type": "quantitative", "format": "$,.6~f", "title": " "},
                ],
            },
        },
        height,
    )


def _axis(form: str) -> Spec:
    """Few labels; thousands and millions have their letter, what is below one no "m" that reads as a million."""
    told: Spec = {"format": form, "tickCount": 5, "labelOverlap": True}
    return told | {"labelExpr": "datum.value < 1000 ? format(datum.value, '~g') : datum.label"} if form == "~s" else told


def _money_format(top: float) -> str:
    """d3's format of an axis that ends at `top`: thousands with their letter, small sums in whole, never "$20m" for two cents."""
    if top >= 10_000:
        return "$~s"
    return f"$,.{0 if top >= 10 else 2 if top >= 0.1 else min(9, 2 - math.floor(math.log10(top)))}f" if top > 0 else "$,.2f"


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most about `most` points that keep every peak: of each slice the first, lowest, highest and last."""
    if len(points) <= most:
        return list(points)
    slices = max(1, most // 4)
    kept: dict[int, None] = {}
    for place in range(slices):
        start, end = place * len(points) // slices, (place + 1) * len(points) // slices
        inside = range(start, end)
        for index in sorted({start, min(inside, key=lambda i: points[i][1]), max(inside, key=lambda i: points[i][1]), end - 1}):
            kept[index] = None
    return [points[index] for index in kept]


def binned(values: Sequence[float], bins: int = 30) -> list[tuple[float, float, int]]:
    """Equal bins up to the 99th percentile; what lies beyond is counted in the last one."""
    if not values:
        return []
    ordered = sorted(values)
    low, high = ordered[0], ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    width = (high - low) / bins or 1.0
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int((value - low) / width))] += 1
    return [(low + place * width, low + (place + 1) * width, number) for place, number in enumerate(counts)]


def framed(values: list[dict[str, Any]], drawing: Spec, height: int) -> Spec:
    """`drawing` over `values`, with what all our charts share."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": height,
        "autosize": {"type": "fit", "contains": "padding", "resize": True},
        "datasets": {"values": values},
        "data": {"name": "values"},
        "config": {**theme(), "line": {"color": SERIES[0]}, "rule": {"color": SOFT}},
        **drawing,
    }


def amounts(
    series: Mapping[str, Sequence[Point]],
    *,
    x: str,
    y: str,
    marks: Sequence[tuple[float, str]] = (),
    log: bool = False,
    height: int = 240,
) -> Spec:
    """Lines of amounts over a common x; `x` and `y` are d3 formats. `marks` are values of x with what happens there.

    `log`: both scales are logarithmic, for curves that cross far below their ends.
    """
    names = [short(name, 40) for name in series]
    rows = [
        {"x": at, "y": value, "series": name} for name, found in zip(names, series.values(), strict=True) for at, value in found
    ]
    kind = {"type": "log"} if log else {"type": "linear", "zero": False}
    across = {
        "field": "x",
        "type": "quantitative",
        "title": None,
        "scale": {**kind, "nice": False},
        "axis": {**_axis(x), "labelFlush": True},
    }
    up = {
        "field": "y",
        "type": "quantitative",
        "title": None,
        "scale": kind,
        "axis": _axis(y),
    }
    colour = {"field": "series", "type": "nominal", "scale": scale(names), "legend": None if len(names) < 2 else {"title": None}}
    nearest = {"type": "point", "nearest": True, "on": "pointermove", "clear": "pointerout", "fields": ["x"]}
    tooltip = [
        {"field": "series", "type": "nominal", "title": " "},
        {"field": "x", "type": "quantitative", "title": "→", "format": x},
        {"field": "y", "type": "quantitative", "title": "↑", "format": y},
    ]
    layers: list[Spec] = [
        {"mark": {"type": "line", "strokeWidth": 2.2}, "encoding": {"x": across, "y": up, "color": colour}},
        {
            "params": [{"name": "pointed", "select": nearest}],
            "mark": {"type": "point", "filled": True, "size": 60},
            "encoding": {
                "x": across,
                "y": up,
                "color": colour,
                "opacity": {"condition": {"param": "pointed", "empty": False, "value": 1}, "value": 0},
                "tooltip": tooltip,
            },
        },
    ]
    for at, said in marks:
        right = sum(row["x"] <= at for row in rows) > len(rows) / 2  # more of the drawing lies to the left: so do the words
        words = {"type": "text", "align": "right" if right else "left", "dx": -5 if right else 5, "color": ALARM, "fontSize": 11}
        mark = {"data": {"values": [{"x": at, "said": said}]}}
        layers += [
            {**mark, "mark": {"type": "rule", "color": ALARM, "strokeDash": [4, 3]}, "encoding": {"x": across}},
            {**mark, "mark": {**words, "baseline": "top", "y": 2}, "encoding": {"x": across, "text": {"field": "said"}}},
        ]
    return framed(rows, {"layer": layers}, height)


def forecasts(found: Sequence[Pair], *, worth: float, x_title: str, y_title: str, height: int = 240) -> Spec | None:
    """Forecast against reading of one meter, both on a logarithmic scale; on the diagonal the forecast was right.

    `worth`: of the meter's unit in the unit that is shown. None when nothing was read.
    """
    rows = [
        {"forecast": worth * pair.forecast, "read": worth * pair.read, "step": pair.endpoint or pair.step.rpartition(":")[2]}
        for pair in found
        if pair.forecast > 0 and pair.read > 0
    ]
    if not rows:
        return None
    numbers = [row[name] for row in rows for name in ("forecast", "read")]
    ends = [min(numbers) * 0.8, max(numbers) * 1.25]
    axis = {**_axis("~s"), "tickCount": 4}
    both = {"type": "quantitative", "scale": {"type": "log", "nice": False, "domain": ends}, "axis": axis}
    x, y = {"field": "forecast", "title": x_title, **both}, {"field": "read", "title": y_title, **both}
    tooltip = [
        {"field": "step", "type": "nominal", "title": " "},
        {"field": "forecast", "type": "quantitative", "title": x_title, "format": ",.4~g"},
        {"field": "read", "type": "quantitative", "title": y_title, "format": ",.4~g"},
    ]
    diagonal = {
        "data": {"values": [{"forecast": end, "read": end} for end in ends]},
        "mark": {"type": "line", "color": SOFT, "strokeDash": [4, 3], "strokeWidth": 1},
        "encoding": {"x": x, "y": y},
    }
    points = {
        "mark": {"type": "point", "filled": True, "size": 45, "color": SERIES[0]},
        "encoding": {"x": x, "y": y, "tooltip": tooltip},
    }
    return framed(rows, {"layer": [diagonal, points]}, height)
