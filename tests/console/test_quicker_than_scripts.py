"""Whoever presses before the scripts of a page are there: nothing is lost, nothing is done twice, and scripts that never come are said."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pickaxe.flows import job_carrier
from pickaxe.flows.job_view import jobs_page
from pickaxe.kernel.workspace import Workspace
from tests.console.held import Held
from tests.console.tabs import Tab, tab, until
from tests.console.test_jobs import until_cancelled

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


@pytest.fixture
def at(chromium: Browser, served: tuple[Workspace, str]) -> Iterator[Tab]:
    with tab(chromium, served[1]) as opened:
        yield opened


def begun(at: Tab, path: str, script: str) -> tuple[Page, Held]:
    """The page at `path`, to be seen and pressed, while `script` is on its way."""
    held = Held(at.page, f"**/{script}")
    at.page.goto(at.address + path, wait_until="commit")
    at.page.locator("#away").wait_for(state="attached")
    held.wait()
    return at.page, held


def test_the_jump_box_opens_when_it_can(at: Tab) -> None:
    page, held = begun(at, "/runs", "console.js")
    page.keyboard.press("Control+k")
    page.keyboard.press("Control+k")
    assert not page.locator("#jump").is_visible()
    held.let_go()
    page.locator("#jump input").wait_for()
    page.keyboard.type("plan")
    page.keyboard.press("Enter")
    page.wait_for_url("**/plan/train")


def test_a_menu_that_was_pressed_twice_is_open(chromium: Browser, served: tuple[Workspace, str]) -> None:
    with tab(chromium, served[1], narrow=True) as narrow:
        page, held = begun(narrow, "/runs", "console.js")
        menu = page.locator("[data-menu]")
        menu.click()
        assert menu.get_attribute("aria-busy") == "true"
        menu.click()
        held.let_go()
        page.locator("#menu.open").wait_for()
        assert menu.get_attribute("aria-busy") is None


def test_a_filter_filters(at: Tab) -> None:
    page, held = begun(at, "/runs", "console.js")
    page.get_by_label("State").select_option("failed")
    held.let_go()
    page.wait_for_url("**/runs?*state=failed")


def test_a_query_runs(at: Tab) -> None:
    page, held = begun(at, "/data/-/sql", "console.js")
    page.get_by_label("Query").fill("SELECT 41 + 1 AS answer")
    page.keyboard.press("Control+Enter")
    held.let_go()
    page.get_by_role("cell", name="42").wait_for()


def test_a_slider_moves_its_number(at: Tab) -> None:
    page, held = begun(at, "/plan/train", "plan.js")
    slider = page.locator("input[type=range]").first
    before = page.locator(f"#{slider.get_attribute('data-scales')}").input_value()
    slider.fill("1")
    held.let_go()
    page.wait_for_url("**/plan/train?*")
    assert page.locator(f"#{slider.get_attribute('data-scales')}").input_value() != before


def test_a_file_that_was_chosen_goes_up(at: Tab, tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("title,kind\n" + "".join(f"ticket {n},{'urgent' if n % 2 else 'not'}\n" for n in range(40)))
    page, held = begun(at, "/tasks/-/new", "start.js")
    page.set_input_files("#file", file)
    held.let_go()
    page.wait_for_url("**source=**")
    page.locator("#forecast-title").wait_for()

    # And Start, before the script of the form is there.
    page, held = begun(at, page.url.removeprefix(at.address), "start.js")
    page.locator("#f-name").fill("other-tickets")
    page.get_by_role("button", name="Start").click()
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    page.route("**/v1/jobs", lambda route: route.abort())
    held.let_go()
    page.get_by_text("The server did not answer.").first.wait_for()
    assert posted == [f"{at.address}/v1/jobs"]
    assert "name=other-tickets" in page.url
    at.complaints[:] = [said for said in at.complaints if "ERR_FAILED" not in said]


def test_a_demo_that_was_pressed_twice_starts_once(
    at: Tab, served: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_carrier, "_produce", until_cancelled)
    page, held = begun(at, "/tasks/-/new", "jobs.js")
    start = page.get_by_role("button", name="Start headlines")
    start.dblclick()
    start.click()
    held.let_go()
    page.wait_for_url("**/tasks/headlines")
    page.on("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Cancel headlines").click()
    page.get_by_text("cancelled").first.wait_for()
    assert len(jobs_page(served[0])) == 1


def test_whoever_goes_back_finds_the_page_ready(chromium: Browser, served: tuple[Workspace, str]) -> None:
    """As a browser does that keeps the page: the driver's own does not."""
    kept = chromium.browser_type.launch(
        executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
        args=["--no-sandbox"],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    with tab(kept, served[1]) as opened:
        page = opened.open("/tasks/-/new")
        page.evaluate("window.kept = true")
        page.route("**/v1/jobs", lambda route: route.fulfill(status=202, json={"data": {"id": "job-0"}}))
        start = page.get_by_role("button", name="Start headlines")
        start.click()
        page.wait_for_url("**/tasks/headlines")
        page.go_back(wait_until="commit")
        assert page.evaluate("window.kept"), "it was not kept"
        until(page, "!document.querySelector('button[aria-busy=true]')")
        page.keyboard.press("Control+k")
        page.keyboard.type("plan")
        page.keyboard.press("Enter")
        page.wait_for_url("**/plan/train")
        page.go_back(wait_until="commit")
        assert page.evaluate("window.kept"), "it was not kept"
        page.locator("#jump").wait_for(state="hidden")
        start.click()
        page.wait_for_url("**/tasks/headlines")
        opened.complaints[:] = [said for said in opened.complaints if "404" not in said]  # there is no such task
    kept.close()


def test_scripts_that_never_come_are_said(at: Tab) -> None:
    at.page.route("**/live.js", lambda route: route.abort())
    page = at.page
    page.goto(f"{at.address}/settings")
    page.get_by_text("A part of this page did not come").wait_for()
    page.unroute("**/live.js")
    page.get_by_role("link", name="Load it again").click()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert not page.locator("#broken").is_visible()
    at.complaints[:] = [said for said in at.complaints if "ERR_FAILED" not in said]


def test_nothing_moves_for_who_wants_it_still(at: Tab) -> None:
    at.page.emulate_media(reduced_motion="reduce")
    page, held = begun(at, "/tasks/-/new", "jobs.js")
    start = page.get_by_role("button", name="Start headlines")
    start.click()
    moving = "button => [getComputedStyle(button, '::after').animationName, getComputedStyle(button, '::after').content]"
    assert start.evaluate(moving) == ["none", '""'], "what is under way says so all the same"
    page.route("**/v1/jobs", lambda route: route.abort())
    held.let_go()
    page.get_by_text("The server did not answer.").first.wait_for()
    at.complaints[:] = [said for said in at.complaints if "ERR_FAILED" not in said]
