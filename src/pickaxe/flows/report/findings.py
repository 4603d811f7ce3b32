"""The parts of the page that show what was measured: labels, acceptance, search, gate, drift."""

from __future__ import annotations

from typing import Any

from pickaxe.flows.report import charts
from pickaxe.flows.report.drawing import figure
from pickaxe.flows.report.markup import Html, count, duration, el, join, measured, number, percent, quoted, size, table
from pickaxe.flows.report.model import Report
from pickaxe.flows.report.overview import badge

SHOWN_CLASSES = 25
SHOWN_CONFUSION = 12


def labelling(report: Report) -> Html | None:
    found = report.get("labelling")
    if not found:
        return None
    shown = list[Html]()
    if found.get("curves"):
        chart = charts.learning_curve(found["curves"])
        shown.append(figure(chart, "Learning curve", "Accuracy over human labels; bands are 95% intervals.", name="learning"))
    people = [
        [quoted(item["name"], 40), badge("simulated", "warn") if item.get("simulated") else "person", count(item.get("labels")),
         duration(item.get("seconds")), percent(item.get("estimated_error")), percent(item.get("true_error"))]
        for item in found.get("annotators", [])
    ]  # fmt: skip
    agreement = [[quoted(name.replace("_", " "), 60), number(value)] for name, value in (found.get("agreement") or {}).items()
                 if isinstance(value, int | float)]  # fmt: skip
    tables = [
        join(
            [
                el("h3", "Annotators"),
                table(["who", "", "labels", "time", "error, estimated", "error, true"], people, numbers=[2, 3, 4, 5]),
            ]
        )
        if people
        else None,
        join([el("h3", "Agreement"), table(["measure", "value"], agreement, numbers=[1])]) if agreement else None,
    ]
    return el("div", *shown, el("div", *tables, cls="stack"), cls="grid") if shown or people or agreement else None


def acceptance(report: Report) -> Html | None:
    found = report.get("acceptance")
    if not found:
        return None
    rows = [
        [
            el("strong", "all classes" if item["label"] == "*" else quoted(item["label"], 40)),
            "–" if item["threshold"] is None else "all" if item["threshold"] == 0 else f"≥ {item['threshold']:.3f}",
            count(item["accepted"]),
            percent(item["coverage"]),
            f"{item['audit_errors']} of {item['audit_n']}" if item["threshold"] is not None else "–",
            percent(item["bound"], 0) if item["bound"] is not None else badge("none accepted", "warn"),
            quoted(item["reason"] or "", 400),
        ]
        for item in found["classes"][:SHOWN_CLASSES]
    ]
    head = ["class", "threshold", "taken over", "coverage", "audit errors", "error bound", ""]
    told = [
        el("p", quoted(found["statement"], 1200)),
        table(head, rows, numbers=[1, 2, 3, 4, 5]),
        _more(len(found["classes"]), SHOWN_CLASSES, "classes"),
        el("p", f"Method: {found['method']}. Source: {found['source']}.", cls="fine"),
        el("ul", *(el("li", item) for item in found["assumptions"]), cls="fine"),
    ]
    if not any(item["curve"] for item in found["classes"]):
        return join(told)
    caption = f"Dots are the chosen thresholds; the dashed line is the allowed error, {found['max_error']:.0%}."
    return el(
        "div",
        figure(charts.risk_coverage(found), "Risk and coverage", caption, name="risk"),
        el("div", *told, cls="stack"),
        cls="grid",
    )


def search(report: Report) -> Html | None:
    candidates = (report.get("search") or {}).get("candidates")
    if not candidates:
        return None
    ordered = sorted(candidates, key=lambda item: (not item.get("chosen"), -(item.get("accuracy") or 0)))
    rows = [
        [
            join([el("strong", quoted(item["name"], 60)), " ", badge("chosen", "good") if item.get("chosen") else None]),
            quoted(item.get("family", ""), 30),
            measured({"value": item.get("accuracy"), "low": item.get("low"), "high": item.get("high")}),
            "–" if item.get("latency_ms") is None else f"{item['latency_ms']:.3g} ms",
            size(item.get("size_bytes")),
            quoted(item.get("why") or "", 300),
        ]
        for item in ordered
    ]
    listed = table(["candidate", "family", "accuracy", "latency", "size", "why"], rows, numbers=[2, 3, 4])
    chart = charts.search_scatter(candidates)
    if chart is None:
        return listed
    drawn = figure(
        chart, "Accuracy and cost of an answer", "Lines are 95% intervals; the ring marks the chosen student.", name="search"
    )
    return el("div", drawn, el("div", listed, cls="stack"), cls="grid")


def gate(report: Report) -> Html | None:
    found = report.get("verdict")
    if not found:
        return None
    rules = [
        [badge("pass", "good") if rule["passed"] else badge("fail", "bad"), el("strong", rule["name"].replace("_", " ")),
         quoted(rule["metric"], 80), quoted(rule["explanation"], 300), quoted(rule["data"], 80)]
        for rule in found["rules"]
    ]  # fmt: skip
    models = found["models"]
    drawn = el(
        "div",
        figure(
            charts.intervals(models),
            "Candidate beside the others",
            f"Intervals: {found['method']['intervals']}.",
            name="intervals",
        ),
        figure(
            charts.reliability(models),
            "Reliability",
            f"ECE of the candidate: {measured(models['candidate']['ece'])}.",
            name="reliability",
        ),
        _confusion(models["candidate"]["confusion"]),
        cls="grid",
    )
    return join(
        [
            el("p", quoted(found["statement"], 600)),
            table(["", "rule", "metric", "measured", "data"], rules),
            drawn,
            _models(models),
            _comparisons(found["comparisons"]),
            _per_class(models["candidate"]["per_class"]),
            _worst(found["worst_errors"]),
            el("ul", *(el("li", quoted(note, 300)) for note in found["notes"]), cls="fine") if found["notes"] else None,
        ]
    )


def drift(report: Report) -> Html | None:
    found = report.get("drift")
    if not found:
        return None
    rows = [
        [el("strong", quoted(item["source"] or "traffic", 40)), f"{item['alarms']} of {item['windows']}", count(item["requests"]),
         ", ".join(test.replace("_", " ") for test in item["reasons"]) or "–"]
        for item in found["sources"]
    ]  # fmt: skip
    strange = [
        [
            quoted(item["source"] or "traffic", 40),
            quoted(example["text"]),
            number(example["bits_per_word"], 1),
            el("code", quoted(example["trace_id"], 40)),
        ]
        for item in found["sources"]
        for example in item["examples"]
    ]
    told = [
        el("p", quoted(found["statement"], 600)),
        table(["source", "alarms", "requests", "what differs"], rows, numbers=[1, 2]),
        el("details", el("summary", "strangest requests of the first window with an alarm"),
           table(["source", "text", "bits per word", "trace"], strange, numbers=[2])) if strange else None,
        el("details", el("summary", "the tests"),
           el("ul", *(el("li", f"{name.replace('_', ' ')}: {what}") for name, what in found["tests"].items()), cls="fine")),
        el("p", f"{found['method']}. Assumption: {found['assumption']}.", cls="fine"),
    ]  # fmt: skip
    if not found["windows"]:
        return join(told)
    caption = f"Above the dashed line the alarm fires; false alarms: {found['false_alarms']}."
    return el(
        "div", figure(charts.drift(found), "Drift by window", caption, name="drift"), el("div", *told, cls="stack"), cls="grid"
    )


def _confusion(found: dict[str, Any]) -> Html:
    """Shares of each true class by predicted class, as a table tinted by share."""
    labels, counts = found["labels"][:SHOWN_CONFUSION], found["counts"]
    rows = list[Html]()
    for index, label in enumerate(labels):
        total = sum(counts[index]) or 1
        cells = [
            el("td", count(value), el("small", percent(value / total, 0)), cls="cell" + (" hit" if place == index else ""),
               style=f"--share:{100 * value / total:.0f}%")
            for place, value in enumerate(counts[index][:SHOWN_CONFUSION])
        ]  # fmt: skip
        rows.append(el("tr", el("th", quoted(label, 24)), *cells))
    head = el("tr", el("th", "true ↓ said →"), *(el("th", quoted(label, 24)) for label in labels))
    grid = el("div", el("table", el("thead", head), el("tbody", *rows), cls="confusion"), cls="scroll")
    return el("figure", el("figcaption", el("strong", "Confusion"), el("span", "Test rows by true and predicted class.")), grid,
              _more(len(found["labels"]), SHOWN_CONFUSION, "classes"))  # fmt: skip


def _models(models: dict[str, Any]) -> Html:
    rows = [
        [el("strong", name), *(measured(item[metric]) for metric in ("accuracy", "macro_f1", "ece", "brier"))]
        for name, item in models.items()
    ]
    return join([el("h3", "Models"), table(["model", "accuracy", "macro-F1", "ECE", "Brier"], rows, numbers=[1, 2, 3, 4])])


def _comparisons(found: dict[str, Any]) -> Html | None:
    if not found:
        return None
    rows = [
        [el("strong", f"candidate − {name}"), measured(item["difference"], signed=True), percent(item["ratio"]["value"]),
         f"{item['mcnemar']['only_first_right']} : {item['mcnemar']['only_second_right']}", f"{item['mcnemar']['p_value']:.2g}"]
        for name, item in found.items()
    ]  # fmt: skip
    head = ["paired on the same rows", "difference", "ratio", "only one right", "McNemar p"]
    return join([el("h3", "Comparisons"), table(head, rows, numbers=[1, 2, 3, 4])])


def _per_class(found: list[dict[str, Any]]) -> Html:
    rows = [
        [
            el("strong", quoted(item["label"], 40)),
            count(item["support"]),
            *(measured(item[metric]) for metric in ("precision", "recall", "f1")),
        ]
        for item in found[:SHOWN_CLASSES]
    ]
    listed = table(["class", "test rows", "precision", "recall", "F1"], rows, numbers=[1, 2, 3, 4])
    return join([el("h3", "Candidate by class"), listed, _more(len(found), SHOWN_CLASSES, "classes")])


def _worst(found: list[dict[str, Any]]) -> Html | None:
    if not found:
        return None
    rows = [
        [
            quoted(item["text"]),
            quoted(item["label"], 40),
            quoted(item["predicted"], 40),
            percent(item["confidence"]),
            el("code", quoted(item["row_key"], 40)),
        ]
        for item in found
    ]
    listed = table(["text", "label", "said", "confidence", "row"], rows, numbers=[3])
    return el("details", el("summary", f"the {len(found)} most confident errors"), listed)


def _more(there: int, shown: int, what: str) -> Html | None:
    return el("p", f"{there - shown} more {what} are in the stored document.", cls="fine") if there > shown else None
