"""The jump box: a few letters of anything, in a real browser and by the keyboard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from pickaxe.flows.job_view import JOB
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.runs import RunSpec
from pickaxe.kernel.workspace import Workspace
from tests.console.site import looked_at
from tests.console.tabs import until
from tests.console.test_live_pages import Open, at

__all__ = ["at"]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One for all who only search."""
    with looked_at(tmp_path_factory.mktemp("searched"), fill) as client:
        yield client


@pytest.fixture
def filled(empty: Workspace) -> Workspace:
    return fill(empty)


def fill(empty: Workspace) -> Workspace:
    for place, name in enumerate(("headlines/teacher", "headlines/auto-label", "reviews/label")):
        empty.runs.queue(RunSpec(f"{place:02}{'a' * 22}", name, "steps:step", {}, {}))
    model = empty.import_table(pa.table({"n": [1]}), "headlines/gold")
    empty.import_table(pa.table({"n": [2]}), "headlines/gold")
    empty.artifacts.alias(model, "production")
    empty.publish("desk.headlines", [Route(model.id)])
    empty.emit("trace", TRACE, name="headlines", body={"texts": [], "status": 200, "ms": 1.0})
    empty.emit(JOB, "job-5f0c6a1b", name="queued", body={"kind": "produce", "by": "ada", "spec": {"name": "headlines"}})
    return empty


@pytest.mark.parametrize(
    ("typed", "name", "href"),
    [
        ("each", "headlines/teacher", "/runs/run-"),
        ("lines", "headlines", "/tasks/headlines"),
        ("lines", "desk.headlines", "/endpoints/desk.headlines"),
        ("gold", "headlines/gold:2", "/artifacts/art-"),
        ("LINES gold", "headlines/gold:2", "/artifacts/art-"),
        ("headlines/gold:1", "headlines/gold:1", "/artifacts/art-"),
        ("headlines/gold@production", "headlines/gold:1", "/artifacts/art-"),
        ("run-00aaa", "headlines/teacher run-00", "/runs/run-00aaa"),
        ("4bf92f", TRACE, f"/traces/{TRACE}"),
        (TRACE, TRACE, f"/traces/{TRACE}"),
        ("job-5f", "headlines job-5f0c6a1b", "/tasks/headlines"),
        ("bill", "Bill", "/bill"),
        ("账单", "Bill", "/bill"),
        ("sql", "SQL", "/data/-/sql"),
        (" bill ", "Bill", "/bill"),
    ],
)
def test_anything_is_found_by_some_of_it(searched: TestClient, typed: str, name: str, href: str) -> None:
    found = searched.get("/search", params={"q": typed}).json()
    assert any(item["name"].startswith(name) and item["href"].startswith(href) for item in found), found
    assert all(searched.get(item["href"]).status_code == 200 for item in found if not item["href"].startswith("/traces"))


@pytest.mark.parametrize(
    "typed", ["%", "_", "nothing at all", "x:y:z", "@@", "run-%", "art-zz", "'; DROP TABLE runs", "\x00", "名" * 200]
)
def test_nonsense_finds_nothing(searched: TestClient, typed: str) -> None:
    assert searched.get("/search", params={"q": typed}).json() == []


def test_pages_are_named_in_the_readers_language(searched: TestClient) -> None:
    found = searched.get("/search", params={"q": "bill"}, headers={"accept-language": "zh"}).json()
    assert {"name": "账单", "href": "/bill", "kind": "页面"} in found


@pytest.mark.slow
def test_by_keyboard(at: Open) -> None:
    at.run("headlines/teacher")
    at.run("reviews/teacher")
    page = at.tab.open("/")
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox")
    page.keyboard.type("teach")
    until(page, "document.querySelector('#jump [role=status]').textContent === ''")  # what was typed last is found
    options = page.get_by_role("option")
    options.nth(1).wait_for()
    assert box.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    assert options.nth(1).get_attribute("aria-selected") == "true"
    assert box.get_attribute("aria-activedescendant") == options.nth(1).get_attribute("id")
    page.keyboard.press("ArrowDown")
    assert options.nth(0).get_attribute("aria-selected") == "true"
    page.keyboard.press("ArrowUp")
    chosen = options.nth(1).inner_text().split("\n")[0]
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/run-*")
    assert page.locator("h1").inner_text() in chosen
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    assert not page.locator("#jump").is_visible()


@pytest.mark.slow
def test_it_searches_before_it_says_that_there_is_nothing(at: Open) -> None:
    page = at.tab.open("/")
    said = page.locator("#jump [role=status]")
    slow: list[Any] = []
    page.route("**/search?*", lambda route: slow.append(route))

    def asked_for(text: str) -> Any:
        """What was typed on a busy machine is asked for letter by letter: the last of them."""
        while not slow or not slow[-1].request.url.endswith(f"?q={text}"):
            page.wait_for_timeout(20)
        return slow[-1]

    page.keyboard.press("Control+k")
    page.keyboard.type("zzz")
    said.get_by_text("Searching").wait_for()
    search = asked_for("zzz")
    page.wait_for_timeout(300)
    assert "Searching" in said.inner_text()
    search.fulfill(json=[])
    said.get_by_text("Nothing found").wait_for()

    page.keyboard.press("Control+a")
    page.keyboard.type("bill")
    page.keyboard.press("Enter")  # quicker than the search: it is waited for
    page.wait_for_timeout(300)
    assert page.url.endswith("/")
    asked_for("bill").fulfill(json=[{"name": "Bill", "href": "/bill", "kind": "Page"}])
    page.wait_for_url("**/bill")


@pytest.mark.slow
def test_a_search_that_fails_says_so(at: Open) -> None:
    page = at.tab.open("/")
    page.route("**/search?*", lambda route: route.abort())
    page.keyboard.press("Control+k")
    page.keyboard.type("bill")
    page.locator("#jump [role=status]").get_by_text("not answered").wait_for()
    assert page.get_by_role("option", name="Bill").is_visible()
    at.tab.complaints.clear()
    page.unroute("**/search?*")


@pytest.mark.slow
def test_nobody_is_shut_out_of_it(at: Open) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = at.tab.open("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("bi")
    page.get_by_role("option").first.wait_for()
    assert [item["id"] for item in Axe().run(page).response["violations"]] == []


def test_a_large_workspace_answers_as_soon(filled: Workspace, client: TestClient) -> None:
    with filled.catalog.write() as connection:
        columns = "tenant_id, principal_id, name, {key}, state, step, config, attempt, error, created_ns"
        numbers = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 15000) SELECT n FROM c"
        connection.exec_driver_sql(
            f"INSERT INTO runs (id, {columns.format(key='key')}) "
            f"SELECT 'run-x' || id || n, {columns.format(key='key || n')} FROM runs, ({numbers})"
        )
    took = []
    for typed in ("each", "label", "run-x", "zzz", "e", "4bf9"):
        start = time.perf_counter()
        assert client.get("/search", params={"q": typed}).status_code == 200
        took.append(time.perf_counter() - start)
    assert sorted(took)[len(took) // 2] < 1.5, took
