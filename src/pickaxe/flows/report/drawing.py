"""From an Altair chart to inline SVG that follows the page's colours, light or dark.

Charts are drawn in placeholder colours; the stylesheet maps each placeholder to a variable of the page (see `css`), so one SVG
is legible on both grounds. Nothing is fetched: the data is in the chart and the renderer is compiled in.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pickaxe.flows.report.markup import Html, clean, el

if TYPE_CHECKING:
    import altair as alt

INK, SOFT, GRID, GROUND = "#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06", "#0a0b07", "#0a0b08")
ALARM, SPENT = "#0a0c01", "#0a0c02"
VARIABLES = {INK: "ink", SOFT: "soft", GRID: "grid", GROUND: "panel", ALARM: "bad", SPENT: "faint"} | {
    colour: f"s{place + 1}" for place, colour in enumerate(SERIES)
}
WIDTH, HEIGHT = 330, 190
LARGEST = 1.25


def css() -> str:
    """Rules that put the page's variables in the place of the placeholder colours."""
    return "".join(
        f'svg [{attribute}="{colour}"]{{{attribute}:var(--{variable})}}'
        for colour, variable in VARIABLES.items()
        for attribute in ("fill", "stroke")
    )


def figure(chart: alt.TopLevelMixin, title: str, caption: str, *, name: str) -> Html:
    """A titled chart. `name` is unique on the page: it keeps the SVG's own ids apart from those of other charts."""
    return el(
        "figure",
        el("figcaption", el("strong", title), el("span", caption)),
        svg(chart, name=name, description=f"{title}. {caption}"),
    )


def svg(chart: alt.TopLevelMixin, *, name: str, description: str) -> Html:
    """The chart as an inline `<svg>` that scales with the page."""
    import vl_convert

    spec = _cleaned({**chart.to_dict(), "config": theme()})
    drawn = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    # The renderer numbers its clip paths through all charts it ever drew; here they start anew and belong to this chart.
    for place, id_ in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', drawn))):
        drawn = drawn.replace(f'id="{id_}"', f'id="{name}-{place}"').replace(f"url(#{id_})", f"url(#{name}-{place})")
    drawn = re.sub(r'(<svg\b[^>]*?) width="([0-9.]+)" height="[^"]*"', _widest, drawn, count=1)
    return Html(drawn.replace("<svg", f'<svg role="img" aria-label="{html.escape(clean(description))}"', 1))


def _cleaned(value: Any) -> Any:
    """The same specification with texts that UTF-8 can hold."""
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return clean(value) if isinstance(value, str) else value


def _widest(opened: re.Match[str]) -> str:
    """All charts grow by the same factor at most, so that their letters are of one size."""
    return f'{opened[1]} style="max-width:{LARGEST * float(opened[2]):.0f}px"'


def scale(names: Sequence[str]) -> dict[str, Any]:
    """Colours for the given series, in order."""
    return {"domain": list(names), "range": [SERIES[place % len(SERIES)] for place in range(len(names))]}


def short(text: object, limit: int = 22) -> str:
    """A label from the data, for an axis or a legend."""
    whole = clean(text)
    return whole if len(whole) <= limit else whole[: limit - 1] + "…"


def theme() -> dict[str, Any]:
    """The Vega-Lite configuration of every chart, in placeholder colours."""
    text = {"labelColor": SOFT, "titleColor": SOFT, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"}
    return {
        "background": None,
        "font": "sans-serif",
        "view": {"stroke": None},
        "axis": {**text, "domainColor": GRID, "tickColor": GRID, "gridColor": GRID, "labelLimit": 150},
        "axisX": {"grid": False},
        "legend": {
            **text,
            "orient": "top",
            "title": None,
            "symbolOpacity": 1,
            "symbolStrokeWidth": 2,
            "columnPadding": 16,
            "labelLimit": 150,
        },
        "text": {"color": INK, "fontSize": 11},
    }
