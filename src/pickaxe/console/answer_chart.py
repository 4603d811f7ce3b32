"""The answer of a query as a chart: which column goes where, kept with the query and in the address of its page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Self

from pickaxe.console.cells import cell
from pickaxe.console.charts import Spec, framed
from pickaxe.flows.report.drawing import SERIES, scale, short
from pickaxe.kernel.tables.arrow import python_values

KINDS = ("bar", "line", "point")
MOST_ROWS = 2_000
"""Of the answer, the first ones."""
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn as what: `chart` is one of `KINDS` or empty, the rest are names of columns; `colour` may be empty."""

    chart: str = ""
    x: str = ""
    y: str = ""
    colour: str = ""

    @classmethod
    def kept(cls, document: object) -> Self:
        """What a saved query holds, as far as it can be used."""
        held = document if isinstance(document, Mapping) else {}
        return cls(*(str(held.get(name) or "") for name in ("chart", "x", "y", "colour")))

    def as_dict(self) -> dict[str, str]:
        """Empty when nothing is drawn."""
        return {name: value for name, value in asdict(self).items() if value} if self.chart else {}

    def of(self, table: Any, *, others: str) -> Spec | None:
        """The chart; None when nothing of `table` can be drawn so. `others`: the word for values that get no colour of their own."""
        names = table.column_names
        if self.chart not in KINDS or self.x not in names or self.y not in names:
            return None
        columns = {name: table.slice(0, MOST_ROWS).column(place) for place, name in enumerate(names)}
        x, y = python_values(columns[self.x]), [_number(value) for value in python_values(columns[self.y])]
        if not any(value is not None for value in y):
            return None
        across, written = _axis(x, bars=self.chart == "bar")
        of_time = {"scale": {"type": "utc"}} if across == "temporal" else {}  # as the answer's table shows it
        rows: list[dict[str, Any]] = [{"x": written(one), "y": other} for one, other in zip(x, y, strict=True)]
        encoding: Spec = {
            "x": {"field": "x", "type": across, "title": short(self.x, _LONGEST), "sort": None, **of_time},
            "y": {"field": "y", "type": "quantitative", "title": short(self.y, _LONGEST)},
        }
        if self.colour in names:
            shown = _coloured(rows, python_values(columns[self.colour]), others)
            legend = {"title": short(self.colour, _LONGEST)}
            encoding["color"] = {"field": "colour", "type": "nominal", "scale": scale(shown), "legend": legend}
        encoding["tooltip"] = [
            {"field": item["field"], "type": item["type"], "title": _title(item)} for item in encoding.values()
        ]
        if of_time:
            encoding["tooltip"][0]["timeUnit"] = "utcyearmonthdatehoursminutesseconds"
        return framed(rows, {"mark": {"type": self.chart, "color": SERIES[0]}, "encoding": encoding}, 280)


def _coloured(rows: list[dict[str, Any]], values: list[Any], others: str) -> list[str]:
    """Give each row its `colour`; the most frequent values have one of their own. Returns the names in the legend."""
    texts = [short(str(cell(value).text), _LONGEST) for value in values]
    frequent = [text for text, _ in Counter(texts).most_common(len(SERIES) + 1)]
    own = frequent if len(frequent) <= len(SERIES) else frequent[: len(SERIES) - 1]
    for row, text in zip(rows, texts, strict=True):
        row["colour"] = text if text in own else others
    shown = sorted(own, key=texts.index)
    return shown if len(own) == len(frequent) else [*shown, others]


def _axis(values: list[Any], *, bars: bool) -> tuple[str, Callable[[Any], Any]]:
    """The kind of scale that fits the values, and how each of them is written in JSON."""
    there = [value for value in values if value is not None]
    if there and not bars and all(isinstance(value, date | datetime) for value in there):
        return "temporal", lambda value: None if value is None else value.isoformat()
    if there and not bars and all(_number(value) is not None for value in there):
        return "quantitative", _number
    return "nominal", lambda value: short(text, _LONGEST) if (text := cell(value).text) is not None else None


def _number(value: Any) -> float | None:
    """None for what is no number, and for what JSON has no number for."""
    if isinstance(value, str | bytes):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _title(item: Mapping[str, Any]) -> str:
    return str(item["legend"]["title"] if "legend" in item else item["title"])
