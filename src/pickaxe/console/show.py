"""Values as people read them, for the templates: ``show.money(nano)``. The figures' forms are those of the report."""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup, escape

from pickaxe.console.words import Translate
from pickaxe.flows.report.markup import count, duration, measured, money, number, percent, size
from pickaxe.kernel.nouns import Run

__all__ = ["bar", "count", "duration", "measured", "moment", "money", "number", "percent", "seconds_of", "short_id", "size"]

_STEPS = ((60, "second"), (3600, "minute"), (86_400, "hour"), (30 * 86_400, "day"))


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


def short_id(id: str) -> Markup:
    """The head of an id, the whole of it one hover away."""
    return Markup('<code title="{}">{}</code>').format(id, escape(id[:12]))
