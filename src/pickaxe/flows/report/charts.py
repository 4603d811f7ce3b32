"""The report's charts, each from one of its JSON parts. Labels from the data are cut and cleaned before they are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pickaxe.flows.report.drawing import ALARM, GRID, HEIGHT, INK, SERIES, SOFT, SPENT, WIDTH, scale, short
from pickaxe.flows.report.model import CostReport

if TYPE_CHECKING:
    import altair as alt

    Drawn = alt.LayerChart | alt.FacetChart

MOST_LINES = 6
STRONGEST = 16.0
"""Drift p-values below 1e-16 are drawn at 1e-16."""


def learning_curve(curves: Sequence[Mapping[str, Any]]) -> Drawn:
    """Accuracy over human labels, one line with its band per arm."""
    import altair as alt

    rows = [{**item, "arm": short(item["arm"])} for item in curves]
    arms = sorted({row["arm"] for row in rows}, key=lambda arm: (arm != "active", arm))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("labels:Q", title="human labels"), color=alt.Color("arm:N", scale=alt.Scale(**scale(arms)))
    )
    accuracy = alt.Scale(zero=False)
    band = base.mark_area(opacity=0.18).encode(y=alt.Y("low:Q", title="test accuracy", scale=accuracy), y2="high:Q")
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=30)).encode(y=alt.Y("accuracy:Q", scale=accuracy))
    return _sized(alt.layer(band, line))


def risk_coverage(acceptance: Mapping[str, Any]) -> Drawn:
    """Observed audit error over coverage per class, the bound, and the thresholds that were chosen."""
    import altair as alt

    largest = sorted(acceptance["classes"], key=lambda item: -item["pool_rows"])[:MOST_LINES]
    names = [_class_name(item) for item in largest]
    lines = [
        {"label": name, "coverage": point["coverage"], "error": point["error"], "low": point["low"], "high": point["high"]}
        for name, item in zip(names, largest, strict=True)
        for point in item["curve"]
    ]
    chosen = [
        {"label": name, "coverage": item["coverage"], "error": item["observed_error"]}
        for name, item in zip(names, largest, strict=True)
        if item["threshold"] is not None
    ]
    colour = alt.Color("label:N", scale=alt.Scale(**scale(names)))
    share = alt.X("coverage:Q", title="coverage: share of the class taken over", axis=alt.Axis(format="%"))
    error = alt.Y("error:Q", title="error on the audit", axis=alt.Axis(format="%"))
    base = alt.Chart(alt.Data(values=lines)).encode(x=share, color=colour)
    layers = [base.mark_line(strokeWidth=2, clip=True).encode(y=error)]
    if len(largest) <= 2:
        layers.insert(0, base.mark_area(opacity=0.12).encode(y="low:Q", y2="high:Q"))
    bound = alt.Chart(alt.Data(values=[{"bound": acceptance["max_error"]}]))
    layers += [
        bound.mark_rule(color=ALARM, strokeDash=[4, 3]).encode(y="bound:Q"),
        alt.Chart(alt.Data(values=chosen)).mark_point(size=90, filled=True, opacity=1).encode(x=share, y=error, color=colour),
    ]
    return _sized(alt.layer(*layers))


def search_scatter(candidates: Sequence[Mapping[str, Any]]) -> Drawn | None:
    """Accuracy over latency (over size where no latency is known); the chosen one is ringed. None with nothing to place."""
    import altair as alt

    by_latency = any(item.get("latency_ms") for item in candidates)
    key, title = ("latency_ms", "latency of one text, ms") if by_latency else ("size_bytes", "size, bytes")
    placed = [{**item, "name": short(item["name"]), "family": short(item["family"]), "at": item[key]} for item in candidates
              if item.get(key) and item.get("accuracy") is not None]  # fmt: skip
    if not placed:
        return None
    families = sorted({item["family"] for item in placed})
    accuracy = alt.Y("accuracy:Q", title="accuracy", scale=alt.Scale(zero=False))
    base = alt.Chart(alt.Data(values=placed)).encode(
        x=alt.X("at:Q", title=title, scale=alt.Scale(type="log", nice=True), axis=alt.Axis(tickCount=4))
    )
    colour = alt.Color("family:N", scale=alt.Scale(**scale(families)))
    return _sized(
        alt.layer(
            base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(y=alt.Y("low:Q", title="accuracy", scale=alt.Scale(zero=False)), y2="high:Q", color=colour),
            base.mark_point(size=80, filled=True, opacity=1).encode(y=accuracy, color=colour),
            base.transform_filter("datum.chosen").mark_point(size=260, filled=False, stroke=INK, strokeWidth=1.5).encode(y=accuracy),
            base.transform_filter("datum.chosen").mark_text(dy=-16, fontWeight="bold").encode(y=accuracy, text="name:N"),
        )
    )  # fmt: skip


def intervals(models: Mapping[str, Mapping[str, Any]]) -> Drawn:
    """Accuracy and macro-F1 of each model with their intervals."""
    import altair as alt

    names = list(models)
    rows = [
        {"model": name, "metric": label, "y": f"{label} · {name}", **models[name][metric]}
        for metric, label in (("accuracy", "accuracy"), ("macro_f1", "macro-F1"))
        for name in names
        if models[name][metric]["value"] is not None
    ]
    order = [row["y"] for row in rows]
    lows, highs = [row["low"] for row in rows], [row["high"] for row in rows]
    margin = 0.12 * (max(highs) - min(lows)) + 0.002
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("y:N", title=None, sort=order, axis=alt.Axis(domain=False, ticks=False)),
        color=alt.Color("model:N", scale=alt.Scale(**scale(names)), legend=None),
    )
    x = alt.X("low:Q", title=None, scale=alt.Scale(domain=[max(0, min(lows) - margin), min(1, max(highs) + margin)], zero=False),
              axis=alt.Axis(format=".2f", grid=True, tickCount=5))  # fmt: skip
    layers = alt.layer(
        base.mark_rule(strokeWidth=6, opacity=0.35).encode(x=x, x2="high:Q"),
        base.mark_point(size=70, filled=True, opacity=1).encode(x="value:Q"),
        base.mark_text(dy=-10, fontSize=10).encode(x="value:Q", text=alt.Text("value:Q", format=".3f")),
    )
    return layers.properties(width=WIDTH - 90, height=alt.Step(30))


def reliability(models: Mapping[str, Mapping[str, Any]]) -> Drawn:
    """Accuracy over confidence, bin by bin; on the diagonal a model is as sure as it is right. Dots grow with the rows."""
    import altair as alt

    shown = [name for name in ("candidate", "teacher") if name in models]
    rows = [
        {"model": name, "confidence": item["confidence"], "accuracy": item["accuracy"], "rows": item["rows"]}
        for name in shown
        for item in models[name]["reliability"]
    ]
    lowest = math.floor(10 * min(min(row["confidence"], row["accuracy"]) for row in rows)) / 10
    domain, colours = alt.Scale(domain=[lowest, 1], zero=False), dict(zip(models, SERIES, strict=False))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("confidence:Q", title="mean confidence of the bin", scale=domain, axis=alt.Axis(format=".1f", tickCount=5)),
        y=alt.Y("accuracy:Q", title="accuracy of the bin", scale=domain, axis=alt.Axis(format=".1f", tickCount=5)),
        color=alt.Color("model:N", scale=alt.Scale(domain=shown, range=[colours[name] for name in shown])),
    )
    diagonal = alt.Chart(alt.Data(values=[{"a": lowest, "b": lowest}, {"a": 1, "b": 1}]))
    return _sized(
        alt.layer(
            diagonal.mark_line(stroke=SOFT, strokeDash=[3, 3], strokeWidth=1).encode(
                x=alt.X("a:Q", scale=domain), y=alt.Y("b:Q", scale=domain)
            ),
            base.mark_line(strokeWidth=1.5, opacity=0.6, clip=True),
            base.mark_point(filled=True, opacity=1).encode(
                size=alt.Size("rows:Q", legend=None, scale=alt.Scale(range=[15, 160]))
            ),
        )
    )


def drift(report: Mapping[str, Any]) -> Drawn:
    """How unlike the reference each window is, -log10 of its combined p-value, and the line above which the alarm fires."""
    import altair as alt

    names = [short(item["source"] or "traffic") for item in report["sources"] if item["windows"]]
    rows = [
        {
            "window": item["window"],
            "source": short(item["source"] or "traffic"),
            "evidence": min(STRONGEST, -math.log10(max(item["p_value"], 10.0**-STRONGEST))),
            "alarm": item["alarm"],
        }
        for item in report["windows"]
    ]
    line = -math.log10(report["level"])
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("window:Q", title="window", axis=alt.Axis(format="d", tickMinStep=1)),
        y=alt.Y("evidence:Q", title="evidence of drift, −log₁₀ p", scale=alt.Scale(domain=[0, max(line + 1, *(row["evidence"] for row in rows))])),
        color=alt.Color("source:N", scale=alt.Scale(**scale(names))),
    )  # fmt: skip
    rule = alt.Chart(alt.Data(values=[{"line": line, "said": "alarm"}]))
    return _sized(
        alt.layer(
            rule.mark_rule(color=ALARM, strokeDash=[4, 3]).encode(y="line:Q"),
            rule.mark_text(color=ALARM, align="left", dx=4, dy=-6, x=0).encode(y="line:Q", text="said:N"),
            base.mark_line(strokeWidth=1.5, opacity=0.6),
            base.mark_point(size=45, filled=True, opacity=1),
        )
    )


def cost_bars(cost: CostReport) -> Drawn:
    """What each model added to the bill, by meter; what the second one reused is drawn faint, as it was not paid again."""
    import altair as alt

    rows, reused = list[dict[str, Any]](), "reused, not paid again"
    bills = [bill for bill in (cost.get("model1"), cost.get("model2")) if bill]
    for bill in bills:
        name = short(bill.get("name", "model"))
        rows += [
            {"model": name, "meter": short(part.get("meter", "")), "money": part.get("nano", 0) / 1e9}
            for part in bill.get("parts", [])
        ]
        rows += [{"model": name, "meter": reused, "money": item.get("nano", 0) / 1e9} for item in bill.get("reused", [])]
    meters = list(dict.fromkeys(row["meter"] for row in rows if row["meter"] != reused))
    colours = scale(meters)
    if any(row["meter"] == reused for row in rows):
        colours = {"domain": [*colours["domain"], reused], "range": [*colours["range"], SPENT]}
    places = {meter: place for place, meter in enumerate([*meters, reused])}
    rows = [{**row, "place": places[row["meter"]]} for row in rows]
    order = [short(bill.get("name", "model")) for bill in bills]
    axis = alt.Axis(format="$~s" if cost.get("currency", "USD") == "USD" else "~s", grid=True, tickCount=4)
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(size=34, stroke=GRID, strokeWidth=0.5)
        .encode(
            y=alt.Y("model:N", title=None, sort=order, axis=alt.Axis(domain=False, ticks=False)),
            x=alt.X("sum(money):Q", title=None, axis=axis, stack="zero"),
            color=alt.Color("meter:N", scale=alt.Scale(**colours), legend=alt.Legend(orient="bottom", columns=2)),
            order=alt.Order("place:Q"),
        )
    )
    return alt.layer(bars).properties(width=WIDTH - 70, height=alt.Step(58))


def _class_name(item: Mapping[str, Any]) -> str:
    return "all classes" if item["label"] == "*" else short(item["label"])


def _sized(chart: Drawn) -> Drawn:
    return chart.properties(width=WIDTH, height=HEIGHT)
