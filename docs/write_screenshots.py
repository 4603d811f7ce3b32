"""Write the console's pages as pictures, and ``console.md`` around them: ``python docs/write_screenshots.py WORKSPACE``.

WORKSPACE is one that `pickaxe demo` made; a labelling queue, a scenario and a saved query are added, for what people make by hand. Needs
Chromium. The real server runs over the workspace; every page is taken in both themes, as WebP, small enough for the repository.
"""

from __future__ import annotations

import base64
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from pyarrow import csv

import pickaxe
from pickaxe.data.label.queue import Queues, create_queue
from pickaxe.flows.explain import explain
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
FOLDER = HERE / "screenshots"
LARGEST = 150_000
WIDE, NARROW = (1280, 860), (390, 844)


class Shot(NamedTuple):
    name: str
    path: str
    about: str
    """What the page is for."""


# What is no reader's business: the name of the machine that the pictures were taken on.
_NAMELESS = """name => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const words = texts.currentNode.data.split(" · ");
    if (words.some((word) => word.trim() === name)) {
      texts.currentNode.data = words.map((word) => (word.trim() === name ? word.replace(name, "laptop") : word)).join(" · ");
    }
  }
}"""
QUEUE = "to-label"
_UPLOAD = "uploads/pool"


def shots(workspace: Workspace) -> list[Shot]:
    """Every page, of the task whose model was published first."""
    model = workspace.artifact(workspace.events(kind="publish", limit=1)[0].subject)
    task = model.name.partition("/")[0]
    teachers = workspace.runs.page(name=f"{task}/teacher", limit=2)[0]
    trace = workspace.log.list(kind="feedback", limit=1)[0].subject
    row = explain(workspace, trace, count=1).evidence[0].row.row_key
    query = quote("SELECT label, count(*) AS answers FROM labels GROUP BY label ORDER BY answers DESC")
    return [
        Shot("overview", "/", "Where every task stands, from data to answer, with time, money and what needs a person now."),
        Shot("tasks", "/tasks", "Every task: its stages, its verdict, the cost of its newest model beside the one before."),
        Shot("new-task", f"/tasks/-/new?source={_UPLOAD}", "A new task: a file is looked at, the line for it forecast, and started."),
        Shot("task", f"/tasks/{task}", "One task: stages live, the gate's verdict with intervals, the cost of model N beside model N−1."),
        Shot("runs", "/runs", "Every run, with filters; tick some to compare them."),
        Shot("run", f"/runs/{teachers[0].id}", "One run: curves, what it took of its machine, logs, settings, inputs and outputs, charges."),
        Shot("compare", f"/runs/compare?run={teachers[0].id}&run={teachers[1].id}", "Runs side by side: curves in one chart, settings that differ."),
        Shot("artifacts", "/artifacts", "Everything that was made, by name and kind."),
        Shot("artifact", f"/artifacts/{task}/model@production", "One artifact: its card, versions, what it cost."),
        Shot("lineage", f"/artifacts/{task}/model@production?view=lineage", "What it came from and what came of it."),
        Shot("diff", f"/artifacts/diff?a={task}/gold:1&b={task}/gold:2", "Two versions: settings and rows that differ."),
        Shot("data", "/data", "Every table."),
        Shot("table", f"/data/{task}/gold", "One table: rows, a profile of every column, its versions."),
        Shot("sql", f"/data/-/sql?q={query}&chart=bar&x=label&y=answers", "SQL over every table and record, read-only, with charts and saved queries."),
        Shot("label-queues", "/label", "The queues that people label together."),
        Shot("label", f"/label/{QUEUE}", "Labelling by keyboard: number keys, undo, skip, note; every answer is saved at once."),
        Shot("review", f"/review/{QUEUE}", "Where annotators disagree, and how well each agrees with the others."),
        Shot("endpoints", "/endpoints", "Every endpoint: traffic, latency, drift."),
        Shot("endpoint", f"/endpoints/{task}", "One endpoint: try it; latency, drift, feedback."),
        Shot("traces", "/traces", "Every answer that was given."),
        Shot("trace", f"/traces/{trace}?why=1", "One answer: what it took, why it is what it is, and how much it cost."),
        Shot("evidence", f"/traces/{trace}/rows/{row}", "A row behind an answer: who labelled it, and for how much."),
        Shot("bill", "/bill?sums=1", "Who paid what for what: by tenant, task, artifact and day, with idle time and the reconciliation."),
        Shot("plan", "/plan/pool", "What would it cost? Sliders, bands and what matters most."),
        Shot("claims", "/plan/claims", "Published claims, and the assumptions under which they hold."),
        Shot("forecasts", "/plan/forecasts", "Forecasts beside what the meter read."),
        Shot("settings", "/settings", "People, keys, prices, and what this server is."),
        Shot("changes", "/settings/changes", "Who changed what, and when."),
    ]  # fmt: skip


def write(workspace: Workspace) -> None:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("no chromium on this machine: apt-get install chromium")
    _something_uploaded(workspace)
    _something_to_label(workspace)
    found = shots(workspace)
    FOLDER.mkdir(exist_ok=True)
    with ServerThread(workspace, whole=True) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        for shot in found:
            for dark in (False, True):
                _take(browser, server.url + shot.path, f"{shot.name}-dark" if dark else shot.name, dark=dark)
        trace = next(shot for shot in found if shot.name == "trace")
        _take(browser, server.url, "overview-zh", language="zh-CN")
        _take(browser, server.url, "overview-narrow", size=NARROW)
        _take(browser, server.url + trace.path, "trace-narrow", size=NARROW, dark=True)
        browser.close()
    (HERE / "console.md").write_text(_document(found), encoding="utf-8")


def _something_uploaded(workspace: Workspace) -> None:
    """A file as somebody would bring it: headlines with the labels that hold."""
    if workspace.artifacts.find(name=_UPLOAD) is not None:
        return
    rows = workspace.read_table(workspace.artifact("headlines/gold:1"), ["text", "label"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "headlines.csv"
        csv.write_csv(rows, file)
        workspace.import_files(file, _UPLOAD)


def _something_to_label(workspace: Workspace) -> None:
    """A queue over some headlines that two people have begun on."""
    if workspace.artifacts.find(name=f"{QUEUE}/queue") is not None:
        return
    rows = workspace.read_table(workspace.artifact("headlines/pool"), ["row_key", "text"]).slice(0, 200)
    create_queue(
        workspace,
        QUEUE,
        workspace.import_table(rows, f"{QUEUE}/rows"),
        labels=("sarcastic", "serious"),
        overlap=2,
        guidelines="Sarcastic: the headline means the opposite of what it says, or mocks. In doubt: serious.",
    )
    queue = Queues.of(workspace).get(workspace, QUEUE)
    for number in range(12):
        for name in ("ada", "grace"):
            [item, *_] = queue.take(name, ahead=0)
            queue.answer(
                name, item.row_key, "sarcastic" if number % (3 if name == "ada" else 4) else "serious", seconds=2.0 + number / 10
            )


def _take(
    browser: Browser, url: str, name: str, *, dark: bool = False, size: tuple[int, int] = WIDE, language: str = "en"
) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", locale=language
    )
    page = context.new_page()
    page.goto(url, wait_until="load")
    page.wait_for_selector("html[data-ready]", state="attached")
    _wait_for_charts(page)
    page.evaluate(_NAMELESS, socket.gethostname())
    taken = context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": 70})
    content = base64.b64decode(taken["data"])
    context.close()
    if len(content) > LARGEST:
        raise SystemExit(f"{name}.webp has {len(content)} bytes, more than {LARGEST}")
    (FOLDER / f"{name}.webp").write_bytes(content)


def _wait_for_charts(page: Page) -> None:
    while not page.evaluate("[...document.querySelectorAll('[data-chart]')].every((chart) => chart.querySelector('svg'))"):
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)


def _document(found: list[Shot]) -> str:
    intro = (
        "`pickaxe up` serves it; the pictures show the workspace of `pickaxe demo`, whose annotators and users are simulated. English"
        " and 中文, light and dark as the reader's system has it, from 390 pixels of width."
    )
    parts = ["# The console, page by page", intro]
    for shot in found:
        name = shot.name.replace("-", " ")
        title = "SQL" if name == "sql" else name[0].upper() + name[1:]
        parts.append(
            f"## {title}\n\n{shot.about}\n\n<picture>\n"
            f'  <source media="(prefers-color-scheme: dark)" srcset="screenshots/{shot.name}-dark.webp">\n'
            f'  <img src="screenshots/{shot.name}.webp" alt="{shot.about}" width="1280">\n</picture>'
        )
    parts.append(
        "## Narrow, and in Chinese\n\n![The overview on a telephone](screenshots/overview-narrow.webp)\n"
        "![An answer on a telephone](screenshots/trace-narrow.webp)\n\n![The overview in Chinese](screenshots/overview-zh.webp)"
    )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    with pickaxe.open(Path(sys.argv[1])) as opened:
        write(opened)
