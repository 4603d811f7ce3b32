"""The report: whole, self-contained, legible in light and dark, and safe with hostile texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.evaluate.accept import accept
from pickaxe.evaluate.config import AcceptConfig, GateConfig
from pickaxe.evaluate.gate import gate
from pickaxe.flows.report import Report, render
from pickaxe.flows.report import charts as drawn
from pickaxe.flows.report.drawing import VARIABLES, css
from pickaxe.flows.report.markup import clean, duration, el, measured, money, number, percent, quoted, size
from pickaxe.flows.report.page import SECTIONS, markup
from pickaxe.monitor.config import ReferenceConfig, WatchConfig
from pickaxe.monitor.reference import fit_drift_reference
from pickaxe.monitor.watch import watch_report
from pickaxe.testing import StepBench

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)> ]]> \x00 \ud800 ‮evil‬ {{7*7}} ${x} url(#a) 🙂'


@pytest.fixture(scope="module")
def report() -> Report:
    """Documents as the real steps make them, and a bill."""
    rng = np.random.default_rng(0)
    keys = [f"k{index}" for index in range(1500)]
    truth, confidence = rng.integers(2, size=1500), 1 - 0.5 * rng.beta(1, 2, 1500)
    wrong = rng.random(1500) < 0.7 * (1 - confidence)

    def said(flip: float, at: slice) -> pa.Table:
        labels = np.where(wrong ^ (rng.random(1500) < flip), 1 - truth, truth)[at]
        probs = [
            [float(c), float(1 - c)] if label == 0 else [float(1 - c), float(c)]
            for label, c in zip(labels, confidence[at], strict=True)
        ]
        return pa.table(
            {"row_key": keys[at], "label": [f"c{label}" for label in labels], "confidence": confidence[at], "probs": probs}
        )

    def gold(at: slice) -> pa.Table:
        return pa.table(
            {"row_key": keys[at], "text": [f"text {key}" for key in keys[at]], "label": [f"c{label}" for label in truth[at]]}
        )

    pool, audit, test = slice(0, 1200), slice(0, 300), slice(1200, 1500)
    accepted = StepBench(
        {"predictions": said(0, pool), "audit_predictions": said(0, audit), "audit": gold(audit), "pool": gold(pool)}
    )
    accept(accepted, AcceptConfig(max_error=0.2))
    judged = StepBench({"candidate_predictions": said(0.01, test), "baseline_predictions": said(0.2, test),
                        "teacher_predictions": said(0, test), "test": gold(test)})  # fmt: skip
    gate(judged, GateConfig(resamples=200))
    return Report(
        title="Headlines", subtitle="From raw texts to a small model.", made_at="2026-01-01", machine={"cpu": "2 cores"},
        simulated=["the annotators are simulated"],
        stages=[{"stage": "ingest", "rows": 1500, "seconds": 1.5, "money_nano": 12_000, "cached": False, "run_id": "run-1"},
                {"stage": "publish", "rows": None, "seconds": 0.2, "money_nano": 0, "cached": True, "run_id": "run-2"}],
        labelling={
            "curves": [{"arm": arm, "labels": n, "accuracy": 0.7 + n / 5000, "low": 0.68 + n / 5000, "high": 0.72 + n / 5000}
                       for arm in ("active", "random") for n in (100, 500)],
            "agreement": {"krippendorff_alpha": 0.71},
            "annotators": [{"name": "ann", "simulated": True, "labels": 500, "seconds": 4000.0, "estimated_error": 0.05, "true_error": None}],
        },
        acceptance=accepted.saved["acceptance"],
        search={"candidates": [
            {"name": "linear", "family": "linear", "accuracy": 0.8, "low": 0.78, "high": 0.82, "size_bytes": 10_000, "latency_ms": 0.2,
             "chosen": True, "why": "best under the budget"},
            {"name": "onnx", "family": "onnx", "accuracy": 0.82, "low": 0.8, "high": 0.84, "size_bytes": 1e7, "latency_ms": None,
             "chosen": False, "why": "too slow"}]},
        verdict=judged.saved["verdict"],
        drift=_drift(rng),
        rounds=[{"round": 1, "human_labels": 500, "accepted": 900, "accuracy": {"value": 0.8, "low": 0.78, "high": 0.82}}],
        cost={"currency": "USD", "rule": "whole",
              "model1": {"name": "headlines", "full_nano": 35_000_000_000, "marginal_nano": 35_000_000_000,
                         "parts": [{"meter": "human time", "nano": 35_000_000_000, "quantity": 6000, "unit": "s", "method": "estimated"}]},
              "model2": {"name": "newswire", "full_nano": 26_000_000_000, "marginal_nano": 12_600_000_000,
                         "parts": [{"meter": "human time", "nano": 12_600_000_000, "quantity": 2000, "unit": "s", "method": "estimated"}],
                         "reused": [{"name": "vectors", "nano": 13_400_000_000, "paid_by": "headlines/student:1"}]}},
        lineage=[{"ref": "headlines/rows:1", "kind": "dataset", "digest": "sha256:00", "run": "run-1", "rows": 1500}],
    )  # fmt: skip


def _drift(rng: np.random.Generator) -> dict[str, Any]:
    usual = [" ".join(f"w{word}" for word in rng.integers(40, size=8)) for _ in range(600)]
    strange = [" ".join(f"z{word}" for word in rng.integers(40, size=30)) for _ in range(100)]
    fitted = StepBench({"rows": pa.table({"row_key": [f"r{i}" for i in range(400)], "text": usual[:400]})})
    fit_drift_reference(fitted, ReferenceConfig(dimensions=16))
    texts = [*usual[400:], *strange]
    traffic = pa.table({"trace_id": [f"t{i}" for i in range(300)], "text": texts, "label": pa.nulls(300, pa.string()),
                        "confidence": pa.nulls(300, pa.float64()), "source": ["home"] * 200 + ["away"] * 100,
                        "at_ord": list(range(300))})  # fmt: skip
    watched = StepBench({"traffic": traffic, "reference": fitted.saved["drift_reference"]})
    watch_report(watched, WatchConfig(window=100, alpha=0.05, horizon=5))
    return watched.saved["drift"]


class Outline(HTMLParser):
    """Tags, ids and attributes of a page; fails on tags that do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.tags, self.ids = list[str](), Counter[str](), list[str]()
        self.attributes = list[tuple[str, str]]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    assert parsed.open == []
    return parsed


def test_the_whole_report(report: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    render(report, path)
    page = path.read_text(encoding="utf-8")
    parsed = outline(page)
    assert {name for name, _, _ in SECTIONS} <= set(parsed.ids)
    assert parsed.tags["svg"] == 7
    assert len(parsed.ids) == len(set(parsed.ids))
    assert [item.name for item in tmp_path.iterdir()] == ["report.html"]
    text = unescape(re.sub(r"<[^>]+>", " ", page))
    for expected in (
        "cost of model N+1",
        "$12.60",
        "this is 36% of it",
        "gate passed",
        "drift alarm",
        "the annotators are simulated",
    ):
        assert expected in text
    assert "0.10" not in page.split("<style>")[0]


def test_nothing_is_fetched_and_nothing_runs(report: Any) -> None:
    page = markup(report)
    parsed = outline(page)
    addresses = set(re.findall(r"https?://[^\"'\s)<]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, not addresses
    assert not {"script", "link", "img", "iframe", "object", "embed", "image"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name in ("src", "srcset")]
    assert all(value.startswith("#") for name, value in parsed.attributes if name == "href")
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert any(value.startswith("default-src 'none'") for name, value in parsed.attributes if name == "content")
    assert "@import" not in page


def test_charts_use_only_colours_that_follow_the_page(report: Any) -> None:
    for svg in re.findall(r"<svg.*?</svg>", markup(report), flags=re.DOTALL):
        colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg)) - {"none", "transparent"}
        assert {colour for colour in colours if not colour.startswith("url(")} <= set(VARIABLES)
        assert 'width="100%"' not in svg
        assert "viewBox" in svg
    sheet = (Path(drawn.__file__).parent / "page.css").read_text(encoding="utf-8")
    light, dark = sheet.split("@media (prefers-color-scheme: dark)")[:2]
    for variable in VARIABLES.values():
        assert f"--{variable}:" in light
        assert f"--{variable}:" in dark
        assert f"var(--{variable})" in css()


@pytest.mark.slow
def test_the_same_report_is_the_same_bytes(report: Any, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        render(report, tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: each_text(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [each_text(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


@pytest.mark.slow
def test_hostile_texts_stay_texts(report: Any, tmp_path: Path) -> None:
    """Every text of every document becomes an attack; the page has the tags that it has with harmless texts."""
    kept = {"candidate", "teacher", "baseline", "accuracy"}  # names that the page looks up, never from the data
    evil = each_text(report, lambda text: text if text in kept else HOSTILE + text)
    calm = each_text(report, lambda text: text if text in kept else "x" * len(HOSTILE) + text)
    for item in (evil, calm):  # test names are keys of a table that the page looks up
        item["drift"]["sources"] = [{**source, "reasons": ["length"]} for source in item["drift"]["sources"]]
    render(evil, tmp_path / "evil.html")
    page = (tmp_path / "evil.html").read_text(encoding="utf-8")
    attacked, harmless = outline(page), outline(markup(calm))
    for tag in attacked.tags:
        if tag not in {"path", "g", "text"}:  # charts may place their labels otherwise
            assert attacked.tags[tag] == harmless.tags[tag], tag
    assert "<script" not in page
    assert "<img" not in page
    assert not [name for name, _ in attacked.attributes if name.startswith("on")]
    assert "\x00" not in page


@pytest.mark.slow
@pytest.mark.parametrize("part", sorted(Report.__optional_keys__))
def test_every_part_may_be_missing_or_alone(report: Any, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one part its section is gone; with one part alone the page still stands."""
    monkeypatch.setattr("pickaxe.flows.report.drawing.svg", lambda chart, **_: el("svg"))  # drawing is slow and tested above
    whole, sections = dict(report), {"verdict": "gate"}
    value = whole.pop(part)
    ids = outline(markup(Report(**whole))).ids  # type: ignore[typeddict-item]
    assert sections.get(part, part) not in ids
    alone = outline(markup(Report(**{part: value})))  # type: ignore[typeddict-item]
    if part in {name for name, _, _ in SECTIONS} | {"verdict"}:
        assert sections.get(part, part) in alone.ids


def test_an_empty_report_is_a_page() -> None:
    assert outline(markup(Report())).tags["section"] == 0


def test_nothing_accepted_a_failed_gate_and_no_traffic_are_shown(report: Any) -> None:
    refused = {**report["acceptance"]["classes"][0], "threshold": None, "bound": None, "accepted": 0, "coverage": 0.0,
               "observed_error": None, "reason": "too few audit rows", "curve": []}  # fmt: skip
    acceptance = {**report["acceptance"], "classes": [refused], "accepted": 0, "coverage": 0.0}
    rules = [{**report["verdict"]["rules"][0], "passed": False}]
    verdict = {**report["verdict"], "passed": False, "rules": rules, "comparisons": {},
               "models": {"candidate": report["verdict"]["models"]["candidate"]}}  # fmt: skip
    drift = {**report["drift"], "windows": [], "sources": [], "alarm": False}
    page = markup(Report(acceptance=acceptance, verdict=verdict, drift=drift))
    for expected in ("none accepted", "too few audit rows", "gate failed", "no drift"):
        assert expected in page


def test_a_search_without_latencies_is_drawn_over_size(report: Any) -> None:
    candidates = [{**item, "latency_ms": None} for item in report["search"]["candidates"]]
    chart = drawn.search_scatter(candidates)
    assert chart is not None
    assert "size, bytes" in chart.to_json()
    assert drawn.search_scatter([{**item, "size_bytes": None} for item in candidates]) is None


@given(st.text(st.characters(), max_size=60))
def test_elements_escape_any_text_and_attribute(text: str) -> None:
    page = el("b", text, title=text, cls="x")
    seen = Outline()
    seen.feed(page)
    assert seen.tags == {"b": 1}
    assert unescape(page.split(">", 1)[1].rsplit("<", 1)[0]) == clean(text)
    assert ("title", clean(text).replace("\r", "\r")) in seen.attributes
    page.encode("utf-8")


def test_numbers_for_people() -> None:
    assert [money(nano) for nano in (0, 1_234_567_890_000, 45_600_000, 12_000, None)] == [
        "$0.00",
        "$1,234.57",
        "$0.0456",
        "$0.000012",
        "–",
    ]
    assert money(1_000_000_000, "EUR") == "EUR 1.00"
    assert [duration(seconds) for seconds in (0.25, 12.34, 125, 6000, None)] == [
        "250 ms",
        "12.3 s",
        "2 min 5 s",
        "1 h 40 min",
        "–",
    ]
    assert [size(count) for count in (12, 7_900_000, 3e12, None)] == ["12 B", "7.9 MB", "3000.0 GB", "–"]
    assert [percent(0.1234), percent(float("nan")), number(None), number(1234.5, 1)] == ["12.3%", "–", "–", "1,234.5"]
    assert measured({"value": 0.07, "low": 0.05, "high": 0.09}, 2, signed=True) == "+0.07 [+0.05, +0.09]"
    assert measured({"value": None, "low": None, "high": None}) == "–"
    assert quoted("a" * 300, 10) == "<bdi>aaaaaaaaa…</bdi>"
