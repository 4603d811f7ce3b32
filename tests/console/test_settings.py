"""Settings: everybody sees their own keys, an admin also people, changes and where the workspace is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pickaxe.kernel.access import passwords
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import Role
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread
from pickaxe.server.up import whole_app
from tests.console.held import Held
from tests.console.site import application, caller
from tests.console.tabs import Tab, tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PASSWORD = "a long enough password"


def people(workspace: Workspace) -> None:
    access = Access.of(workspace.catalog)
    access.add_person("tenant-local", "root", Role.ADMIN, password=PASSWORD)
    access.add_person("tenant-local", "grace", Role.LABELLER, password=PASSWORD)


def page(workspace: Workspace, role: Role) -> str:
    app: FastAPI = application(workspace, caller(role))
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.get("/settings")
    assert answer.status_code == 200
    return answer.text


def test_an_admin_sees_people_and_the_place(empty: Workspace) -> None:
    people(empty)
    shown = page(empty, Role.ADMIN)
    assert "grace" in shown
    assert "SQLite in the folder" in shown
    assert 'minlength="12"' in shown
    assert "12 to 256 characters." in shown


def test_who_sits_at_an_open_server_is_told_what_to_do(empty: Workspace) -> None:
    with TestClient(application(empty, replace(caller(), kind="local")), base_url="http://localhost") as client:
        assert "Add an admin with a password" in client.get("/settings").text
        chinese = client.get("/settings", headers={"accept-language": "zh"}).text
    assert "添加一位有密码的管理员" in chinese
    assert "文件夹中的 SQLite" in chinese


def test_others_see_neither(empty: Workspace) -> None:
    people(empty)
    for role in (Role.VIEWER, Role.LABELLER, Role.EDITOR):
        shown = page(empty, role)
        assert "grace" not in shown
        assert "SQLite in the folder" not in shown
        assert "scope_" not in shown


@pytest.mark.slow
def test_the_api_says_which_rights_a_key_may_have(empty: Workspace) -> None:
    with TestClient(whole_app(empty), base_url="http://localhost") as client:
        error = client.post("/v1/keys", json={"name": "nightly"}).json()["error"]
    assert error["message"] == "scopes: is missing; it takes a list of read, label, predict, write or admin, 1 to 5 items"
    assert error["expected"] == "an object with name, scopes, and perhaps days, person"


def test_the_api_says_how_long_a_password_is_and_never_which(empty: Workspace) -> None:
    with TestClient(whole_app(empty), base_url="http://localhost") as client:
        given = {"name": "ada", "role": "admin", "password": "hunter2"}
        error = client.post("/v1/people", json=given).json()["error"]
        bodies = json.dumps(client.get("/openapi.json").json()["paths"]["/v1/people"]["post"]["requestBody"])
    assert "at least 12 characters" in error["message"]
    assert "hunter2" not in str(error)
    assert '"minLength": 12' in bodies


@pytest.fixture
def at(empty: Workspace, chromium: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tab]:
    """Root, the only admin who can sign in, at the settings."""
    monkeypatch.setattr(passwords, "_LOG_N", 5)
    people(empty)
    with ServerThread(empty, whole=True) as server, tab(chromium, server.url) as opened:
        page = opened.page
        page.on("dialog", lambda asked: asked.accept())
        page.goto(f"{server.url}/sign-in?next=/settings")
        page.get_by_label("Name").fill("root")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("html[data-ready]", state="attached")
        yield opened


def change(page: Page, name: str) -> None:
    page.get_by_text("Change", exact=True).and_(page.locator(f'[aria-label="Change: {name}"]')).click()


def somebody(page: Page, name: str) -> str:
    """What the list says of a person."""
    return page.locator("section[aria-labelledby=people-title] li").filter(has_text=name).inner_text()


@pytest.mark.slow
def test_people_are_added_changed_and_let_in_again(at: Tab, empty: Workspace) -> None:
    page, access = at.page, Access.of(empty.catalog)
    form = page.locator('form[data-at="/v1/people"]')
    form.get_by_label("Name").fill("ed")
    form.get_by_label("Password").fill("short")
    form.get_by_role("button").click()
    assert form.get_by_label("Password").evaluate("field => field.validity.tooShort")
    form.get_by_label("Password").fill("not so short any more")
    form.get_by_role("button").dblclick()
    page.get_by_text("added ed as viewer").wait_for()
    assert not page.locator("#problem").is_visible()

    change(page, "ed")
    page.locator("details[open]").get_by_label("Role").select_option("admin")
    page.locator("details[open]").get_by_role("button", name="Save").click()
    page.get_by_text("changed ed: now admin").wait_for()
    assert access.person("tenant-local", "ed").role is Role.ADMIN

    change(page, "grace")
    page.locator("details[open]").get_by_role("button", name="Disable").click()
    page.get_by_text("changed grace: disabled").wait_for()
    assert "disabled" in somebody(page, "grace")
    change(page, "grace")
    page.locator("details[open]").get_by_role("button", name="Let in again").click()
    page.get_by_text("changed grace: enabled again").wait_for()
    assert "disabled" not in somebody(page, "grace")
    assert access.sign_in("local", "grace", PASSWORD) is not None


@pytest.mark.slow
def test_the_only_admin_is_told_why_nothing_can_be_taken_from_them(at: Tab) -> None:
    page = at.page
    change(page, "root")
    assert "root is the only admin who can sign in" in page.locator("details[open]").inner_text()
    assert page.locator("details[open] select").is_disabled()
    assert page.locator("details[open]").get_by_role("button", name="Disable").count() == 0


@pytest.mark.slow
def test_a_password_of_ones_own(at: Tab) -> None:
    page = at.page
    page.get_by_label("Old password").fill("another one altogether")
    own = page.locator("section[aria-labelledby=own-title]")
    own.get_by_label("New password").fill("a better password than this")
    own.get_by_role("button", name="Save").click()
    page.get_by_text("the old password is another one").wait_for()
    at.complaints[:] = [said for said in at.complaints if "403" not in said]
    page.get_by_label("Old password").fill(PASSWORD)
    own.get_by_role("button", name="Save").click()
    page.wait_for_url(lambda url: "/sign-in" in url)


@pytest.mark.slow
def test_a_password_sent_before_the_scripts_are_there_waits_for_them_and_never_stands_in_the_address(at: Tab) -> None:
    page, visited = at.page, []
    page.on("framenavigated", lambda frame: visited.append(frame.url))
    held = Held(page, "**/settings.js")
    page.goto(f"{at.address}/settings", wait_until="commit")
    page.get_by_label("Old password").fill("another one altogether")
    own = page.locator("section[aria-labelledby=own-title]")
    own.get_by_label("New password").fill("a better password than this")
    own.get_by_role("button", name="Save").click()
    held.wait()
    page.wait_for_timeout(300)
    held.let_go()
    page.get_by_text("the old password is another one").wait_for()
    at.complaints[:] = [said for said in at.complaints if "403" not in said]
    assert visited == [f"{at.address}/settings"]


@pytest.mark.slow
def test_a_password_goes_nowhere_when_the_scripts_never_come(at: Tab) -> None:
    page = at.page
    page.context.route("**/settings.js", lambda route: route.abort())
    page.goto(f"{at.address}/settings")
    page.get_by_label("Old password").fill("another one altogether")
    own = page.locator("section[aria-labelledby=own-title]")
    own.get_by_label("New password").fill("a better password than this")
    own.get_by_role("button", name="Save").click()
    page.wait_for_timeout(300)
    assert page.url == f"{at.address}/settings"
    at.complaints[:] = [said for said in at.complaints if "ERR_FAILED" not in said]


@pytest.mark.slow
def test_a_mistake_of_a_form_speaks_to_who_reads_the_page(at: Tab) -> None:
    """The API tells programs of routes and schemas; the page does not pass that on."""
    page = at.page
    page.route(
        "**/v1/keys",
        lambda route: route.fulfill(
            status=404,
            json={
                "error": {
                    "code": "not_found",
                    "message": "no key 'x'",
                    "remedy": "list them: GET /v1/keys",
                    "details": {"see": "keys"},
                }
            },
        ),
    )
    page.locator('form[data-at="/v1/keys"] input[name="name"]').fill("my laptop")
    page.get_by_role("button", name="Make a key").click()
    page.locator("#problem").get_by_text("no key 'x'").wait_for()
    assert "GET" not in page.locator("#problem").inner_text()
    at.complaints[:] = [said for said in at.complaints if "404" not in said]
    page.unroute("**/v1/keys")


def test_a_form_that_names_no_way_to_send_it_never_leaves_the_browser() -> None:
    """Without `method` a browser writes every field into the address, where logs and the history keep it."""
    forms = [
        tag
        for page in (files("pickaxe.console") / "templates").iterdir()
        for tag in re.findall(r"<form\b[^>]*", page.read_text())
    ]
    assert len(forms) > 10
    assert [tag for tag in forms if "method=" not in tag] == []
