"""What every page shares: headers, languages, themes, static files, errors as pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from pickaxe.console import pages
from pickaxe.kernel.artifacts import checked_name
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.workspace import Workspace
from tests.console.browser import Browser

NAMES = {"headlines": True, "a/b-2.c_d": True, "Upper": False, "a//b": False, "a..b": False, "/a": False, "a/": False}


def test_an_empty_workspace_teaches(reader: TestClient) -> None:
    page = reader.get("/")
    assert page.status_code == 200
    assert "pickaxe demo" in page.text


def test_nothing_inline_runs(reader: TestClient) -> None:
    page = reader.get("/")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", page.text)


def test_the_reader_chooses_the_language(reader: TestClient) -> None:
    assert 'lang="en"' in reader.get("/").text
    assert 'lang="zh"' in reader.get("/", headers={"accept-language": "zh-CN"}).text
    answer = reader.post("/preferences", data={"language": "zh", "back": "/?x=1"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?x=1")
    assert "概览" in reader.get("/").text


def test_the_reader_chooses_the_theme(reader: TestClient) -> None:
    reader.post("/preferences", data={"theme": "dark"})
    assert '<html lang="en" data-theme="dark">' in reader.get("/").text
    reader.post("/preferences", data={"theme": "auto"})
    assert '<html lang="en">' in reader.get("/").text


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/\nx"])
def test_nobody_is_sent_elsewhere(reader: TestClient, back: str) -> None:
    answer = reader.post("/preferences", data={"theme": "dark", "back": back}, follow_redirects=False)
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    ("body", "status"), [("theme=neon", 422), ("&".join(f"a{n}=1" for n in range(50)), 422), ("theme=" + "x" * 5000, 413)]
)
def test_a_form_that_makes_no_sense_is_refused_with_a_page(reader: TestClient, body: str, status: int) -> None:
    answer = reader.post("/preferences", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == status
    assert "text/html" in answer.headers["content-type"]


def test_static_files_are_kept_for_good(reader: TestClient) -> None:
    page = reader.get("/").text
    sheet = re.search(r'href="(/static/\w+/console\.css)"', page)
    assert sheet
    answer = reader.get(sheet[1])
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    stale = reader.get(re.sub(r"/static/\w+/", "/static/000/", sheet[1]))
    assert stale.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/static/x/nothing.js", "/static/x/..%2Fsite.py", "/static/x/%2Fetc%2Fpasswd"])
def test_only_static_files_are_served(reader: TestClient, path: str) -> None:
    assert reader.get(path).status_code == 404


def test_a_stranger_is_sent_to_sign_in(empty: Workspace) -> None:
    app = FastAPI()
    app.include_router(pages(empty))
    answer = TestClient(app).get("/", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")


def test_every_route_says_what_it_needs(empty: Workspace) -> None:
    from pickaxe.serve.access import Needs

    routes = list(_routes_of(pages(empty)))
    assert len(routes) > 3
    for route in routes:
        assert any(isinstance(item.dependency, Needs) for item in route.dependencies), route.path


def _routes_of(router: Any) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from _routes_of(route.original_router)


def test_the_foundation_is_light(reader: TestClient) -> None:
    """Without charts a cold page is a tenth of its budget of 300 kB."""
    page = reader.get("/")
    files = set(re.findall(r'"(/static/\w+/[\w.]+)"', page.text)) - {reader.get("/").text}
    files = {file for file in files if not file.endswith("vega.js")}
    weights = {file: _weight(reader, file) for file in files}
    assert sum(weights.values()) + len(page.content) < 40_000, weights


@pytest.mark.parametrize("path", ["/", "/settings", "/tasks/-/new", "/plan/train"])
def test_a_page_names_every_module_that_it_needs(reader: TestClient, path: str) -> None:
    """Else a browser asks for one after the other: on a slow network each of them costs a turn."""
    page = reader.get(path).text
    named = set(re.findall(r'(?:href|src)="(/static/\w+/\w+\.js)"', page))
    imported = {
        script.rpartition("/")[0] + "/" + needed
        for script in named
        for needed in re.findall(r'^import .* from "\./([\w.]+)";', reader.get(script).text, re.MULTILINE)
    }
    assert len(imported) >= 5
    assert imported <= named


def _weight(client: TestClient, path: str) -> int:
    with client.stream("GET", path) as answer:
        return sum(len(part) for part in answer.iter_raw())


def test_the_package_has_its_templates_and_words() -> None:
    import pickaxe.console
    from pickaxe.console.pages import PAGES

    folder = Path(pickaxe.console.__file__).parent
    for page in sorted(set(PAGES) - {"search"}):  # answers with names only
        for language in ("en", "zh"):
            assert (folder / "words" / language / f"{page}.toml").exists()


@pytest.mark.slow
def test_a_page_takes_the_names_that_the_kernel_takes(empty: Workspace, browser: Browser) -> None:
    page = browser.open(empty, "/data/-/sql?q=SELECT%201%20AS%20one")
    field = page.locator("input[name=name]")
    assert "a–z" in field.get_attribute("title")
    for name, taken in NAMES.items():
        field.fill(name)
        assert field.evaluate("it => it.checkValidity()") is taken, name
        try:
            checked_name(name)
        except BadInput:
            assert not taken, name
        else:
            assert taken, name
