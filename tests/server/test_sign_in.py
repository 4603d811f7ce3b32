"""Passwords, sessions and cookies at the door; and that no secret is told to anybody."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

import pickaxe
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Role
from pickaxe.kernel.errors import Conflict
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.attempts import Attempts, TooMany
from pickaxe.server.authenticate import ready_for_strangers
from pickaxe.server.run import ServerThread, serve
from pickaxe.server.up import whole_app
from tests.serve.fakes import write_model

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
ORIGIN = {"origin": "http://localhost"}
FORM = {"name": "ada", "password": PASSWORD, "tenant": "local"}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        yield workspace


@pytest.fixture
def access(workspace: Workspace) -> Access:
    access = Access.of(workspace.catalog)
    access.add_person(LOCAL_TENANT, "ada", Role.ADMIN, password=PASSWORD)
    return access


@pytest.fixture
def client(workspace: Workspace) -> Iterator[TestClient]:
    with TestClient(
        whole_app(workspace), base_url="http://localhost", raise_server_exceptions=False, follow_redirects=False
    ) as client:
        yield client


def test_open_until_somebody_can_sign_in(client: TestClient, workspace: Workspace) -> None:
    assert client.get("/v1/me").json()["data"]["kind"] == "local"
    assert client.get("/sign-in").headers["location"] == "/"
    with pytest.raises(Conflict, match="this machine only"):
        ready_for_strangers(workspace)
    first = client.post("/v1/people", json={"name": "ada", "role": "viewer", "password": PASSWORD})
    assert first.status_code == 422
    assert client.post("/v1/people", json={"name": "ada", "role": "admin", "password": PASSWORD}).status_code == 201
    assert client.get("/v1/me").status_code == 401, "at once, for everybody"
    ready_for_strangers(workspace)


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host"])
def test_nobody_whom_a_proxy_brings_is_the_local_user(client: TestClient, header: str) -> None:
    assert client.get("/v1/me", headers={header: "10.0.0.7"}).status_code == 401


def test_a_server_that_others_reach_is_never_open(workspace: Workspace) -> None:
    with TestClient(whole_app(workspace, loopback=False), base_url="http://localhost") as client:
        assert client.get("/v1/me").status_code == 401


def test_there_and_out_again(client: TestClient, access: Access) -> None:
    page = client.get("/v1/runs?limit=5", headers={"accept": "text/html,*/*"})
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=/v1/runs%3Flimit%3D5")
    assert client.get("/v1/runs").headers["www-authenticate"] == 'Bearer realm="pickaxe"'
    answer = client.post("/sign-in", data=FORM | {"next": "/v1/runs"}, headers=ORIGIN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/v1/runs")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    session = client.cookies["pickaxe-session"]
    me = client.get("/v1/me")
    assert me.json()["data"]["name"] == "ada"
    assert me.headers["cache-control"] == "private, no-store"
    assert client.post("/sign-out", headers=ORIGIN).headers["location"] == "/sign-in"
    assert "pickaxe-session" not in client.cookies
    assert client.get("/v1/me", headers={"cookie": f"pickaxe-session={session}"}).status_code == 401, "ended, not only forgotten"


def test_cookies_over_https(workspace: Workspace, access: Access) -> None:
    app = whole_app(workspace, https=True)
    with TestClient(app, base_url="https://localhost", follow_redirects=False) as client:
        cookie = client.post("/sign-in", data=FORM, headers={"origin": "https://localhost"}).headers["set-cookie"]
    assert cookie.startswith("__Host-pickaxe-session=")
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_a_session_is_always_a_new_one(client: TestClient, access: Access) -> None:
    """What the browser came with is neither kept (fixation) nor left alive."""
    planted = "pickaxe_0123456789abcdef_" + "A" * 43
    client.cookies.set("pickaxe-session", planted)
    client.post("/sign-in", data=FORM, headers=ORIGIN)
    first = client.cookies.get("pickaxe-session", domain="localhost.local")
    assert first not in (None, planted)
    client.cookies.clear()
    client.cookies.set("pickaxe-session", first or "")
    second = client.post("/sign-in", data=FORM, headers=ORIGIN).headers["set-cookie"].split(";")[0].partition("=")[2]
    assert second != first
    client.cookies.clear()
    assert client.get("/v1/me", headers={"cookie": f"pickaxe-session={first}"}).status_code == 401
    assert client.get("/v1/me", headers={"cookie": f"pickaxe-session={second}"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:1234"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, 403),
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"origin": "http://localhost"}, 201),
    ],
    ids=str,
)
def test_another_sites_page_changes_nothing(client: TestClient, access: Access, headers: dict[str, str], status: int) -> None:
    client.post("/sign-in", data=FORM, headers=ORIGIN)
    answer = client.post("/v1/keys", json={"name": "k", "scopes": ["read"]}, headers=headers)
    assert answer.status_code == status, answer.text
    assert len(access.keys.list(LOCAL_TENANT)) == (status == 201)
    client.cookies.clear()
    assert client.post("/sign-in", data=FORM, headers=headers).status_code == (303 if status == 201 else 403), "login CSRF"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer"},
        {"authorization": "Bearer " + "x" * 100_000},
        {"authorization": "bearer \u00e9"},
        {"authorization": "Basic YWRhOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ=="},
        {"authorization": "Bearer pickaxe_0123456789abcdef_" + "A" * 43},
        {"cookie": "pickaxe-session="},
        {"cookie": "pickaxe-session=" + "x" * 10_000},
        {"cookie": '=; ;;; pickaxe-session="a\\"; pickaxe-session=b'},
        {"x-pickaxe-caller": "admin", "x-forwarded-user": "ada", "remote-user": "ada"},
        {"x-http-method-override": "GET", "x-original-url": "/healthz", "x-rewrite-url": "/healthz"},
    ],
    ids=range(10),
)
def test_hostile_headers_open_nothing(client: TestClient, access: Access, headers: dict[str, str]) -> None:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    assert client.get("/v1/people", headers=raw).status_code == 401
    assert client.post("/v1/people", json={}, headers=raw).status_code == 401


def test_two_keys_in_one_request_open_nothing(client: TestClient, access: Access) -> None:
    _, secret = access.keys.create(LOCAL_TENANT, access.person(LOCAL_TENANT, "ada").id, "k", ["read"])
    sound = ("authorization", f"Bearer {secret}")
    assert client.get("/v1/me", headers=[sound]).status_code == 200
    assert client.get("/v1/me", headers=[sound, ("authorization", "Bearer x")]).status_code == 401
    assert client.get("/v1/me", headers=[("authorization", "Bearer x"), sound]).status_code == 401
    assert client.get(f"/v1/me?access_token={secret}&key={secret}").status_code == 401, "a secret in an address is no secret"
    assert client.get("/v1/me", headers={"cookie": f"pickaxe-session={secret}"}).status_code == 401, "a key is no session"


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"name=ada", "application/x-www-form-urlencoded", 422),
        (b"name=ada&password=%ff", "application/x-www-form-urlencoded", 422),
        (b"name=%00&password=%00&tenant=%00", "application/x-www-form-urlencoded", 401),
        (b"name=ada&password=" + b"x" * 9000, "application/x-www-form-urlencoded", 413),
        (b"a=1&" * 20 + b"name=a&password=b", "application/x-www-form-urlencoded", 422),
        (b'{"name": "ada"}', "application/json", 415),
        (b"name=ada'--&password=x&tenant=local", "application/x-www-form-urlencoded", 401),
        (b"name=<script>&password=x&next=javascript:x", "application/x-www-form-urlencoded", 401),
    ],
)
def test_hostile_forms(client: TestClient, access: Access, body: bytes, media: str, status: int) -> None:
    answer = client.post("/sign-in", content=body, headers=ORIGIN | {"content-type": media})
    assert answer.status_code == status, answer.text
    assert "<script>" not in answer.text


def test_the_page_needs_nothing_from_elsewhere(client: TestClient, access: Access) -> None:
    page = client.get("/sign-in?next=/runs&tenant=%22%3E%3Cscript%3E", headers={"accept-language": "zh-CN,en;q=0.5"})
    assert "登录" in page.text
    assert "<script" not in page.text
    assert "http" not in page.text.replace("http-equiv", "")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


def test_guessing_is_slowed_down(client: TestClient, access: Access, workspace: Workspace) -> None:
    for _ in range(5):
        assert client.post("/sign-in", data=FORM | {"password": "guess"}, headers=ORIGIN).status_code == 401
    locked = client.post("/sign-in", data=FORM, headers=ORIGIN)
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) > 800
    assert "Try again in 15 minutes" in locked.text
    chinese = client.post("/sign-in", data=FORM, headers=ORIGIN, cookies={"pickaxe-language": "zh"}).text
    assert "登录失败次数过多，请 15 分钟后再试" in chinese
    assert "Too many" not in chinese
    assert client.post("/sign-in", data=FORM, headers=ORIGIN | {"x-forwarded-for": "10.0.0.8"}).status_code == 429, (
        "what a stranger says of its address is not believed"
    )
    refused = [event for event in workspace.log.list(kind="audit") if event.name == "sign-in refused"]
    assert {event.subject for event in refused} == {access.person(LOCAL_TENANT, "ada").id}
    assert len(refused) == 5


def test_attempts_are_counted_by_person_and_by_place(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts, now = Attempts(), [0.0]
    monkeypatch.setattr("pickaxe.serve.attempts.time.monotonic", lambda: now[0])
    for number in range(50):
        attempts.begin("local/ada", f"10.0.0.{number}")
    with pytest.raises(TooMany):
        attempts.begin("local/ada", "10.0.1.1")
    for number in range(30):
        attempts.begin(f"local/{number}", "10.9.9.9")
    with pytest.raises(TooMany):
        attempts.begin("local/other", "10.9.9.9")
    now[0] += 901
    attempts.begin("local/ada", "10.9.9.9")
    for _ in range(100):
        attempts.begin("local/bob", "10.0.0.1")
        attempts.succeeded("local/bob", "10.0.0.1")


def test_keys_do_not_grow(client: TestClient, access: Access) -> None:
    """A key gives away no more than it has; only a person, or a key of an admin, makes others."""
    access.add_person(LOCAL_TENANT, "ed", Role.EDITOR, password=PASSWORD)
    ed = access.person(LOCAL_TENANT, "ed").id

    def key(*scopes: str) -> dict[str, str]:
        owner = access.person(LOCAL_TENANT, "ada").id if "admin" in scopes else ed
        return {"authorization": f"Bearer {access.keys.create(LOCAL_TENANT, owner, 'k', scopes)[1]}"}

    wanted = {"name": "k", "scopes": ["read"]}
    assert client.post("/v1/keys", json=wanted, headers=key("read")).status_code == 403
    assert client.post("/v1/keys", json=wanted, headers=key("read", "admin")).status_code == 201
    assert client.post("/v1/keys", json=wanted | {"scopes": ["write"]}, headers=key("read", "admin")).status_code == 403
    assert client.post("/v1/keys", json=wanted | {"person": "ada"}, headers=key("read", "write")).status_code == 403
    reading = key("read")
    theirs = [each.id for each in access.keys.list(LOCAL_TENANT, principal_id=ed)][::-1]
    statuses = [client.delete(f"/v1/keys/{id}", headers=reading).status_code for id in theirs]
    assert statuses == [403] * (len(theirs) - 1) + [200], "itself only"
    client.post("/sign-in", data=FORM | {"name": "ed"}, headers=ORIGIN)
    assert client.post("/v1/keys", json=wanted | {"scopes": ["admin"]}, headers=ORIGIN).status_code == 403
    mine = client.post("/v1/keys", json=wanted | {"days": 1}, headers=ORIGIN).json()["data"]
    assert {each["principal_id"] for each in client.get("/v1/keys").json()["data"]["items"]} == {ed}
    assert client.delete(f"/v1/keys/{mine['key']['id']}", headers=ORIGIN).json()["data"]["revoked_at"]


def test_every_change_is_written_down(client: TestClient, access: Access, workspace: Workspace) -> None:
    client.post("/sign-in", data=FORM, headers=ORIGIN)
    client.get("/v1/people")
    client.post("/v1/people", json={"name": "bob", "role": "viewer"}, headers=ORIGIN)
    client.patch("/v1/people/bob", json={"role": "editor"}, headers=ORIGIN)
    client.patch("/v1/people/ada", json={"role": "viewer"}, headers=ORIGIN)
    client.post("/v1/endpoints", json={"name": "x", "routes": [{"artifact": "art-nothing"}]}, headers=ORIGIN)
    log = [(event.name, event.value) for event in workspace.log.list(kind="audit")]
    assert log == [
        ("sign-in", 303),
        ("POST /v1/people", 201),
        ("PATCH /v1/people/{name}", 200),
        ("PATCH /v1/people/{name}", 409),
        ("POST /v1/endpoints", 404),
    ]
    shown = client.get("/v1/audit").json()["data"]["items"]
    assert [item["seq"] for item in shown] == sorted((item["seq"] for item in shown), reverse=True)
    entry = shown[-3]
    assert entry["subject"] == access.person(LOCAL_TENANT, "bob").id
    assert (entry["body"]["who"], entry["body"]["changed"], entry["body"]["through"]) == ("ada", ["role"], "api")


def test_the_old_password_cannot_be_guessed_by_whoever_holds_a_session(client: TestClient, access: Access) -> None:
    client.post("/sign-in", data=FORM, headers=ORIGIN)

    def changed(old: str) -> Any:
        return client.post("/v1/me/password", json={"old": old, "new": "another good password"}, headers=ORIGIN)

    assert [changed(f"guess number {number}").status_code for number in range(5)] == [403] * 5
    refused = changed(PASSWORD)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many"), "right or wrong is not told any more"
    assert 0 < int(refused.headers["retry-after"]) <= 901
    assert client.get("/v1/me").status_code == 200, "the session goes on"


def test_who_knows_the_password_changes_it_as_often_as_they_like(client: TestClient, access: Access) -> None:
    passwords = [PASSWORD, *(f"good password number {number}" for number in range(7))]
    for old, new in pairwise(passwords):
        client.post("/sign-in", data=FORM | {"password": old}, headers=ORIGIN)
        assert client.post("/v1/me/password", json={"old": old, "new": new}, headers=ORIGIN).status_code == 200


def test_no_secret_is_told(client: TestClient, access: Access, workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    """Not in events, refusals, logs, metrics or lists; the files are searched by the kernel's tests."""
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    answer = client.post("/sign-in", data=FORM, headers=ORIGIN)
    session = client.cookies["pickaxe-session"]
    made = client.post("/v1/keys", json={"name": "k", "scopes": ["read", "predict"]}, headers=ORIGIN).json()["data"]
    secrets = [PASSWORD, session, made["secret"], "another good password", "password in the wrong field"]
    client.post("/v1/people", json={"name": "bob", "role": "viewer", "password": secrets[3]}, headers=ORIGIN)
    refused = {"name": "bob", "role": "viewer", "password": secrets[3]}
    said.append(client.post("/v1/people", json=refused, headers=ORIGIN).text)
    said.append(client.post("/v1/people", json=refused | {"name": ["x"]}, headers=ORIGIN).text)
    said.append(client.post("/v1/people", json=refused | {"more": 1}, headers=ORIGIN).text)
    said.append(client.patch("/v1/people/bob", json={"password": [secrets[3]]}, headers=ORIGIN).text)
    said.append(client.post("/v1/me/password", json={"old": secrets[3], "new": secrets[3]}, headers=ORIGIN).text)
    key = {"authorization": f"Bearer {made['secret']}"}
    said.append(client.get("/v1/people", headers=key).text)
    said.append(client.get("/v1/me", headers={"authorization": f"Bearer {made['secret']}x"}).text)
    client.post("/sign-in", data=FORM | {"name": secrets[4], "password": "x"}, headers=ORIGIN)
    for path in ("/v1/keys", "/v1/people", "/v1/audit", "/metrics", "/healthz", "/v1/events?limit=1000", "/openapi.json"):
        said.append(client.get(path).text)
    said.append(json.dumps([[event.subject, event.name, dict(event.body)] for event in workspace.log.list()], default=str))
    said += [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "asyncio"))]
    said.append(answer.text)
    for secret in secrets:
        random_part = secret.split("_", 2)[-1]  # pickaxe_PUBLIC_SECRET; the secret itself may have a "_"
        assert not [text[:300] for text in said if random_part in text], secret


def test_the_server_of_a_step_acts_for_its_tenant_and_answers_nobody_else(
    workspace: Workspace, access: Access, tmp_path: Path
) -> None:
    access.add_tenant("acme", admin="eve", password=PASSWORD)
    acme = workspace.for_tenant("tenant-acme", access.person("tenant-acme", "eve").id)
    for view, word in ((workspace, "area"), (acme, "senate")):
        model = view.import_files(write_model(tmp_path / word, word=word), "headlines/student", kind="model")
        view.publish("headlines", [Route(model.id)])
    with ServerThread(acme) as server:
        asked = httpx.post(f"{server.url}/v1/endpoints/headlines/predict", json={"text": "senate votes"})
        assert asked.json()["data"]["predictions"][0]["label"] == "sarcastic"
        bare = httpx.URL(server.url).copy_with(userinfo=b"")
        for headers in ({}, {"authorization": "Basic aW5uZXI6eA=="}, {"authorization": "Bearer x"}):
            assert httpx.get(f"{bare}/healthz", headers=headers).status_code == 401
    assert len(acme.events(kind="trace")) == 1
    assert workspace.events(kind="trace") == []
    with pytest.raises(Conflict, match="people sign in"):
        serve(workspace, port=0)
