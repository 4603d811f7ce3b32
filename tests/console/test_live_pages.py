"""Pages that are open while things happen, and forms that fail halfway, in a real browser over a workspace with little in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pytest

import pickaxe
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Role
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.runs import RunSpec
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread
from tests.console.held import Held
from tests.console.tabs import PATIENCE, Tab, tab
from tests.ports import free_port
from tests.serve.fakes import CLASSES, write_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PASSWORD = "a long enough password"


class Open(NamedTuple):
    tab: Tab
    workspace: Workspace

    def run(self, name: str) -> str:
        """A run that is under way."""
        run = self.workspace.runs.queue(RunSpec(name.encode().hex().ljust(24, "0"), name, "steps:step", {}, {}))
        self.workspace.runs.start(run.id)
        return run.id


@pytest.fixture
def at(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """A tab in front of an empty workspace of its own."""
    with (
        pickaxe.open(tmp_path / "workspace") as workspace,
        ServerThread(workspace, whole=True) as server,
        tab(chromium, server.url) as opened,
    ):
        yield Open(opened, workspace)


def test_a_correction_never_goes_to_the_answer_before(at: Open, tmp_path: Path) -> None:
    stored = at.workspace.content.store_files(write_model(tmp_path / "model"), "model", {"classes": list(CLASSES)})
    with at.workspace.catalog.write() as connection:
        at.workspace.artifacts.add(connection, "words/model", stored, id="art-words", run_id=None, at_ns=1)
    at.workspace.publish("words", [Route("art-words")])
    page = at.tab.open("/endpoints/words")

    def ask(text: str) -> None:
        page.fill("#try-text", text)
        page.get_by_role("button", name="Ask").click()

    page.fill("#try-text", "   ")
    page.get_by_role("button", name="Ask").click()
    assert page.evaluate("document.getElementById('try-text').validationMessage") == "Write a text first: spaces alone are none."
    ask("the first text")
    page.wait_for_selector("[data-answer] progress")
    first = page.locator("[data-trace]").get_attribute("href")
    page.get_by_role("button", name="Say so").click()
    page.locator("[data-said]").get_by_text("On record").wait_for()

    page.route("**/predict", lambda route: route.abort())
    ask("a text that nobody answers")
    page.locator("[data-label]").get_by_text("The endpoint did not answer.").wait_for()
    assert not page.get_by_role("button", name="Say so").is_visible()
    assert not page.locator("[data-trace]").is_visible()
    assert page.locator("[data-answer] progress").count() == 0
    at.tab.complaints.clear()  # the request that failed

    page.unroute("**/predict")
    ask("the next text")
    page.wait_for_selector("[data-answer] progress")
    assert page.locator("[data-said]").inner_text() == ""
    assert page.locator("[data-trace]").get_attribute("href") != first
    page.get_by_role("button", name="Say so").click()
    page.locator("[data-said]").get_by_text("On record").wait_for()
    feedback = at.workspace.log.list(kind="feedback", limit=5, newest_first=True)
    assert [event.body["text"] for event in feedback] == ["the next text", "the first text"]


def test_the_first_line_of_a_log_and_the_first_chart_come_by_themselves(at: Open) -> None:
    run = at.run("words/teacher")
    page = at.tab.open(f"/runs/{run}")
    assert page.locator(".log").count() == 0
    for step in range(3):
        at.workspace.emit("metric", run, name="loss", value=1 / (1 + step), step=step)
    at.workspace.emit("log", run, name="info", body={"text": "the first line"})
    page.locator(".log").get_by_text("the first line").wait_for()
    page.wait_for_selector(".chart svg")


def test_what_changes_before_a_page_listens_appears_too(at: Open) -> None:
    listening = Held(at.tab.page, "**/live")
    page = at.tab.open("/runs")
    page.locator(".empty").wait_for()
    listening.wait()
    at.run("words/teacher")
    listening.let_go()
    page.get_by_role("link", name="words/teacher").wait_for()


def test_new_things_appear_on_open_pages(at: Open, tmp_path: Path) -> None:
    page = at.tab.open("/")
    page.get_by_text("Nothing here yet").wait_for()
    at.run("words/teacher")
    page.wait_for_selector("#line-words")
    assert page.get_by_text("Nothing here yet").count() == 0
    at.run("others/teacher")
    page.wait_for_selector("#line-others")
    model = at.workspace.import_files(write_model(tmp_path / "model"), "words/model", kind="model")
    at.workspace.publish("words", [Route(model.id)])
    page.locator("#serving").get_by_role("link", name="words").wait_for()


def test_empty_lists_fill_by_themselves(at: Open, chromium: Browser, tmp_path: Path) -> None:
    """Each list is open before there is anything in it."""
    paths = ("/tasks", "/runs", "/artifacts", "/data", "/endpoints", "/traces")
    with ExitStack() as closing:
        tabs = {path: closing.enter_context(tab(chromium, at.tab.address)).open(path) for path in paths}
        for page in tabs.values():
            page.locator(".empty").wait_for()
        at.workspace.import_table(pa.table({"n": [1]}), "words/rows")  # without an event
        tabs["/artifacts"].get_by_role("link", name="words/rows").wait_for()
        tabs["/data"].get_by_role("link", name="words/rows").wait_for()
        at.run("words/teacher")
        tabs["/tasks"].get_by_role("link", name="words").first.wait_for()
        tabs["/runs"].get_by_role("link", name="words/teacher").wait_for()
        model = at.workspace.import_files(write_model(tmp_path / "model"), "words/model", kind="model")
        at.workspace.publish("words", [Route(model.id)])
        tabs["/endpoints"].get_by_role("link", name="words", exact=True).wait_for()
        body = {"texts": ["a headline"], "labels": ["yes"], "probs": [[0.9]], "status": 200, "ms": 1.0, "artifact_id": model.id}
        at.workspace.emit("trace", "4bf92f3577b34da6a3ce929d0e0e4736", name="words", body=body)
        tabs["/traces"].get_by_text("a headline").wait_for()
        for page in tabs.values():
            assert page.locator(".empty").count() == 0


def test_a_refused_stream_is_opened_again_and_the_page_catches_up(at: Open) -> None:
    page = at.tab.page
    page.route("**/live", lambda route: route.fulfill(status=503))
    at.tab.open("/runs")
    page.locator(".empty").wait_for()
    at.run("words/teacher")
    page.wait_for_timeout(500)
    page.route(
        "**/runs", lambda route: route.fulfill(status=502) if route.request.resource_type == "fetch" else route.continue_()
    )
    page.wait_for_timeout(2500)
    at.run("words/student")
    page.unroute("**/live")
    page.wait_for_timeout(3000)
    page.unroute("**/runs")
    page.get_by_role("link", name="words/student").wait_for()
    page.get_by_role("link", name="words/teacher").wait_for()
    at.tab.complaints[:] = [said for said in at.tab.complaints if "50" not in said]


def test_a_server_that_was_started_again_is_heard_again(chromium: Browser, tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        port = free_port()
        with ServerThread(workspace, port=port, whole=True) as server:
            opened = chromium.new_context()
            opened.set_default_timeout(PATIENCE * 1000)
            page = opened.new_page()
            page.goto(f"{server.url}/runs")
            page.locator(".empty").wait_for()
        page.locator("#away").wait_for()
        Open(Tab(page, server.url), workspace).run("words/teacher")
        with ServerThread(workspace, port=port, whole=True):
            page.get_by_role("link", name="words/teacher").wait_for()
            page.locator("#away").wait_for(state="hidden")
            opened.close()


def test_escape_closes_the_menu_of_a_narrow_screen(at: Open, chromium: Browser) -> None:
    with tab(chromium, at.tab.address, narrow=True) as opened:
        page = opened.open("/")
        button = page.get_by_role("button", name="Menu")
        button.click()
        page.get_by_role("link", name="Runs", exact=True).focus()
        page.keyboard.press("Escape")
        assert button.get_attribute("aria-expanded") == "false"
        assert not page.get_by_role("link", name="Runs", exact=True).is_visible()
        assert button.evaluate("it => it === document.activeElement")
        button.click()
        page.locator("#menu [data-jump]").click()
        page.keyboard.press("Escape")  # of the two, what is on top
        assert not page.locator("#jump").is_visible()
        assert button.get_attribute("aria-expanded") == "true"


def test_what_a_task_comes_to_appears_on_its_open_page(at: Open, tmp_path: Path) -> None:
    at.run("words/teacher")
    page = at.tab.open("/tasks/words")
    page.wait_for_selector("#stages")
    assert page.locator("#published, #cost").count() == 0
    model = at.workspace.import_files(write_model(tmp_path / "model"), "words/model", kind="model")
    at.workspace.publish("words", [Route(model.id)])
    page.locator("#published").get_by_role("link", name="words/model:1").wait_for()
    page.wait_for_selector("#cost")


def test_ticks_stay_and_a_part_in_use_is_swapped_when_it_is_left(at: Open) -> None:
    page = at.tab.open("/runs")
    runs = [at.run(f"words/{name}") for name in ("teacher", "student")]
    page.locator("tbody tr").nth(1).wait_for()
    compare = page.get_by_role("button", name="Compare")
    assert compare.is_disabled()
    page.locator(f"input[value={runs[0]}]").check()
    assert compare.is_disabled()
    page.locator(f"input[value={runs[1]}]").check()
    assert compare.is_enabled()
    at.run("words/gate")
    page.wait_for_timeout(4000)
    assert page.locator("tbody tr").count() == 2  # the reader is in the list
    page.locator("h1").click()
    page.locator("tbody tr").nth(2).wait_for()
    assert page.locator("tbody input:checked").count() == 2
    assert compare.is_enabled()


def test_a_new_key_is_in_the_list_and_can_be_revoked_while_its_secret_shows(at: Open) -> None:
    page = at.tab.open("/settings")
    page.get_by_text("No keys yet.").wait_for()
    page.locator('form[data-at="/v1/keys"] input[name="name"]').fill("my laptop")
    page.get_by_role("button", name="Make a key").click()
    page.locator("section[aria-labelledby=keys-title] [data-list]").get_by_text("my laptop").wait_for()
    assert page.get_by_text("No keys yet.").count() == 0
    assert page.locator("#secret code").inner_text().startswith("pickaxe_")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke").click()
    page.locator("section[aria-labelledby=keys-title]").get_by_text("revoked").wait_for()
    assert page.locator("#secret code").is_visible()


def test_a_session_that_ended_leads_to_sign_in_and_back(chromium: Browser, tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        Access.of(workspace.catalog).add_person(LOCAL_TENANT, "ada", Role.ADMIN, password=PASSWORD)
        with ServerThread(workspace, whole=True) as server, tab(chromium, server.url) as opened:
            page = opened.page
            page.goto(f"{server.url}/runs?state=failed")
            page.get_by_label("Name").fill("ada")
            page.get_by_label("Password").fill(PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_selector("html[data-ready]", state="attached")
            page.context.clear_cookies()
            page.wait_for_url("**/sign-in?next=*")
            page.get_by_label("Name").wait_for()
            assert "next=%2Fruns%3Fstate%3Dfailed" in page.url
            opened.complaints[:] = [said for said in opened.complaints if "401" not in said]
