"""Who wants too much at once, or says nothing at all: others go on."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

import pickaxe
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller, Role
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import CALLER
from pickaxe.serve.attempts import Attempts, TooMany
from pickaxe.serve.http import TRACE
from pickaxe.serve.tracecontext import trace_context
from pickaxe.server import connections, openid
from pickaxe.server.crowd import MOST_REQUESTS, MOST_STREAMS, Crowd
from pickaxe.server.openid import OpenId, OpenIdConfig
from pickaxe.server.refusing import in_envelope
from pickaxe.server.run import ServerThread
from tests.server.native import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("crowd")) as served:
        yield served


def caller(name: str, kind: Any = "key") -> Caller:
    return Caller(LOCAL_TENANT, f"principal-{name}", name, Role.VIEWER, Role.VIEWER.scopes, kind)


class Answers:
    """An application whose answers take until they are let go."""

    def __init__(self, content_type: bytes) -> None:
        self.content_type = content_type
        self.done = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", self.content_type)]})
        await self.done.wait()
        await send({"type": "http.response.body", "body": b""})


async def asked(
    crowd: Crowd, who: Caller | None, times: int, path: str = "/v1/runs"
) -> tuple[list[int], list[asyncio.Task[None]]]:
    statuses, told = list[int](), asyncio.Semaphore(0)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
            told.release()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "path": path, "headers": [], TRACE: trace_context(None)} | ({CALLER: who} if who else {})
    tasks = [asyncio.create_task(crowd(scope, receive, send)) for _ in range(times)]
    for _ in tasks:
        await told.acquire()
    return statuses, tasks


@pytest.mark.parametrize(("content_type", "most"), [(b"application/json", MOST_REQUESTS), (b"text/event-stream", MOST_STREAMS)])
def test_one_person_has_so_much_under_way_and_no_more(content_type: bytes, most: int) -> None:
    async def story() -> None:
        answers = Answers(content_type)
        crowd = Crowd(answers, refuse=in_envelope)
        # Streams leave the requests when they begin.
        _, first = await asked(crowd, caller("ada"), max(0, most - MOST_REQUESTS))
        statuses, tasks = await asked(crowd, caller("ada"), min(most, MOST_REQUESTS))
        assert statuses == [200] * len(tasks)
        assert (await asked(crowd, caller("ada"), 3))[0] == [429] * 3
        assert (await asked(crowd, caller("bob"), 3))[0] == [200] * 3, "somebody else goes on"
        assert (await asked(crowd, caller("ada", "local"), 3))[0] == [200] * 3
        assert (await asked(crowd, caller("ada"), 3, "/v1/endpoints/x/predict"))[0] == [200] * 3
        answers.done.set()
        await asyncio.gather(*first, *tasks)
        answers.done = asyncio.Event()
        assert (await asked(crowd, caller("ada"), 3))[0] == [200] * 3, "what has ended does not count"
        answers.done.set()

    asyncio.run(story())


def test_a_streams_place_is_free_when_its_client_is_gone() -> None:
    async def story() -> None:
        crowd = Crowd(Answers(b"text/event-stream"), refuse=in_envelope)
        for _ in range(3):
            statuses, tasks = await asked(crowd, caller("ada"), 20)
            assert statuses == [200] * 20
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(story())


def connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=120)


def is_let_go(client: socket.socket) -> bool:
    try:
        return client.recv(1000) == b""
    except ConnectionResetError:
        return True


def healthy(client: socket.socket, url: str) -> bool:
    """Ask, and read the whole answer."""
    client.sendall(f"GET /healthz HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode())
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer.status == 200 and bool(answer.read())


@pytest.mark.parametrize("said", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_who_says_nothing_is_let_go(served: Served, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    start = time.monotonic()
    with connected(served[1]) as client:
        client.sendall(said)
        assert is_let_go(client)
    assert time.monotonic() - start > 0.4, "an event loop may wake a tick too early"


def test_a_head_that_drips_is_let_go_too_and_a_second_one(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(served[1]) as client:
        assert healthy(client, served[1])
        monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
        time.sleep(0.8)
        assert healthy(client, served[1]), "who is between two requests is not let go"
        start = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - start < 120:
                client.sendall(b"G")
                time.sleep(0.1)


def test_a_head_without_end_is_cut(served: Served) -> None:
    with connected(served[1]) as client:
        sent = 0
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        with pytest.raises(OSError):
            while sent < 64 << 20:
                sent += client.send(b"x" * 65_536)
        assert sent < 32 << 20


def test_one_address_does_not_hold_all_connections(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_OF_ONE_ADDRESS", 3)
    monkeypatch.setattr(connections, "_is_loopback", lambda address: False)
    clients = [connected(served[1]) for _ in range(4)]
    assert is_let_go(clients[-1])
    for client in clients:
        client.close()
    ends = time.monotonic() + 120
    while connections._open["127.0.0.1"]:
        assert time.monotonic() < ends, "the server has not seen them go"
        time.sleep(0.02)
    assert httpx.get(f"{served[1]}/healthz").status_code == 200


def test_a_form_that_drips_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pickaxe.server.sign_in._FORM_SECONDS", 0.3)
    host = urlsplit(served[1]).netloc
    with connected(served[1]) as client:
        client.sendall(
            f"POST /sign-in HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname=".encode()
        )
        assert client.recv(5000).startswith(b"HTTP/1.1 408")


def test_nobody_is_locked_out_at_home() -> None:
    attempts = Attempts()
    attempts.begin("local/ada", "10.0.0.1")
    attempts.succeeded("local/ada", "10.0.0.1")
    for number in range(50):
        attempts.begin("local/ada", f"10.1.0.{number}")
    with pytest.raises(TooMany):
        attempts.begin("local/ada", "10.2.0.1")
    for number in range(30):
        attempts.begin(f"local/{number}", "10.0.0.1")
    with pytest.raises(TooMany):
        attempts.begin("local/somebody", "10.0.0.1")
    for _ in range(5):
        attempts.begin("local/ada", "10.0.0.1")
    with pytest.raises(TooMany):
        attempts.begin("local/ada", "10.0.0.1")


def test_who_has_one_address_of_ipv6_has_many() -> None:
    attempts = Attempts()
    for number in range(30):
        attempts.begin(f"local/{number}", f"2001:db8:1:2::{number:x}")
    with pytest.raises(TooMany):
        attempts.begin("local/other", "2001:db8:1:2:ffff::1")
    attempts.begin("local/other", "2001:db8:1:3::1")
    attempts.begin("local/other", "unknown")


def test_a_provider_that_is_down_is_not_asked_by_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[str] = []

    def down(method: str, url: str, **_: Any) -> httpx.Response:
        asked_for.append(url)
        raise httpx.ConnectTimeout("nobody there")

    monkeypatch.setattr(openid.httpx, "request", down)
    provider = OpenId(OpenIdConfig("https://id.example.org", "pickaxe"))
    for _ in range(5):
        with pytest.raises(openid.Unavailable, match="cannot be reached"):
            provider._discovered()
    assert len(asked_for) == 1


@pytest.fixture
def signed_in(tmp_path: Path) -> Iterator[tuple[Workspace, str, str, str]]:
    """A server with people; a viewer's key and its id."""
    with pickaxe.open(tmp_path / "workspace") as workspace, ServerThread(workspace, whole=True) as server:
        access = Access.of(workspace.catalog)
        access.add_person(LOCAL_TENANT, "admin", Role.ADMIN, password="a long password")
        viewer = access.add_person(LOCAL_TENANT, "viewer", Role.VIEWER, password="a long password")
        key, secret = access.keys.create(LOCAL_TENANT, viewer.id, "k", ["read"])
        yield workspace, server.url, secret, key.id


@pytest.mark.parametrize("end", ["revoked", "disabled", "another role"])
def test_a_stream_ends_with_the_key_that_opened_it(signed_in: tuple[Workspace, str, str, str], end: str) -> None:
    workspace, url, secret, key_id = signed_in
    access = Access.of(workspace.catalog)
    with httpx.stream("GET", f"{url}/v1/events/stream", headers={"authorization": f"Bearer {secret}"}) as answer:
        lines = answer.iter_lines()
        assert next(lines)
        workspace.emit("note", "x", name="while it lasts")
        assert any("while it lasts" in line for line in lines)
        if end == "revoked":
            access.keys.revoke(LOCAL_TENANT, key_id)
        else:
            role = Role.LABELLER if end == "another role" else None
            access.change_person(LOCAL_TENANT, "viewer", disabled=True if end == "disabled" else None, role=role)
        workspace.emit("note", "x", name="not for you")
        assert not any("not for you" in line for line in lines), "and the stream has ended"


def test_a_stranger_at_this_machine_follows_no_longer_than_it_is_open(tmp_path: Path) -> None:
    with (
        pickaxe.open(tmp_path / "workspace") as workspace,
        ServerThread(workspace, whole=True) as server,
        httpx.stream("GET", f"{server.url}/v1/events/stream") as answer,
    ):
        lines = answer.iter_lines()
        assert next(lines)
        Access.of(workspace.catalog).add_person(LOCAL_TENANT, "admin", Role.ADMIN, password="a long password")
        workspace.emit("note", "x", name="not for you")
        assert not any("not for you" in line for line in lines)


def test_streams_of_one_key_are_counted_by_the_server(signed_in: tuple[Workspace, str, str, str]) -> None:
    _, url, secret, _ = signed_in
    with ExitStack() as stack:
        client = stack.enter_context(
            httpx.Client(headers={"authorization": f"Bearer {secret}"}, limits=httpx.Limits(max_connections=99))
        )
        found = [
            stack.enter_context(client.stream("GET", f"{url}/v1/events/stream")).status_code for _ in range(MOST_STREAMS + 2)
        ]
        assert found == [200] * MOST_STREAMS + [429] * 2
        assert client.get(f"{url}/v1/me").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, 200),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
        ({}, 200),
    ],
)
def test_an_image_on_another_site_makes_nobody_work(served: Served, headers: dict[str, str], status: int) -> None:
    answer = httpx.get(f"{served[1]}/data/-/sql", params={"q": "SELECT 1"}, headers=headers)
    assert answer.status_code == status
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
