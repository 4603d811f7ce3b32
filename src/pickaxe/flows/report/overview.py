"""The parts of the page that say what was made, at what price, and what of it is simulated."""

from __future__ import annotations

from typing import Any

from pickaxe.flows.report import charts
from pickaxe.flows.report.drawing import figure
from pickaxe.flows.report.markup import Html, count, duration, el, join, measured, money, percent, quoted, table
from pickaxe.flows.report.model import CostReport, ModelCost, Report, StageRow


def header(report: Report) -> Html:
    """Title, verdict and the headline number."""
    verdict, drift = report.get("verdict"), report.get("drift")
    marks = list[Html]()
    if verdict:
        marks.append(badge("gate passed" if verdict["passed"] else "gate failed", "good" if verdict["passed"] else "bad"))
    if drift:
        marks.append(badge("drift alarm" if drift["alarm"] else "no drift", "warn" if drift["alarm"] else "good"))
    if report.get("simulated"):
        marks.append(el("a", badge("parts are simulated", "warn"), href="#simulated"))
    return el(
        "header",
        el(
            "div",
            el("div", "Pickaxe report", cls="kicker"),
            el("h1", quoted(report.get("title", "Report"), 120)),
            el("p", quoted(subtitle, 400), cls="lead") if (subtitle := report.get("subtitle")) else None,
            el("div", *marks, cls="marks"),
        ),
        _headline(report.get("cost")),
    )


def badge(text: str, tone: str) -> Html:
    return el("span", text, cls=f"badge {tone}")


def key_figures(report: Report) -> Html | None:
    """The numbers that one looks for first."""
    cards = list[Html]()
    verdict, acceptance, drift = report.get("verdict"), report.get("acceptance"), report.get("drift")
    if verdict:
        cards.append(_card("test accuracy", measured(verdict["models"]["candidate"]["accuracy"]), "95% interval"))
        compared = verdict["comparisons"]
        if "baseline" in compared:
            gain = compared["baseline"]["difference"]
            cards.append(_card("gain over human labels alone", measured(gain, signed=True), "the same student, paired"))
        if "teacher" in compared:
            cards.append(
                _card("share of the teacher", percent(compared["teacher"]["ratio"]["value"]), compared["teacher"]["metric"])
            )
    if acceptance:
        bound = f"error ≤ {acceptance['max_error']:.0%} at {acceptance['confidence']:.0%} confidence"
        cards.append(
            _card("labels taken over", percent(acceptance["coverage"]), f"{count(acceptance['accepted'])} rows, {bound}")
        )
    if drift:
        alarms = sum(item["alarms"] for item in drift["sources"])
        cards.append(_card("windows with an alarm", f"{alarms} of {len(drift['windows'])}", drift["false_alarms"]))
    stages = report.get("stages")
    if stages:
        cached = sum(1 for stage in stages if stage.get("cached"))
        spent = sum(stage.get("seconds", 0) for stage in stages)
        cards.append(_card("time", duration(spent), f"{len(stages)} stages, {cached} from the cache"))
    return el("div", *cards, cls="cards") if cards else None


def simulated(report: Report) -> Html | None:
    told = report.get("simulated")
    if not told:
        return None
    return el("div", el("p", "These are not real measurements; read the numbers that rest on them accordingly."),
              el("ul", *(el("li", quoted(item, 600)) for item in told)), cls="notice")  # fmt: skip


def stages(report: Report) -> Html | None:
    """Stage, rows, time, money, cache: the table that the terminal prints, too."""
    found = report.get("stages")
    if not found:
        return None
    currency = report.get("cost", CostReport()).get("currency", "USD")
    longest = max((stage.get("seconds", 0) for stage in found), default=0) or 1
    several = len({(stage.get("task"), stage.get("round")) for stage in found}) > 1

    def row(stage: StageRow) -> list[object]:
        seconds = stage.get("seconds", 0)
        where = [quoted(stage.get("task", ""), 40), stage.get("round", "")] if several else []
        return [
            *where,
            el("strong", quoted(stage.get("stage", ""), 60)),
            count(stage.get("rows")),
            bar(seconds / longest, duration(seconds)),
            money(stage.get("money_nano"), currency),
            badge("cached", "good") if stage.get("cached") else "",
            el("code", quoted(stage.get("run_id", ""), 40)),
        ]

    head = [*(["task", "round"] if several else []), "stage", "rows", "time", "money", "cache", "run"]
    shift = 2 if several else 0
    total = [*([""] * shift), el("strong", "total"), "", el("strong", duration(sum(stage.get("seconds", 0) for stage in found))),
             el("strong", money(sum(stage.get("money_nano", 0) for stage in found), currency)), "", ""]  # fmt: skip
    return table(head, [*map(row, found), total], numbers=[shift + 1, shift + 3])


def bar(share: float, text: str) -> Html:
    """A number with a bar as wide as its share of the largest."""
    return el("span", el("i", style=f"width:{100 * max(0.0, min(1.0, share)):.1f}%"), el("span", text), cls="bar")


def rounds(report: Report) -> Html | None:
    found = report.get("rounds")
    if not found:
        return None
    rows = [
        [item.get("round", ""), count(item.get("human_labels")), count(item.get("accepted")), measured(item.get("accuracy")),
         quoted(item.get("note", ""))]
        for item in found
    ]  # fmt: skip
    return table(["round", "human labels", "labels taken over", "test accuracy", ""], rows, numbers=[0, 1, 2, 3])


def cost(report: Report) -> Html | None:
    """Model 1 beside model 2, by meter, and what the second did not have to pay again."""
    found = report.get("cost")
    bills = [bill for bill in (found.get("model1"), found.get("model2")) if bill] if found else []
    if not found or not bills:
        return None
    currency = found.get("currency", "USD")
    drawn = [figure(charts.cost_bars(found), "Cost by meter", "What each model added to the bill.", name="cost")]
    return join(
        [
            el("div", *drawn, el("div", *(_bill(bill, currency) for bill in bills), cls="stack"), cls="grid"),
            el("p", f"Allocation: {rule}.", cls="fine") if (rule := found.get("rule")) else None,
        ]
    )


def _bill(bill: ModelCost, currency: str) -> Html:
    parts = [
        [
            quoted(part.get("meter", ""), 40),
            _quantity(part),
            money(part.get("nano"), currency),
            quoted(part.get("method", ""), 20),
        ]
        for part in bill.get("parts", [])
    ]
    total = [el("strong", "added to the bill"), "", el("strong", money(bill.get("marginal_nano"), currency)), ""]
    reused = bill.get("reused", [])
    whole = f"Full cost, with everything it rests on: {money(bill.get('full_nano'), currency)}."
    spared = (
        f" Reused: {len(reused)} runs worth {money(sum(item.get('nano', 0) for item in reused), currency)}." if reused else ""
    )
    listed = [
        [quoted(item.get("name", ""), 60), money(item.get("nano"), currency), quoted(item.get("paid_by", ""), 60)]
        for item in reused
    ]
    return el(
        "div",
        el("h3", quoted(bill.get("name", "model"), 60)),
        table(["meter", "quantity", "money", ""], [*parts, total], numbers=[1, 2]),
        el("p", whole + spared, cls="fine"),
        el("details", el("summary", "what was reused"), table(["run", "money", "paid by"], listed, numbers=[1]))
        if listed
        else None,
    )


def _quantity(part: Any) -> str:
    return "–" if part.get("quantity") is None else f"{part['quantity']:,.6g} {part.get('unit', '')}".strip()


def lineage(report: Report) -> Html | None:
    found = report.get("lineage")
    if not found:
        return None
    rows = [
        [el("strong", quoted(node.get("ref", ""), 80)), quoted(node.get("kind", ""), 30), count(node.get("rows")),
         el("code", quoted(node.get("digest", ""), 26)), el("code", quoted(node.get("run", ""), 40)), quoted(node.get("note", ""), 120)]
        for node in found
    ]  # fmt: skip
    return table(["artifact", "kind", "rows", "digest", "made by", ""], rows, numbers=[2], cls="chain")


def _headline(found: CostReport | None) -> Html | None:
    """The cost of model N+1 where there is one, of model 1 otherwise."""
    if not found:
        return None
    currency = found.get("currency", "USD")
    paid, next_paid = (bill.get("marginal_nano") if bill else None for bill in (found.get("model1"), found.get("model2")))
    if next_paid is not None:
        beside = f"model 1 cost {money(paid, currency)}" if paid is not None else ""
        beside += f"; this is {100 * next_paid / paid:.0f}% of it" if paid else ""
        return _big("cost of model N+1", money(next_paid, currency), beside)
    if paid is not None:
        return _big("cost of model 1", money(paid, currency), "the next one reuses what it can")
    return None


def _big(name: str, value: str, beside: str) -> Html:
    return el("div", el("div", name, cls="kicker"), el("div", value, cls="big"), el("div", beside, cls="fine"), cls="headline")


def _card(name: str, value: str, beside: str) -> Html:
    head, _, tail = value.partition(" [")
    shown = join([head, el("small", " [" + tail)]) if tail else head
    return el("div", el("div", name, cls="kicker"), el("div", shown, cls="value"), el("div", beside, cls="fine"), cls="card")
