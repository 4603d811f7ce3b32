"""The report as one HTML file that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pickaxe.flows.report import drawing, findings, overview
from pickaxe.flows.report.markup import Html, clean, el, quoted
from pickaxe.flows.report.model import Report

# Nothing may be fetched and nothing may run, even if a text from the data found a way into the markup.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

SECTIONS = (
    ("simulated", "What is simulated", overview.simulated),
    ("stages", "Stages", overview.stages),
    ("cost", "Cost", overview.cost),
    ("labelling", "Labels by people", findings.labelling),
    ("acceptance", "Labels by the teacher", findings.acceptance),
    ("search", "Student search", findings.search),
    ("gate", "Gate", findings.gate),
    ("rounds", "Rounds", overview.rounds),
    ("drift", "Drift", findings.drift),
    ("lineage", "Lineage", overview.lineage),
)


def render(report: Report, path: Path) -> None:
    """Write the report to `path`, whole or not at all. Sections whose data is missing are left out.

    Every text from the data is escaped; charts are inline SVG; the page follows the reader's light or dark setting.
    """
    page = "<!doctype html>\n" + markup(report)
    part = path.with_name(path.name + ".part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)


def markup(report: Report) -> Html:
    """The `<html>` element."""
    shown = [(name, title, body) for name, title, make in SECTIONS if (body := make(report)) is not None]
    links = [el("a", title, href=f"#{name}") for name, title, _ in shown]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"{clean(report.get('title', 'Report'))[:120]} · Pickaxe"),
        el("style", Html(files("pickaxe.flows.report").joinpath("page.css").read_text(encoding="utf-8") + drawing.css())),
    )
    body = el(
        "body",
        el("nav", el("b", "pickaxe"), *links),
        el(
            "main",
            overview.header(report),
            overview.key_figures(report),
            *(el("section", el("h2", title), body, id=name) for name, title, body in shown),
            _foot(report),
        ),
    )
    return el("html", head, body, lang="en")


def _foot(report: Report) -> Html:
    told = [report.get("made_at"), *(f"{key}: {value}" for key, value in report.get("machine", {}).items())]
    return el("footer", quoted(" · ".join(item for item in told if item), 600))
