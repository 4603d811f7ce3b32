"""Write the screenshots of the console: ``python docs/write_screenshots.py WORKSPACE``, with a workspace that `pickaxe demo` made.

Needs Chromium. The real server runs over the workspace; pages are shown as a reader sees them, small enough for the repository.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pickaxe
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread

FOLDER = Path(__file__).parent / "screenshots"
LARGEST = 150_000


class Shot(NamedTuple):
    name: str
    path: str
    dark: bool = False
    narrow: bool = False
    language: str = "en"


def shots(workspace: Workspace) -> list[Shot]:
    """What is worth showing, of the task whose model was published first."""
    model = workspace.artifact(workspace.events(kind="publish", limit=1)[0].subject)
    task = model.name.partition("/")[0]
    teacher = workspace.runs.page(name=f"{task}/teacher", limit=1)[0][0]
    trace = workspace.log.list(kind="feedback", limit=1)[0].subject
    return [
        Shot("overview", "/"),
        Shot("overview-zh-dark", "/", dark=True, language="zh-CN"),
        Shot("overview-narrow", "/", narrow=True),
        Shot("task", f"/tasks/{task}"),
        Shot("run", f"/runs/{teacher.id}", dark=True),
        Shot("lineage", f"/artifacts/{task}/model@production?view=lineage"),
        Shot("endpoint", f"/endpoints/{task}"),
        Shot("trace", f"/traces/{trace}?why=1", dark=True),
        Shot("trace-narrow", f"/traces/{trace}?why=1", dark=True, narrow=True),
        Shot("bill", "/bill?sums=1"),
    ]


def write(workspace: Workspace) -> None:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("no chromium on this machine: apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    with ServerThread(workspace, whole=True) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        for shot in shots(workspace):
            context = browser.new_context(
                viewport={"width": 390, "height": 844} if shot.narrow else {"width": 1280, "height": 860},
                color_scheme="dark" if shot.dark else "light",
                locale=shot.language,
            )
            page = context.new_page()
            page.goto(server.url + shot.path, wait_until="load")
            page.wait_for_selector("html[data-ready]", state="attached")
            while not page.evaluate(
                "[...document.querySelectorAll('[data-chart]')].every((chart) => chart.querySelector('svg'))"
            ):
                page.wait_for_timeout(50)
            page.screenshot(path=FOLDER / f"{shot.name}.png")
            context.close()
            size = (FOLDER / f"{shot.name}.png").stat().st_size
            if size > LARGEST:
                raise SystemExit(f"{shot.name}.png has {size} bytes, more than {LARGEST}")
        browser.close()


if __name__ == "__main__":
    with pickaxe.open(Path(sys.argv[1])) as opened:
        write(opened)
