"""The console's charts as Vega-Lite specifications: plain dictionaries, drawn in the browser.

Colours are the placeholders of `pickaxe.flows.report.drawing`, which the stylesheet turns into those of the reader's theme. Figures stand
under ``datasets``, so that a live chart gets new ones without being drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pickaxe.compute.planner.kept import Pair
from pickaxe.flows.report.charts import STRONGEST
from pickaxe.flows.report.drawing import ALARM, SERIES, SOFT, scale, short, theme

Spec = dict[str, Any]
Point = tuple[float, float]

MOST_POINTS = 400
"""Of one series: more than a chart has pixels to show."""


def curves(series: Mapping[str, Sequence[Point]], *, x: str, zero: bool = False, height: int = 190) -> Spec:
    """Lines over a common x, with the values under the pointer. Names of series become the legend (none for a single one).

    `zero`: the axis begins there, for amounts of which nothing is a meaningful one.
    """
    names = [short(name, 40) for name in series]
    points = [
        {"x": at, "y": value, "series": name}
        for name, found in zip(names, series.values(), strict=True)
        for at, value in thinned(found)
    ]
    colour = {"field": "series", "type": "nominal", "scale": scale(names), "legend": None if len(names) < 2 else {"title": None}}
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
    """Bars from given bins (low, high, count); a dashed line at `mark`."""
    layers: list[Spec] = [
        {
            "mark": {"type": "bar", "color": SERIES[0], "binSpacing": 1},
            "encoding": {
                "x": {"field": "low", "type": "quantitative", "bin": {"binned": True}, "title": x},
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


def stacked_days(rows: Iterable[Mapping[str, Any]], *, names: Sequence[str], height: int = 220) -> Spec:
    """Money by day (rows of day, name, money), stacked by name in the given order."""
    shown = [short(name, 28) for name in names]
    places = {name: place for place, name in enumerate(names)}
    values = [{**row, "name": short(row["name"], 28), "place": places[row["name"]]} for row in rows]
    return framed(
        values,
        {
            "mark": {"type": "bar", "size": 18},
            "encoding": {
                "x": {"field": "day", "type": "ordinal", "title": None, "axis": {"labelAngle": 0, "labelOverlap": True}},
                "y": {"field": "money", "type": "quantitative", "title": None, "axis": {"format": "$~s", "tickCount": 5}},
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


def tornado(bars: Sequence[Mapping[str, Any]], *, height: int | None = None) -> Spec:
    """What moves a result most, the longest first: the result at each input's low and high end (the dot), with its unit."""
    rows: list[dict[str, Any]] = []
    for bar in bars:
        ends = sorted([(bar["at_low"], bar["at_low_text"]), (bar["at_high"], bar["at_high_text"])])
        (left, left_text), (right, right_text) = ends
        rows.append({"field": short(bar["title"], 34), "high": bar["at_high"]})
        rows[-1] |= {"left": left, "left_text": left_text, "right": right, "right_text": right_text}
    low, high = min(row["left"] for row in rows), max(row["right"] for row in rows)
    room = 0.28 * (high - low)  # for the texts beside the bars
    across = {"type": "quantitative", "title": None, "scale": {"domain": [low - room, high + room], "nice": False}, "axis": None}
    y = {
        "field": "field",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 230, "domain": False, "ticks": False},
    }

    def text(end: str, align: str, dx: int) -> Spec:
        encoding = {"x": {"field": end, **across}, "text": {"field": f"{end}_text"}}
        return {"mark": {"type": "text", "align": align, "dx": dx, "color": SOFT, "fontSize": 11}, "encoding": encoding}

    bar_layer = {
        "mark": {"type": "bar", "color": SERIES[0], "height": 12},
        "encoding": {"x": {"field": "left", **across}, "x2": {"field": "right"}},
    }
    dot = {
        "mark": {"type": "point", "filled": True, "color": SERIES[1], "size": 40},
        "encoding": {"x": {"field": "high", **across}},
    }
    layers = [bar_layer, dot, text("left", "right", -6), text("right", "left", 6)]
    return framed(rows, {"encoding": {"y": y}, "layer": layers}, height or 26 * len(rows) + 10)


def forecasts(found: Sequence[Pair], *, height: int = 240) -> Spec:
    """Forecast against reading of one meter, both on a logarithmic scale; on the diagonal the forecast was right."""
    rows = [
        {"forecast": pair.forecast, "read": pair.read, "step": pair.step.rpartition(":")[2]}
        for pair in found
        if pair.forecast > 0 and pair.read > 0
    ]
    ends = (
        [min(min(row["forecast"], row["read"]) for row in rows), max(max(row["forecast"], row["read"]) for row in rows)]
        if rows
        else []
    )
    scale_ = {"type": "log", "nice": False, "domain": [ends[0] * 0.8, ends[1] * 1.25]} if rows else {"type": "log"}
    x = {
        "field": "forecast",
        "type": "quantitative",
        "scale": scale_,
        "title": "forecast",
        "axis": {"format": "~s", "tickCount": 6},
    }
    y = {"field": "read", "type": "quantitative", "scale": scale_, "title": "read", "axis": {"format": "~s", "tickCount": 6}}
    tooltip = [
        {"field": name, "type": kind}
        for name, kind in (("step", "nominal"), ("forecast", "quantitative"), ("read", "quantitative"))
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
