"""Pages in front of a server that takes its time: nothing is done twice, no old answer stands over a newer one, what is under way
says so, and what failed can be done again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.nouns import Route as Served
from pickaxe.kernel.workspace import Workspace
from tests.console.desk import filled
from tests.console.held import Held
from tests.console.tabs import Tab, tab, until
from tests.console.test_live_pages import Open
from tests.serve.fakes import CLASSES, write_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Route

pytestmark = pytest.mark.slow


@pytest.fixture
def at(chromium: Browser, served: tuple[Workspace, str]) -> Iterator[Open]:
    with tab(chromium, served[1]) as opened:
        yield Open(opened, served[0])


def busy(place: Locator) -> bool:
    return place.get_attribute("aria-busy") == "true"


def without(at: Tab, said: str) -> None:
    """What the test itself broke is no complaint."""
    at.complaints[:] = [complaint for complaint in at.complaints if said not in complaint]


# Once


def test_a_key_is_made_once_however_often_it_is_pressed(at: Open) -> None:
    page = at.tab.open("/settings")
    form, held = page.locator('form[data-at="/v1/keys"]'), Held(page, "**/v1/keys")
    form.locator("input[name=name]").fill("my laptop")
    make = form.get_by_role("button", name="Make a key")
    make.dblclick()
    form.locator("input[name=name]").press("Enter")
    held.wait()
    assert busy(make)
    held.let_go()
    page.get_by_role("region", name="Keys").locator("[data-list]").get_by_text("my laptop", exact=True).wait_for()
    assert len(held.routes) == 1
    assert not busy(make)
    assert [key.name for key in Access.of(at.workspace.catalog).keys.list(LOCAL_TENANT)] == ["my laptop"]


def test_what_was_not_answered_is_said_and_can_be_done_again(at: Open) -> None:
    page = at.tab.open("/settings")
    form = page.locator('form[data-at="/v1/keys"]')
    page.route("**/v1/keys", lambda route: route.abort())
    form.locator("input[name=name]").fill("again")
    form.get_by_role("button").click()
    page.get_by_text("Load the page again to see whether it was done.").wait_for()
    page.unroute("**/v1/keys")
    form.get_by_role("button").click()
    page.locator("#secret code").get_by_text("pickaxe_").wait_for()
    without(at.tab, "ERR_FAILED")


def test_a_queue_is_made_once(at: Open) -> None:
    at.workspace.import_table(pa.table({"row_key": ["a", "b"], "text": ["x", "y"]}), "once/rows")
    page = at.tab.open("/label")
    held = Held(page, "**/label")
    page.locator("#new [name=name]").fill("once")
    page.locator("#new [name=labels]").fill("yes, no")
    make = page.get_by_role("button", name="Make the queue")
    # The driver's own click would wait for the page that comes.
    make.evaluate("button => { button.click(); setTimeout(() => button.click(), 400); }")
    held.wait()
    page.wait_for_timeout(1000)
    assert len(held.routes) == 1
    held.let_go()
    page.wait_for_url("**/label/once")


def test_a_correction_is_on_record_once(at: Open, tmp_path: Path) -> None:
    stored = at.workspace.content.store_files(write_model(tmp_path / "model"), "model", {"classes": list(CLASSES)})
    with at.workspace.catalog.write() as connection:
        at.workspace.artifacts.add(connection, "words/model", stored, id="art-words", run_id=None, at_ns=1)
    at.workspace.publish("words", [Served("art-words")])
    page = at.tab.open("/endpoints/words")
    held = Held(page, "**/predict")
    page.fill("#try-text", "a text")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Control+Enter")
    held.wait()
    assert busy(page.get_by_role("button", name="Ask"))
    held.let_go()
    page.wait_for_selector("[data-answer] progress")
    said = Held(page, "**/feedback")
    page.get_by_role("button", name="Say so").dblclick()
    said.wait()
    said.let_go()
    page.locator("[data-said]").get_by_text("On record").wait_for()
    assert (len(held.routes), len(said.routes)) == (1, 1)
    assert len(at.workspace.log.list(kind="feedback", limit=5)) == 1


# The newest answer stands


def test_a_page_that_came_late_is_not_shown_over_a_newer_one(at: Open) -> None:
    page = at.tab.open("/tasks")
    held = Held(page, "**/tasks")
    at.run("first/teacher")
    held.wait()
    at.run("second/teacher")
    page.wait_for_timeout(4000)
    assert len(held.routes) == 1, "one at a time"
    held.let_go()
    page.get_by_role("link", name="second").first.wait_for()


def test_a_name_that_is_being_written_stays_when_the_plan_comes(at: Open) -> None:
    page = at.tab.open("/plan/train")
    held = Held(page, "**/plan/train?*")
    page.locator("input[type=range]").first.fill("1")
    held.wait()
    assert busy(page.locator("#results"))
    name = page.locator("[data-scenario] [name=name]")
    name.click()
    page.keyboard.type("half")
    held.let_go()
    page.wait_for_url("**/plan/train?*")
    page.keyboard.type("-way")
    assert name.input_value() == "half-way"
    assert not busy(page.locator("#results"))
    page.route("**/plan/train?*", lambda route: route.abort())
    page.locator("input[type=range]").first.fill("-1")
    page.locator("#results").get_by_text("The server did not answer.").wait_for()
    without(at.tab, "ERR_FAILED")


def test_what_starts_is_what_the_form_said_when_start_was_pressed(at: Open, tmp_path: Path) -> None:
    file = tmp_path / "notes.csv"
    file.write_text("title,kind\n" + "".join(f"note {n},{'urgent' if n % 2 else 'not'}\n" for n in range(40)))
    source = at.workspace.import_files(file, "uploads/notes", kind="source")
    page = at.tab.open(f"/tasks/-/new?source={source.id}")
    posted: list[str] = []

    def refuse(route: Route) -> None:
        posted.append(json.loads(route.request.post_data or "")["task"]["name"])
        route.abort()

    page.route("**/v1/jobs", refuse)
    name, start = page.locator("#f-name"), page.get_by_role("button", name="Start")
    held = Held(page, "**/tasks/-/new?*")
    name.fill("wanted")
    start.click()
    held.wait()
    assert busy(start)
    name.fill("later")
    held.wait(2)
    held.let_go()
    page.get_by_text("Load the page again to see whether it was done.").wait_for()
    assert posted == ["wanted"]
    assert not busy(start)
    page.wait_for_url("**name=later*")
    without(at.tab, "ERR_FAILED")


def test_of_two_decisions_the_first_is_kept_before_the_next_is_taken(at: Open) -> None:
    desk = filled(at.workspace, 2, name="divided", labels=("yes", "no"), overlap=2)
    for key in ("k0", "k1"):
        for who, label in (("ann", "yes"), ("bob", "no")):
            desk.answer(who, key, label, seconds=1)
    page = at.tab.open("/review/divided")
    held = Held(page, "**/decide")
    first, second = page.locator("#item-k0"), page.locator("#item-k1")
    first.get_by_role("button", name="yes").click()
    held.wait()
    first.get_by_role("button", name="no").click()
    assert busy(first)
    second.get_by_role("button", name="yes").focus()
    held.let_go()
    first.get_by_text("ada", exact=False).or_(first.locator(".notice.good")).first.wait_for()
    assert len(held.routes) == 1
    assert page.evaluate("document.activeElement.closest('.divided')?.id") == "item-k1", "whoever went on stays there"
    first.get_by_role("button", name="no").click()
    until(page, "document.querySelector('#item-k0 [aria-pressed=true]')?.textContent === 'no'")
    assert {key: row.label for key, row in desk.decisions().items()} == {"k0": "no"}


# Parts


def test_a_part_that_does_not_come_says_so_and_where_it_is(at: Open) -> None:
    at.workspace.import_table(pa.table({"n": [1, 2]}), "parts/rows")
    held = Held(at.tab.page, "**/data/-/columns/*")
    page = at.tab.open("/data/parts/rows")
    held.wait()
    assert busy(page.locator("#columns"))
    held.routes[0].abort()
    page.locator("#columns").get_by_text("This part did not come.").wait_for()
    held.routes.clear()
    held.let_go()
    page.get_by_role("link", name="Load it again").last.click()
    page.locator("#columns").get_by_text("n", exact=True).wait_for()
    without(at.tab, "ERR_FAILED")


def test_a_chart_whose_script_does_not_come_says_so(at: Open) -> None:
    run = at.run("drawn/teacher")
    for step in range(3):
        at.workspace.emit("metric", run, name="loss", value=1 / (1 + step), step=step)
    at.tab.page.route("**/vega.js", lambda route: route.abort())
    page = at.tab.open(f"/runs/{run}")
    page.locator(".chart").get_by_text("This part did not come.").first.wait_for()
    page.unroute("**/vega.js")
    at.workspace.emit("metric", run, name="loss", value=0.1, step=3)
    page.locator(".chart svg").first.wait_for()
    without(at.tab, "ERR_FAILED")
