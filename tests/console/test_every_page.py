"""Every page, in both themes and at both widths: nobody is shut out, nothing sticks out, and it comes quickly and light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pickaxe.kernel.workspace import Workspace
from tests.console.tabs import tab
from tests.console.test_journeys import address, workspace

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["address", "workspace"]
pytestmark = pytest.mark.slow  # whoever comes first waits for the line

PATHS = {
    "overview": "/",
    "tasks": "/tasks",
    "task": "/tasks/tiny",
    "new task": "/tasks/-/new",
    "new task's form": "/tasks/-/new?source=tiny/source",
    "runs": "/runs",
    "run": "/runs/{run}",
    "run with figures of long names": "/runs/{student}",
    "compare": "/runs/compare?run={run}&run={other}",
    "artifacts": "/artifacts",
    "artifact": "/artifacts/tiny/model@production",
    "table": "/artifacts/tiny/gold:1",
    "lineage": "/artifacts/tiny/model@production?view=lineage",
    "diff": "/artifacts/diff?a=tiny/gold:1&b=tiny/gold:2",
    "endpoints": "/endpoints",
    "endpoint": "/endpoints/tiny",
    "traces": "/traces",
    "trace": "/traces/{trace}?why=1",
    "evidence": "/traces/{trace}/rows/{row}",
    "bill": "/bill?sums=1",
    "bill of one": "/bill?artifact=tiny/model:2",
    "plan": "/plan/train",
    "claims": "/plan/claims",
    "forecasts": "/plan/forecasts",
    "settings": "/settings",
    "changes": "/settings/changes",
    "error": "/runs/none",
}
COLD_BYTES, READY_SECONDS = 300_000, 1.0


@pytest.fixture(scope="module")
def names(workspace: Workspace) -> dict[str, str]:
    from pickaxe.flows.explain import explain

    teachers = workspace.runs.page(prefix="tiny/teacher", limit=2)[0]
    trace = workspace.log.list(kind="feedback", limit=1)[0].subject
    row = explain(workspace, trace, count=1).evidence[0].row.row_key
    [student] = workspace.runs.page(prefix="tiny/student", limit=1)[0]
    return {"run": teachers[0].id, "other": teachers[1].id, "student": student.id, "trace": trace, "row": row}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_nobody_is_shut_out(chromium: Browser, address: str, names: dict[str, str], path: str, dark: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with tab(chromium, address, dark=dark) as opened:
        page = opened.open(path.format(**names))
        page.wait_for_timeout(300)
        # The checker is injected by the driver, which the page's policy does not bind.
        found = Axe().run(page).response["violations"]
        opened.complaints[:] = [said for said in opened.complaints if "404" not in said]
    assert [(item["id"], [node["target"] for node in item["nodes"]][:3]) for item in found] == []


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_nothing_sticks_out_of_a_narrow_screen(
    chromium: Browser, address: str, names: dict[str, str], path: str, language: str
) -> None:
    with tab(chromium, address, narrow=True, language=language) as opened:
        page = opened.open(path.format(**names))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        opened.complaints[:] = [said for said in opened.complaints if "404" not in said]


@pytest.mark.parametrize(
    "path", [path for name, path in PATHS.items() if name != "error"], ids=[name for name in PATHS if name != "error"]
)
def test_a_cold_page_is_light(chromium: Browser, address: str, names: dict[str, str], path: str) -> None:
    with tab(chromium, address) as opened:
        session = opened.page.context.new_cdp_session(opened.page)
        session.send("Network.enable")
        weights: list[int] = []
        session.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
        opened.open(path.format(**names))
        opened.page.wait_for_timeout(500)
    assert 1_000 < sum(weights) < COLD_BYTES
