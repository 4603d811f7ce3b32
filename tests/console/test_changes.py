"""The log of changes: sentences about people and things, not routes and ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from starlette.testclient import TestClient

from pickaxe.console.changes import ACTIONS, SHOWN
from pickaxe.kernel.access import passwords
from pickaxe.kernel.access.audit import KIND, MOST_READ, ROUTINE, record
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller, Role
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.declared import declared
from pickaxe.server.up import whole_app

PASSWORD = "a long enough password"
ZH = {"accept-language": "zh"}


@pytest.fixture
def at(empty: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Ada, the admin, signed in to the whole server."""
    monkeypatch.setattr(passwords, "_LOG_N", 5)
    Access.of(empty.catalog).add_person(LOCAL_TENANT, "ada", Role.ADMIN, password=PASSWORD)
    headers = {"origin": "http://localhost", "accept-language": "en"}
    with TestClient(whole_app(empty), base_url="http://localhost", headers=headers) as client:
        client.post("/sign-in", data={"name": "ada", "password": PASSWORD, "tenant": "local"})
        yield client


def lines(client: TestClient, query: str = "", **headers: str) -> list[str]:
    answer = client.get(f"/settings/changes{query}", headers=headers)
    assert answer.status_code == 200
    items = re.findall(r"<li>\s*<span>(.*?)</li>", answer.text, re.S)
    return [" ".join(unescape(re.sub(r"<[^>]*>", " ", item)).split()) for item in items]


def test_every_change_that_a_route_makes_has_words(empty: Workspace) -> None:
    changing = {
        f"{method} {route.path}"
        for route in declared(whole_app(empty))
        for method in route.methods - {"GET", "HEAD", "OPTIONS"}
        if route.scope != "predict"
    }
    assert changing <= set(ACTIONS)
    assert set(ACTIONS) - changing == {"sign-in", "sign-in refused"}
    assert set(ROUTINE) <= changing


def test_people_and_keys_read_as_sentences(at: TestClient) -> None:
    at.post("/v1/people", json={"name": "grace", "role": "labeller", "password": PASSWORD})
    at.post("/v1/people", json={"name": "bob", "role": "viewer", "password": "short"})
    at.patch("/v1/people/grace", json={"role": "editor", "disabled": True})
    at.patch("/v1/people/grace", json={"disabled": False})
    at.patch("/v1/people/ada", json={"role": "viewer"})
    made = at.post("/v1/keys", json={"name": "nightly", "scopes": ["read", "write"], "person": "grace"}).json()["data"]
    at.delete(f"/v1/keys/{made['key']['id']}")
    said = [line.partition(" done ")[0].partition(" refused ")[0] for line in lines(at)]
    assert said == [
        "ada revoked the key nightly",
        "ada made the key nightly of grace , which may read, write",
        "ada tried to change somebody's role, password or access: ada",
        "ada changed grace : enabled again",
        "ada changed grace : disabled, now editor",
        "ada tried to add somebody",
        "ada added grace as labeller",
        "ada signed in",
    ]
    chinese = lines(at, **ZH)
    assert chinese[0].startswith("ada 吊销了密钥 nightly")
    assert chinese[4].startswith("ada 更改了 grace ：停用, 现为编辑者")
    assert not re.search(r"principal-|key-[0-9a-f]|/v1/|POST|PATCH", " ".join([*said, *chinese]))


def test_things_have_links_and_a_program_its_key(at: TestClient) -> None:
    secret = at.post("/v1/keys", json={"name": "nightly", "scopes": ["read", "write"]}).json()["data"]["secret"]
    query = "/v1/imports?name=mail/raw&kind=source&filename=a.txt"
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/octet-stream"}
    artifact = at.post(query, content=b"hello", headers=headers).json()["data"]["id"]
    page = at.get("/settings/changes").text
    assert f'uploaded <a href="/artifacts/{artifact}"><bdi>mail/raw:1</bdi></a>' in page
    assert "by a program (with the key nightly)" in page


def test_a_refused_sign_in_is_one_of_a_kind(at: TestClient) -> None:
    stranger = {"name": "eve", "password": "guess", "tenant": "local"}
    at.post("/sign-in", data=stranger)
    at.post("/sign-in", data=stranger | {"name": "ada"})
    found = lines(at, "?kind=signing")
    assert found[0].startswith("Somebody was not let in as ada refused")
    assert found[1].startswith("Somebody was not let in as somebody who is not known refused")
    assert "sign" in found[2]
    assert lines(at, "?kind=commands") == []


def test_work_in_a_queue_is_one_line_and_its_routine_is_left_out(at: TestClient, empty: Workspace) -> None:
    ada, grace = whoever("ada"), whoever("grace")
    for turn in range(30):
        for who in (ada, grace):
            for what in ("take", "answer"):
                act(empty, who, f"POST /v1/queues/{{name:path}}/{what}", f"/v1/queues/mail/{what}", at=turn)
    found = lines(at, "?kind=labelling")
    assert [line.partition(" done")[0] for line in found] == ["grace answered in mail 30 times", "ada answered in mail 30 times"]
    assert len(lines(at, "?kind=labelling&routine=1")) == 4
    assert [line for line in lines(at) if "took items" in line] == []
    assert lines(at, f"?who={ada.principal_id}&kind=labelling")[0].startswith("ada answered in")


def test_pages_go_on_where_the_one_before_ended(at: TestClient, empty: Workspace) -> None:
    ada = whoever("ada")
    for turn in range(2 * SHOWN):
        act(empty, ada, "POST /v1/runs/{run_id}/cancel", f"run-{turn:03d}", at=turn, run=f"train {turn:03d}")
    first = at.get("/settings/changes?kind=lines").text
    following = re.search(r'href="(/settings/changes\?after=[^"]*)"[^>]*rel="next"|rel="next" href="([^"]*)"', first)
    assert following is not None
    address = (following[1] or following[2]).replace("&amp;", "&")
    found = lines(at, "?kind=lines") + lines(at, address.removeprefix("/settings/changes"))
    assert [re.search(r"train \d+", line)[0] for line in found] == [f"train {turn:03d}" for turn in reversed(range(2 * SHOWN))]  # type: ignore[index]


@pytest.mark.slow
def test_who_did_little_is_looked_for_only_so_far_back(at: TestClient, empty: Workspace) -> None:
    with empty.log.turn() as log:
        log.emit_many(
            {"kind": KIND, "subject": f"run-{turn}", "name": "POST /v1/runs/{run_id}/cancel", "value": 202.0, "body": {}}
            for turn in range(MOST_READ + 10)
        )
    page = at.get("/settings/changes?who=principal-nobody").text
    assert f"The last {MOST_READ:,} entries were read" in page
    assert "Look further back" in page


def test_only_admins_read_it(at: TestClient) -> None:
    at.post("/v1/people", json={"name": "grace", "role": "editor", "password": PASSWORD})
    at.post("/sign-in", data={"name": "grace", "password": PASSWORD, "tenant": "local"})
    assert at.get("/settings/changes").status_code == 403
    assert "/settings/changes" not in at.get("/settings").text


def whoever(name: str) -> Caller:
    return Caller(LOCAL_TENANT, f"principal-{name}", name, Role.ADMIN, Role.ADMIN.scopes, "person")


def act(workspace: Workspace, who: Caller, action: str, on: str, *, at: int, **details: object) -> None:
    record(workspace.log, who, action, on, 200, through="api", origin="127.0.0.1", turn=at, **details)
