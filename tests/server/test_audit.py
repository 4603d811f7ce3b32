"""The log of changes over HTTP, from Python and on the command line: by person, kind and time, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import pickaxe
from pickaxe.cli import group
from pickaxe.kernel.access import audit
from pickaxe.kernel.access.audit import Asked
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller, Role
from pickaxe.kernel.encryption.keyring import new_master_key
from pickaxe.kernel.errors import BadInput, NotFound
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread
from pickaxe.server.up import whole_app

TAKE, CANCEL = "POST /v1/queues/{name:path}/take", "POST /v1/runs/{run_id}/cancel"


@pytest.fixture(params=["plain", "encrypted"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """Ada cancels, grace takes items and is added; five each, one after the other."""
    monkeypatch.delenv("PICKAXE_URL", raising=False)
    if request.param == "encrypted":
        monkeypatch.setenv("THE_KEY", new_master_key())
        monkeypatch.setenv("PICKAXE_KEY", "env:THE_KEY")
    with pickaxe.open(tmp_path / "workspace") as opened:
        access = Access.of(opened.catalog)
        ada, grace = (caller(access, name) for name in ("ada", "grace"))
        for turn in range(5):
            act(opened, ada, CANCEL, f"run-{turn}")
            act(opened, grace, TAKE, "/v1/queues/mail/take")
            act(opened, grace, "POST /v1/people", "principal-x")
        yield opened


@pytest.fixture
def client(workspace: Workspace) -> Iterator[TestClient]:
    headers = {"authorization": f"Bearer {secret(workspace)}"}
    with TestClient(whole_app(workspace), base_url="http://localhost", headers=headers) as client:
        yield client


def test_by_person_and_kind(client: TestClient) -> None:
    assert [item["name"] for item in found(client, who="ada")] == [CANCEL] * 5
    assert {item["body"]["who"] for item in found(client, kind="people")} == {"grace"}
    assert found(client, kind="people", who="ada") == []
    assert found(client, kind="commands") == []
    assert [item["name"] for item in found(client, kind="labelling")] == [TAKE] * 5
    assert found(client, kind="labelling", routine=False) == []
    assert TAKE not in {item["name"] for item in found(client, routine=False)}


def test_by_time(client: TestClient) -> None:
    everything = found(client, newest_first=False)
    first, last = everything[4]["at"], everything[9]["at"]
    assert found(client, since=first, until=last, newest_first=False) == everything[4:9]
    assert found(client, since=first, until=last) == everything[4:9][::-1]
    assert found(client, since="2999-01-01") == []
    assert found(client, until="1999-01-01") == []
    assert len(found(client, since="1999-01-01", until="2999-01-01T00:00:00")) == len(everything)


@pytest.mark.parametrize("newest_first", [True, False])
def test_page_by_page_nothing_is_shifted_by_what_comes(client: TestClient, workspace: Workspace, newest_first: bool) -> None:
    whole = found(client, who="grace", newest_first=newest_first)
    seen: list[Any] = []
    after = None
    while True:
        page = asked(client, who="grace", newest_first=newest_first, limit=3, **({"after": after} if after else {}))
        seen += page["items"]
        act(workspace, caller(Access.of(workspace.catalog), "ada"), CANCEL, "run-later")
        after = page["next"]
        if after is None:
            break
    assert seen == whole


def test_somebody_who_did_little_is_looked_for_part_by_part(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    monkeypatch.setattr(audit, "MOST_READ", 4)
    act(workspace, caller(Access.of(workspace.catalog), "ada"), CANCEL, "run-6")
    pages: list[Any] = [asked(client, who="ada", limit=100)]
    while pages[-1]["next"]:
        pages.append(asked(client, who="ada", limit=100, after=pages[-1]["next"]))
    assert sum(len(page["items"]) for page in pages) == 6
    assert [len(page["items"]) for page in pages[:3]] == [2, 1, 1]


def test_what_cannot_be_asked(client: TestClient) -> None:
    for query in ("kind=nothing", "since=yesterday", "after=x", "limit=0", "routine=2", "who=nobody"):
        answer = client.get(f"/v1/audit?{query}")
        assert answer.status_code == (404 if query == "who=nobody" else 422), query
        assert answer.json()["error"]["message"]


def test_the_same_here_and_behind_a_server(workspace: Workspace) -> None:
    with ServerThread(workspace, whole=True) as server, pickaxe.connect(server.url, key=secret(workspace)) as there:
        since = workspace.log.list(kind=audit.KIND)[3].at
        wanted = Asked(kind="people", since=since, until=since + timedelta(days=1))
        assert there.members.changes(wanted, who="grace", limit=2) == workspace.members.changes(wanted, who="grace", limit=2)
        for members in (there.members, workspace.members):
            with pytest.raises(NotFound):
                members.changes(Asked(), who="nobody")
    with pytest.raises(BadInput, match="no kind of change"):
        Asked(kind="nothing")


def test_on_the_command_line(workspace: Workspace) -> None:
    def said(*words: str, status: int = 0) -> str:
        result = CliRunner().invoke(group, ["-w", str(workspace.path), "audit", *words], prog_name="pickaxe")
        assert (result.exit_code == 0) == (status == 0), (result.output, result.exception)
        return result.output

    assert said().count("grace") == 5
    assert said("--routine").count("grace") == 10
    assert said("--by", "ada", "--kind", "people").strip() == "nothing like this was changed"
    first = said("--by", "ada", "--limit", "2")
    assert "run-4" in first
    assert "run-2" not in first
    older = said("--by", "ada", "--before", first.rsplit("--before ", 1)[1].strip())
    assert "run-2" in older
    assert "run-3" not in older
    days = [f"{event.at:%Y-%m-%d}" for event in workspace.log.list(kind=audit.KIND)]
    assert "run-4" in said("--since", min(days), "--until", max(days))
    assert "is no time" in said("--since", "yesterday", status=2)


def secret(workspace: Workspace) -> str:
    return workspace.members.create_key("reader", ["read", "admin"], person="ada")[1]


def found(client: TestClient, **query: Any) -> list[Any]:
    page = asked(client, **query)
    assert page["next"] is None
    return page["items"]


def asked(client: TestClient, **query: Any) -> Any:
    answer = client.get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def caller(access: Access, name: str) -> Caller:
    known = {person.name: person.id for person in access.people(LOCAL_TENANT)}
    id = known.get(name) or access.add_person(LOCAL_TENANT, name, Role.ADMIN, password="a long enough password").id
    return Caller(LOCAL_TENANT, id, name, Role.ADMIN, Role.ADMIN.scopes, "person")


def act(workspace: Workspace, who: Caller, action: str, on: str) -> None:
    audit.record(workspace.log, who, action, on, 200, through="api", origin="127.0.0.1")
