"""Who looks with a browser reads a page, who calls the API reads the envelope; whatever went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import pickaxe
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Role
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.up import whole_app

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ORIGIN = {"origin": "http://localhost"}
PASSWORD = "correct horse battery"


def in_front_of(workspace: Workspace) -> TestClient:
    return TestClient(whole_app(workspace), base_url="http://localhost", raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One for all: what is refused leaves nothing behind."""
    with pickaxe.open(tmp_path_factory.mktemp("refusing") / "workspace") as workspace, in_front_of(workspace) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/nothing/here", 404, "there is nothing at"),
        ("GET", "/%00%ff/..%2f..%2fetc/passwd", 404, "there is nothing at"),
        ("GET", "/<script>alert(1)</script>", 404, "there is nothing at"),
        ("GET", "/" + "x" * 5000, 404, "there is nothing at"),
        ("GET", "/run", 404, 'href="/runs"'),
        ("GET", "/runs/none", 404, 'href="/runs"'),
        ("GET", "/traces/none", 422, 'href="/traces"'),
        ("GET", "/artifacts/none", 404, 'href="/artifacts"'),
        ("GET", "/endpoints/none", 404, 'href="/endpoints"'),
        ("GET", "/tasks/none", 404, 'href="/tasks"'),
        ("GET", "/data/none?begin=-1", 422, "begin"),
        ("POST", "/runs", 405, "POST is not possible here"),
        ("DELETE", "/", 405, "DELETE is not possible here"),
    ],
)
def test_a_browser_reads_a_page(client: TestClient, method: str, path: str, status: int, said: str) -> None:
    answer = client.request(method, path, headers=BROWSER)
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-trace-id"]
    assert said in answer.text
    assert "<script>alert" not in answer.text
    assert "openapi.json" not in answer.text
    assert "pickaxe runs" not in answer.text
    assert 'href="/"' in answer.text


@pytest.mark.parametrize("path", ["/nothing/here", "/v1/nothing", "/v1/runs/none", "/v1/sql"])
@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_a_program_reads_the_envelope(client: TestClient, path: str, accept: str | None) -> None:
    answer = client.get(path, headers={"accept": accept} if accept else {})
    assert answer.json()["error"]["remedy"]
    assert "pickaxe runs" not in answer.json()["error"]["remedy"]


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/runs/none", "/v1/runs?limit=-1"])
def test_the_api_speaks_json_to_a_browser_too(client: TestClient, path: str) -> None:
    assert client.get(path, headers=BROWSER).json()["error"]["code"] in ("not_found", "bad_input")


def test_in_the_readers_language(client: TestClient) -> None:
    assert "跳转到" in client.get("/nothing", headers=BROWSER | {"accept-language": "zh-CN"}).text


def test_a_form_of_another_site_and_a_form_too_large(client: TestClient) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    other = client.post("/preferences", content="theme=dark", headers=BROWSER | form | {"origin": "http://evil.example"})
    assert (other.status_code, other.headers["content-type"]) == (403, "text/html; charset=utf-8")
    odd = client.post("/preferences", content="theme=neon", headers=BROWSER | form | ORIGIN)
    assert (odd.status_code, odd.headers["content-type"]) == (422, "text/html; charset=utf-8")
    large = client.post("/preferences", content="theme=" + "x" * 9000, headers=BROWSER | form | ORIGIN)
    assert (large.status_code, large.headers["content-type"]) == (413, "text/html; charset=utf-8")


def test_a_name_that_is_not_the_servers(client: TestClient) -> None:
    answer = client.get("/", headers=BROWSER | {"host": "evil.example"})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    answer = client.get("/", headers=BROWSER | {"host": "[::1"})
    assert answer.status_code == 403


def test_a_defect_is_a_page_with_its_trace(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from pickaxe.console.pages import overview

    monkeypatch.setattr(overview, "attention", lambda *_: 1 / 0)
    answer = client.get("/", headers=BROWSER)
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.count(answer.headers["x-trace-id"]) >= 1
    assert "ZeroDivisionError" not in answer.text
    assert client.get("/").json()["error"]["code"] == "internal"


def test_a_broken_page_of_errors_still_refuses(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from pickaxe.console.site import Site

    monkeypatch.setattr(Site, "page", lambda *_, **__: 1 / 0)
    assert client.get("/nothing", headers=BROWSER).json()["error"]["code"] == "not_found"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        yield workspace


def test_a_stranger_is_led_to_sign_in_and_back(workspace: Workspace) -> None:
    with in_front_of(workspace) as client:
        _is_led(client, Access.of(workspace.catalog))


def _is_led(client: TestClient, access: Access) -> None:
    access.add_person(LOCAL_TENANT, "ada", Role.ADMIN, password=PASSWORD)
    access.add_person(LOCAL_TENANT, "vera", Role.VIEWER, password=PASSWORD)
    assert client.get("/runs?state=failed", headers=BROWSER).headers["location"] == "/sign-in?next=/runs%3Fstate%3Dfailed"
    page = {"referer": "http://localhost/data/-/sql?q=SELECT"}
    sent = client.post("/data/-/queries", headers=BROWSER | ORIGIN | page, data={"q": "SELECT 1", "name": "x"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/data/-/sql%3Fq%3DSELECT")
    sent = client.post("/data/-/queries", headers=BROWSER | ORIGIN | {"referer": "http://evil.example/x"})
    assert sent.headers["location"] == "/sign-in?next=/"
    assert client.get("/runs").json()["error"]["code"] == "unauthorised"
    assert client.post("/v1/sql", headers=BROWSER | ORIGIN, json={}).json()["error"]["code"] == "unauthorised"

    client.post("/sign-in", headers=ORIGIN, data={"name": "vera", "password": PASSWORD})
    refused = client.post("/data/-/queries", headers=BROWSER | ORIGIN, data={"q": "SELECT 1", "name": "x"})
    assert (refused.status_code, refused.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "vera may not do this" in refused.text
