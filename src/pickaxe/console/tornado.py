"""What moves a result most, as bars about the planned value: drawn as marked-up text, so that names are whole at any width."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pickaxe.compute.planner.words import in_units

MOST = 8
_BEYOND = 0.06
"""How far past the last finite end a bar goes that has no end, as a share of the axis."""


@dataclass(frozen=True, slots=True)
class Move:
    """One factor. `span` is its range; `left` and `right` are what the result reads at the ends of the bar, `drawing`."""

    title: str
    span: str
    left: str
    right: str
    drawing: Markup


def moves(
    bars: Sequence[Mapping[str, Any]], inputs: Mapping[str, Mapping[str, Any]], planned: float | None, language: str = "en"
) -> list[Move]:
    """The bars of a forecast's tornado that can be told, the longest first. An end that is None lies beyond every number ("never")."""
    spans = {name: in_units(str(item["text"]), language) for name, item in inputs.items()}
    bars = [bar for bar in bars if bar["at_low_text"] != bar["at_high_text"]][:MOST]
    known = [value for bar in bars for value in (bar["at_low"], bar["at_high"], planned) if value is not None]
    if not bars or not known:
        return []
    low, high = min(known), max(known)
    room = (high - low) * _BEYOND or abs(high) * _BEYOND or 1.0
    endless = any(bar[end] is None for bar in bars for end in ("at_low", "at_high"))
    top = high + room if endless or planned is None else high

    def place(value: float | None) -> float:
        return 100.0 * ((top if value is None else value) - low) / (top - low) if top > low else 50.0

    return [_move(bar, spans.get(bar["field"], ""), place, planned) for bar in bars]


def _move(bar: Mapping[str, Any], span: str, place: Callable[[float | None], float], planned: float | None) -> Move:
    ends = sorted(
        [(place(bar["at_low"]), bar["at_low_text"], True), (place(bar["at_high"]), bar["at_high_text"], False)],
        key=lambda end: end[0],
    )
    return Move(
        bar["title"],
        span,
        ends[0][1],
        ends[1][1],
        _drawn(place(planned), [(at, is_low) for at, _, is_low in ends]),
    )


def _drawn(centre: float, ends: Sequence[tuple[float, bool]]) -> Markup:
    """From each end to the planned value, in the colour of the range's end; a style attribute would need a laxer policy."""
    parts = Markup("").join(
        Markup('<rect class="{}" x="{}" y="2" width="{}" height="10"/>').format(
            "at-low" if is_low else "at-high", round(min(at, centre), 2), round(abs(at - centre), 2)
        )
        for at, is_low in ends
    )
    return Markup(
        '<svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rest" width="100" height="14"/>{}<rect class="planned" x="{}" width="0.5" height="14"/></svg>'
    ).format(parts, round(min(99.5, max(0.0, centre - 0.25)), 2))
