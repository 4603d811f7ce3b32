"""What people do, in a real browser, from one page to the next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import pickaxe
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread
from tests.console.tabs import Tab, tab, until
from tests.flows.tiny import finished_line

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow  # whoever comes first waits for the line


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The finished toy line, open to write."""
    folder = finished_line(tmp_path_factory).copied(tmp_path_factory.mktemp("console") / "ws")
    with pickaxe.open(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def address(workspace: Workspace) -> Iterator[str]:
    with ServerThread(workspace, whole=True) as server:
        yield server.url


@pytest.fixture
def at(chromium: Browser, address: str) -> Iterator[Tab]:
    with tab(chromium, address) as opened:
        yield opened


def test_from_the_overview_to_the_gate_to_a_run_to_what_it_made(at: Tab) -> None:
    page = at.open("/")
    page.locator("#line-tiny h2 a").click()
    page.wait_for_selector("#verdict")
    assert page.locator("#verdict .badge").first.inner_text() == "gate passed"
    assert "$" in page.locator(".headline strong").first.inner_text()
    page.locator("#stages").get_by_role("link", name="teacher", exact=True).click()
    page.wait_for_selector(".chart svg")
    page.locator("a:has-text('tiny/teacher:')").first.click()
    page.get_by_role("link", name="Lineage").click()
    page.locator(".graph .node").nth(2).wait_for()
    before = page.url
    page.locator(".graph .node:not(.centre)").first.click()
    page.wait_for_url(lambda url: url != before)
    assert page.locator(".graph .centre").count() == 1


def test_why_and_how_much_in_two_clicks(at: Tab) -> None:
    """From an answer in a list: one click to the rows that speak for it, one more to their labels and price."""
    page = at.open("/endpoints/tiny")
    page.locator("a[href^='/traces/']:has(bdi)").first.click()
    page.wait_for_selector("#why tbody tr a")
    page.locator("#why tbody tr a").first.click()
    page.wait_for_url("**/rows/*")
    assert re.match(r"\$0\.\d+", page.locator(".headline strong").inner_text())
    assert page.locator("tbody tr").count() >= 1


def test_an_endpoint_is_tried_and_corrected(at: Tab, workspace: Workspace) -> None:
    page = at.open("/endpoints/tiny")
    page.fill("#try-text", "a splendid house in paris")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-answer] progress")
    said = page.locator("[data-label]").inner_text()
    right = "bad" if said == "good" else "good"
    page.select_option("#right-label", right)
    page.get_by_role("button", name="Say so").click()
    until(page, "document.querySelector('[data-said]').textContent !== ''")
    page.locator("[data-trace]").click()
    page.wait_for_selector("#why tbody tr")
    newest = workspace.log.list(kind="feedback", limit=1, newest_first=True)[0]
    assert (newest.body["label"], newest.body["text"]) == (right, "a splendid house in paris")
    assert newest.subject in page.url


def test_runs_are_filtered_and_compared(at: Tab) -> None:
    page = at.open("/runs")
    page.fill("input[name=q]", "tiny/teacher")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=tiny*")
    boxes = page.locator("tbody input[type=checkbox]")
    assert boxes.count() == 2
    for place in range(2):
        boxes.nth(place).check()
    page.get_by_role("button", name="Compare").click()
    page.locator(".chart").first.locator("svg path").first.wait_for()
    assert page.locator(".chart").first.inner_html().count("<svg") == 1


def test_the_jump_box_by_keyboard(at: Tab) -> None:
    page = at.open("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("tiny/model")
    page.wait_for_selector("#jump li a small:has-text('Artifacts')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/artifacts/**")
    assert "tiny/model" in page.locator("h1").inner_text()


def test_what_happens_appears_by_itself(at: Tab, workspace: Workspace) -> None:
    run = workspace.runs.page(prefix="tiny/teacher", limit=1)[0][0]
    page = at.open(f"/runs/{run.id}")
    page.wait_for_selector(".log")
    workspace.emit("log", run.id, name="info", body={"text": "a line that came later"})
    page.wait_for_selector(".log li:has-text('a line that came later')")
    workspace.emit("metric", run.id, name="validation_loss", value=0.125, step=99)
    until(
        page,
        "JSON.parse(document.querySelector('[data-drawn*=validation_loss]').dataset.drawn).datasets.values.some((p) => p.y === 0.125)",
    )


def test_language_and_theme_stay(at: Tab) -> None:
    page = at.open("/runs")
    page.get_by_role("button", name="中文").click()
    page.wait_for_selector("h1:has-text('运行')")
    page.get_by_role("button", name="深色主题").click()
    page.wait_for_selector("html[data-theme=dark]")
    page.get_by_role("link", name="账单").click()
    page.wait_for_url("**/bill")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.locator("h1").inner_text() == "账单"


def test_everything_is_reached_by_keyboard(at: Tab) -> None:
    page = at.open("/tasks")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    until(page, "document.activeElement.id === 'main'")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_the_menu_of_a_narrow_screen(chromium: Browser, address: str) -> None:
    with tab(chromium, address, narrow=True) as narrow:
        page = narrow.open("/")
        assert not page.get_by_role("link", name="Traces").is_visible()
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("link", name="Traces").click()
        page.wait_for_url("**/traces")
