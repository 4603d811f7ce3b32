"""Every route of the assembled application, asked by everybody. A new route is covered by itself."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

import pickaxe
from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.nouns import Route
from pickaxe.server.declared import Declared
from tests.server.two_tenants import MARK, ROW, TRACE, Server, start

pytestmark = pytest.mark.slow

CLOSED = ("revoked key", "expired key", "key of somebody disabled", "stranger with a made-up key", "stranger with a password")
"""What shows something that opens nothing is told so everywhere, also where nothing need be shown."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with pickaxe.open(folder / "workspace") as workspace:
        server = start(workspace, folder)
        with server.client:
            time.sleep(1.1)  # for the key that lasts a second
            yield server


def calls(routes: list[Declared]) -> Iterator[tuple[Declared, str]]:
    for route in routes:
        for method in sorted(route.methods - {"HEAD"}):
            yield route, method


@pytest.mark.slow
def test_every_route_by_everybody(server: Server) -> None:
    """With made-up ids and an empty body: what is asked is who gets as far as the route."""
    wrong: list[str] = []
    seen = 0
    for route, method in calls(server.routes):
        path = re.sub(r"\{[^}]+\}", "nothing", route.path)
        for caller, scopes in server.scopes.items():
            if path == "/sign-out" and scopes:
                continue  # it would end the session that the next route needs
            answer = server.ask(caller, method, path, **({} if method == "GET" else {"json": {}}))
            seen += 1
            if not fits(route, caller, scopes, answer):
                wrong.append(f"{caller}: {method} {route.path} (needs {route.scope}) -> {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)
    assert seen > 50 * 15


def fits(route: Declared, caller: str, scopes: frozenset[str], answer: Any) -> bool:
    if answer.status_code >= 500:
        return False
    if caller in CLOSED:
        return answer.status_code == 401
    if route.scope is None:
        return answer.status_code != 401 or route.path == "/sign-in"
    if not scopes:
        return answer.status_code == 401 or answer.headers.get("location", "").startswith("/sign-in")
    refused = answer.status_code == 403 and "may not do this" in answer.text
    return refused != (route.scope in scopes) and answer.status_code != 401


def test_a_stranger_learns_of_no_route(server: Server) -> None:
    answers = {server.ask("stranger", "GET", path).status_code for path in ("/v1/runs", "/v1/nothing", "/nothing", "/v1/../x")}
    assert answers == {401}
    health = server.ask("stranger", "GET", "/healthz").json()["data"]
    assert (health["endpoints"], health["problems"], health["workspace"]) == ([], {}, "")


def values(server: Server) -> dict[str, str]:
    """What a path of another tenant's thing looks like, by parameter; by prefix where several mean different things."""
    ids = server.ids
    return {
        "run_id": ids["run"],
        "job_id": ids["job"],
        "trace_id": TRACE,
        "id": ids["key"],
        "name": ids["name"],
        "/v1/people/{name}": ids["person"],
    }


def bodies(server: Server) -> dict[str, dict[str, Any]]:
    """Requests that would do something, if they were about one's own."""
    ids = server.ids
    return {
        "POST /v1/endpoints/{name}/predict": {"text": "x"},
        "POST /v1/traces/{trace_id}/feedback": {"label": MARK, "by": "eve"},
        "PATCH /v1/people/{name}": {"role": "viewer", "disabled": True},
        "POST /v1/keys": {"name": "k", "scopes": ["read"], "person": ids["person"]},
        "POST /v1/aliases": {"artifact": ids["model"], "alias": "production"},
        "POST /v1/endpoints": {"name": "only-here", "routes": [{"artifact": ids["model"]}]},
        "POST /v1/queues": {"name": "stolen", "rows": ids["rows"], "labels": ["a", "b"]},
        "POST /v1/queues/{name:path}/take": {"ahead": 1},
        "POST /v1/queues/{name:path}/answer": {"row_key": ROW, "value": MARK, "seconds": 1.0},
        "POST /v1/queues/{name:path}/skip": {"row_key": ROW},
        "POST /v1/queues/{name:path}/decide": {"row_key": ROW, "value": MARK},
        "POST /v1/events": {"events": [{"kind": "log", "subject": "run-of-ours"}]},
        "POST /v1/prices": {"meter": "cpu", "nano": 0, "per": 1},
        "POST /v1/tenants": {"name": "mine", "admin": "eve", "password": "a long password"},
        "POST /v1/jobs": {"kind": "produce", "task": {"name": "stolen", "data": f"artifact:{ids['rows']}", "annotators": "file"}},
        "POST /v1/sql": {"query": f'SELECT * FROM "{ids["rows"]}"'},
    }


def _parameters(path: str) -> list[str]:
    return re.findall(r"\{(\w+)", path)


def test_no_route_reaches_another_tenant(server: Server) -> None:
    """`acme`'s admin asks every route for what is `local`'s, by its ids: nothing of it is shown, and nothing changed."""
    before = server.fingerprint(LOCAL_TENANT)
    named, given, wrong = values(server), bodies(server), list[str]()
    for route, method in calls(server.routes):
        refs = [server.ids[name] for name in ("rows", "made", "model", "document")] if "{ref" in route.path else [""]
        for ref in refs:
            known = {part: ref or named.get(route.path) or named.get(part, "nothing") for part in _parameters(route.path)}
            path = re.sub(r"\{(\w+)[^}]*\}", r"{\1}", route.path).format(**known)
            if path in ("/sign-out", "/v1/me/password"):
                continue
            body = {} if method == "GET" else {"json": given.get(f"{method} {route.path}", {})}
            answer = server.ask("acme's admin", method, path, **body)
            if MARK in answer.text or answer.status_code >= 500:
                wrong.append(f"{method} {path} -> {answer.status_code} {answer.text[:300]}")
            if method != "GET" and answer.status_code < 300 and route.path not in ("/v1/events",):
                wrong.append(f"{method} {path} was done -> {answer.status_code} {answer.text[:300]}")
            changed = [name for name, digest in server.fingerprint(LOCAL_TENANT).items() if before[name] != digest]
            if changed:
                wrong.append(f"{method} {path} changed {changed} -> {answer.status_code}")
                before = server.fingerprint(LOCAL_TENANT)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "asked",
    [
        "/v1/events?subject={run}",
        "/v1/events?subject={trace}",
        "/v1/charges?holder={run}",
        "/v1/blast?target={rows}",
        "/v1/blast?target=" + ROW,
        "/v1/blast?by=" + MARK,
        "/v1/traces?endpoint=only-here",
        "/v1/keys",
        "/v1/people",
        "/v1/tenants",
        "/v1/bill",
        "/metrics",
        "/healthz",
        "/v1/runs?prefix=only-here",
        "/v1/artifacts?prefix=only-here",
    ],
)
def test_no_question_reaches_another_tenant(server: Server, asked: str) -> None:
    path = asked.format(**server.ids)
    ours, theirs = server.ask("admin", "GET", path), server.ask("acme's admin", "GET", path)
    assert ours.status_code == 200
    assert theirs.status_code in (200, 404)
    text = theirs.text.replace(MARK if MARK in asked else "\0", "")
    if theirs.status_code == 200:
        assert not [value for name, value in server.ids.items() if name != "trace" and f'"{value}"' in text], text


@pytest.mark.parametrize("table", ["runs", "artifacts", "events", "traces", "feedback", "labels", "charges", "only-here/rows"])
def test_no_sql_reaches_another_tenant(server: Server, table: str) -> None:
    asked = {"query": f'SELECT * FROM "{table}"'}
    ours, theirs = (server.ask(caller, "POST", "/v1/sql", json=asked) for caller in ("admin", "acme's admin"))
    assert ours.status_code == 200, ours.text
    assert theirs.status_code in (200, 404), theirs.text
    assert MARK not in theirs.text


def test_the_same_names_here_and_there(server: Server) -> None:
    """A person of one tenant is nobody in the other, whatever they are called there."""
    assert {person["tenant_id"] for person in server.ask("acme's admin", "GET", "/v1/people").json()["data"]["items"]} == {
        "tenant-acme"
    }
    assert {person["tenant_id"] for person in server.ask("admin", "GET", "/v1/people").json()["data"]["items"]} == {LOCAL_TENANT}


def test_a_tenants_broken_model_makes_nobody_else_unready(server: Server) -> None:
    own = server.ask("acme's admin", "GET", "/v1/me").json()["data"]["tenant_id"]
    acme = server.workspace.for_tenant(own, "")
    model = acme.import_json({"no": "model"}, "broken", kind="model")
    server.workspace.for_tenant(own, "").publish("broken", [Route(model.id)], {})
    until = time.monotonic() + 300
    while not (answer := server.ask("acme's admin", "GET", "/healthz")).json()["data"]["problems"] and time.monotonic() < until:
        time.sleep(0.1)  # while a model is being loaded its endpoint is not ready either, and no problem yet
    assert (answer.status_code, set(answer.json()["data"]["problems"])) == (503, {"broken"})
    for caller in ("stranger", "admin"):
        answer = server.ask(caller, "GET", "/healthz")
        assert (answer.status_code, answer.json()["data"]["ready"], answer.json()["data"]["problems"]) == (200, True, {})
