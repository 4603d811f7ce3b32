"""Signing in as people do it, in a real browser in front of the whole server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pickaxe
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Role
from pickaxe.server.run import ServerThread
from tests.console.tabs import tab
from tests.server.test_openid import Pkce, provider

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["provider"]
pytestmark = pytest.mark.slow

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A workspace that somebody can sign in to, so everybody has to."""
    folder: Path = tmp_path_factory.mktemp("signed-in") / "workspace"
    with pickaxe.open(folder) as workspace:
        Access.of(workspace.catalog).add_person(LOCAL_TENANT, "ada", Role.ADMIN, password=PASSWORD)
        with ServerThread(workspace, whole=True) as server:
            yield server.url


def test_from_a_page_to_sign_in_and_back(chromium: Browser, address: str) -> None:
    with tab(chromium, address) as opened:
        page = opened.page
        page.goto(f"{address}/runs?state=failed")
        assert "/sign-in" in page.url
        page.keyboard.type("ada")  # the name has the focus
        page.keyboard.press("Tab")
        page.keyboard.type("a wrong password")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        opened.complaints[:] = [said for said in opened.complaints if "401" not in said]
        assert page.get_by_label("Name").input_value() == "ada"
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("html[data-ready]", state="attached")
        assert page.url == f"{address}/runs?state=failed"

        # What changes something says where it comes from, also by hand.
        page.goto(f"{address}/settings")
        page.wait_for_selector("html[data-ready]", state="attached")
        page.locator('form[data-at="/v1/keys"] input[name="name"]').fill("my laptop")
        page.get_by_role("button", name="Make a key").click()
        page.locator("#secret code").get_by_text("pickaxe_").wait_for()
        page.get_by_role("button", name="中文").click()
        page.wait_for_selector('html[lang="zh"]')
        page.get_by_role("button", name="退出登录").click()
        page.wait_for_url(f"{address}/sign-in")
        page.goto(f"{address}/settings")
        assert "/sign-in" in page.url


def test_with_the_organisations_own_sign_in(
    chromium: Browser, provider: tuple[str, Pkce], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICKAXE_OIDC_ISSUER", provider[0])
    monkeypatch.setenv("PICKAXE_OIDC_CLIENT_ID", "pickaxe")
    monkeypatch.setenv("PICKAXE_OIDC_CLIENT_SECRET", "a secret")
    with pickaxe.open(tmp_path / "workspace") as workspace:
        access = Access.of(workspace.catalog)
        access.add_person(LOCAL_TENANT, "ada", Role.ADMIN, password=PASSWORD)
        access.add_person(LOCAL_TENANT, "eve@example.org", Role.LABELLER)
        with ServerThread(workspace, whole=True) as server, tab(chromium, server.url) as opened:
            page = opened.page
            page.goto(f"{server.url}/label?from=there")
            page.get_by_role("link", name="Sign in with your organisation").click()
            assert page.url.startswith(provider[0])
            page.locator("input[name=sub]").fill("eve")
            opened.complaints.clear()  # the provider's own
            page.keyboard.press("Enter")
            page.wait_for_url(f"{server.url}/label?from=there")
            page.get_by_text("eve@example.org").first.wait_for()


@pytest.mark.parametrize("problem", [False, True], ids=["first", "after a mistake"])
@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nobody_is_shut_out(chromium: Browser, address: str, dark: bool, narrow: bool, problem: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with tab(chromium, address, dark=dark, narrow=narrow) as opened:
        page = opened.page
        page.goto(f"{address}/sign-in")
        if problem:
            page.get_by_label("Name").fill("nobody")
            page.get_by_label("Password").fill("a wrong password")
            page.keyboard.press("Enter")
            page.get_by_role("alert").wait_for()
            opened.complaints[:] = [said for said in opened.complaints if "401" not in said]
        assert page.evaluate("document.documentElement.scrollWidth") <= (390 if narrow else 1280)
        found = Axe().run(page).response["violations"]
    assert [(item["id"], [node["target"] for node in item["nodes"]][:3]) for item in found] == []
