"""Values as people read them, for the templates: ``show.money(nano)``. The figures' forms are those of the report."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime

from markupsafe import Markup, escape

from pickaxe.compute.planner.quantities.currency import Rate
from pickaxe.compute.planner.quantities.units import Quantity
from pickaxe.console.words import Translate
from pickaxe.flows.report.markup import count, duration, measured, number, percent, size
from pickaxe.flows.report.markup import money as whole_money
from pickaxe.kernel.nouns import Run

__all__ = [
    "bar",
    "count",
    "duration",
    "interval",
    "measured",
    "moment",
    "money",
    "number",
    "percent",
    "quantity",
    "seconds_of",
    "setting",
    "short_id",
    "size",
]

_NUMBERS = re.compile(r"\[\n\s*([^\[\]{}\"]+?)\n\s*\]")
"""A list of nothing but numbers as `json` indents it; within a string there is no line's end."""
_STEPS = ((60, "second"), (3600, "minute"), (86_400, "hour"), (30 * 86_400, "day"))


def money(nano: int | None, currency: str = "USD") -> str:
    """Money with the digits that still say something, down to billionths: a model's label may cost that little."""
    if nano is not None and 0 < abs(nano) < 1000:
        return f"{'$' if currency == 'USD' else currency + ' '}{nano / 1e9:.9f}"
    return whole_money(nano, currency)


def elsewhere(nano: int, rate: Rate) -> str:
    """Dollars in another currency: what they are about worth to a reader who counts in it. The bill itself stays in dollars."""
    return str(Quantity(nano / 1e9 * rate.per_dollar, ((rate.currency, 1),)))


def moment(at: datetime | None, now: datetime, t: Translate) -> Markup:
    """How long ago, with the exact instant one hover away; an older instant as a date."""
    if at is None:
        return Markup("–")
    exact = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), exact, _ago(at, now, t))


def _ago(at: datetime, now: datetime, t: Translate) -> str:
    passed, unit = max(0.0, (now - at).total_seconds()), 1
    if passed < 5:
        return t("time.now")
    for limit, name in _STEPS:
        if passed < limit:
            return t(f"time.{name}", n=int(passed // unit))
        unit = limit if limit <= 86_400 else unit
    return f"{at:%Y-%m-%d}"


def seconds_of(run: Run, now: datetime) -> float | None:
    """How long a run took, or has been under way; None before it starts."""
    if run.started_at is None:
        return None
    return ((run.ended_at or now) - run.started_at).total_seconds()


def bar(share: float, tone: str = "") -> Markup:
    """A bar as wide as `share` (0 to 1) of its place; drawn, as a style attribute would need a laxer policy."""
    width = round(100 * max(0.0, min(1.0, share)), 1)
    return Markup(
        '<svg class="bar {}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rest" width="100" height="6"/><rect width="{}" height="6"/></svg>'
    ).format(tone, width)


def band(low: float | None, middle: float | None, high: float | None) -> Markup:
    """A 5–95% band with its middle, on an axis from nothing to the band's far end; nothing where an end has no number."""
    if low is None or middle is None or high is None:
        return Markup("")
    start, end = min(0.0, low, middle), max(0.0, high, middle)
    width = (end - start) or 1.0
    left, right, at = (round(100 * (value - start) / width, 1) for value in (low, high, middle))
    return Markup(
        '<svg class="band" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="rest" y="4" width="100" height="2"/>'
        '<rect x="{}" y="2" width="{}" height="6"/><rect class="point" x="{}" width="1" height="10"/></svg>'
    ).format(left, round(max(right - left, 0.5), 1), min(99.0, max(0.0, at - 0.5)))


def span_bar(left: float, width: float, status: int = 200) -> Markup:
    """A span on its trace's axis; `left` and `width` are shares of it."""
    tone = "bad" if status >= 400 else ""
    return Markup(
        '<svg class="bar span {}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rest" width="100" height="6"/><rect x="{}" width="{}" height="6"/></svg>'
    ).format(tone, round(100 * left, 2), round(100 * width, 2))


def milliseconds(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else duration(value / 1000)


def short_id(id: str) -> Markup:
    """The head of an id, the whole of it one hover away."""
    return Markup('<code title="{}">{}</code>').format(id, escape(id[:12]))


def interval(item: Mapping[str, float], low: float, high: float, place: int = 0) -> Markup:
    """A measured value with its interval, drawn on an axis that shows [low, high] and a margin."""
    margin = 0.1 * (high - low) or 0.01
    start, width = low - margin, high - low + 2 * margin
    left, right, middle = (round(100 * (item[key] - start) / width, 1) for key in ("low", "high", "value"))
    return Markup(
        '<svg class="interval c{}" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect x="{}" y="3" width="{}" height="4"/><rect class="point" x="{}" y="0" width="1.2" height="10"/></svg>'
    ).format(place, left, round(right - left, 1), middle - 0.6)


def cell(value: object, limit: int = 240) -> str:
    """A value of a table, cut where it is long."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else setting(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def document(value: object) -> str:
    """JSON with a line for each thing that has a name; numbers in a row stay in one."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return _NUMBERS.sub(lambda found: "[" + " ".join(found[1].split()) + "]", text)


def setting(value: object) -> str:
    """A value of a configuration as it would stand in a task file; a dash for none."""
    return "–" if value is None else json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else value


def quantity(meter: str, amount: int) -> str:
    """What a meter read, in the unit that people use; a meter's name ends with its unit."""
    match meter:
        case "cpu":
            return duration(amount / 1e9)
        case _ if meter.endswith("_ms"):
            return duration(amount / 1e3)
        case _ if meter.endswith("_us"):
            return milliseconds(amount / 1e3)
        case "nano_hour" | "nano_thousand":
            return money(amount)
        case _ if meter.startswith(("answers", "tokens")):
            return count(amount)
        case _ if meter.endswith("_bytes"):
            return size(amount)
        case "energy_mj":
            return f"{number(amount / 3.6e6, 3)} Wh"
        case "memory_mb_seconds":
            return f"{number(amount / 3.6e6, 3)} GB·h"
        case _:
            return f"{amount:,} {meter}"
