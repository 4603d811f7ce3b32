"""Real servers over a real workspace: sockets, signals, and a process killed in the middle of its work."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

import pickaxe
from pickaxe.compute.planner.here.kept import pairs
from pickaxe.flows.query import query
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Role
from pickaxe.kernel.errors import BadInput, Unavailable
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.config import ServeConfig
from pickaxe.server.listen import loopback_address
from pickaxe.server.run import ServerThread, serve
from tests.faults import commands
from tests.serve.fakes import MemoryStore, write_model

pytestmark = pytest.mark.slow  # servers are started, killed and waited for

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with two endpoints: `headlines` answers at once, `slow` takes a quarter of a second for each text."""
    with pickaxe.open(tmp_path / "workspace") as opened:
        for name, options in (("headlines", {}), ("slow", {"text_sleep": 0.25})):
            publish(opened, write_model(tmp_path / name, **options), name)
    return tmp_path / "workspace"


def publish(workspace: Workspace, model: Path, name: str) -> str:
    artifact = workspace.import_files(model, f"{name}/student", kind="model")
    workspace.publish(name, [Route(artifact.id)])
    return artifact.id


@contextmanager
def process(workspace: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "tests.server.served", str(workspace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as started:
        try:
            assert started.stdout is not None
            url = started.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), started.communicate()[1]
            yield started, url
        finally:
            started.kill()


def test_every_answer_received_before_a_kill_is_on_record(workspace: Path) -> None:
    received: list[str] = []

    def ask(url: str) -> None:
        with httpx.Client() as client:
            while True:
                try:
                    answer = client.post(f"{url}/v1/endpoints/headlines/predict", json={"text": f"area {len(received)}"})
                except httpx.TransportError:
                    return
                received.append(answer.json()["trace_id"])

    with process(workspace) as (server, url):
        askers = [threading.Thread(target=ask, args=(url,)) for _ in range(8)]
        for asker in askers:
            asker.start()
        until = time.monotonic() + 300
        while len(received) < 200 and time.monotonic() < until:
            time.sleep(0.005)
        server.send_signal(signal.SIGKILL)
        for asker in askers:
            asker.join()
    assert len(received) >= 200
    with pickaxe.open(workspace) as opened:
        recorded = {event.subject for event in opened.events(kind="trace", limit=100_000)}
    assert set(received) <= recorded
    assert len(recorded - set(received)) <= 8  # written, and killed before the client had heard


def test_a_signal_lets_requests_under_way_finish(workspace: Path) -> None:
    answers: list[httpx.Response] = []
    with process(workspace) as (server, url):
        asker = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{url}/v1/endpoints/slow/predict", json={"texts": ["area"] * 20}))
        )
        asker.start()
        while "pickaxe_in_flight 1.0" not in httpx.get(f"{url}/metrics").text:
            time.sleep(0.01)
        server.send_signal(signal.SIGTERM)
        asker.join()
        out, err = server.communicate(timeout=300)
        assert (server.returncode, out.strip()) == (0, "drained"), err
    assert answers[0].status_code == 200
    with pickaxe.open(workspace, mode="r") as opened:
        assert [event.subject for event in opened.events(kind="trace")] == [answers[0].json()["trace_id"]]


def test_a_port_in_use_is_explained(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} is in use") as caught:
            serve(MemoryStore(), port=port)
    assert "--port 0" in str(caught.value.remedy)
    if sys.platform == "linux":
        assert f"by process {os.getpid()} " in caught.value.message


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.5", "example.org", "10.0.0.1", "127.0.0.1.example.org", "localhost.", "[::]"]
)
def test_other_machines_are_not_served(host: str) -> None:
    with pytest.raises(BadInput, match="loopback only"):
        serve(MemoryStore(), host=host, port=0)
    with pytest.raises(BadInput, match="loopback only"), ServerThread(MemoryStore(), host=host):
        pass


def test_at_every_address_it_knows_itself_by_all_of_them_and_by_this_machines_name(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        Access.of(workspace.catalog).add_person(LOCAL_TENANT, "ada", Role.ADMIN, password="a long password")
    process = commands.start(tmp_path / "workspace", "up", "--host", "0.0.0.0", "--port", 0, "--name", "pickaxe.example.org")
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert f"http://{socket.gethostname()}:" in said
        port = said.partition("  (")[0].rpartition(":")[2]
        addresses = [each.address for found in psutil.net_if_addrs().values() for each in found if each.family == socket.AF_INET]
        for host in (*addresses, socket.gethostname(), "localhost", "pickaxe.example.org"):
            assert httpx.get(f"http://127.0.0.1:{port}/v1/runs", headers={"host": f"{host}:{port}"}).status_code == 401, host
        refused = httpx.get(f"http://127.0.0.1:{port}/v1/runs", headers={"host": f"elsewhere.example:{port}"})
        assert refused.status_code == 403
        assert "--name" in refused.json()["error"]["remedy"]
    finally:
        process.terminate()
        process.wait(300)


def test_loopback_has_several_names() -> None:
    assert [loopback_address(host) for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.0.0.9", "::1", "[::1]")] == [
        "127.0.0.1",
        "127.0.0.1",
        "127.0.0.1",
        "127.0.0.9",
        "::1",
        "::1",
    ]


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_impossible_port_is_bad_input(port: int) -> None:
    with pytest.raises(BadInput, match="is not a port"):
        serve(MemoryStore(), port=port)


def test_a_thread_serves_the_workspace_that_its_process_holds(workspace: Path, tmp_path: Path) -> None:
    with pickaxe.open(workspace) as opened, ServerThread(opened, workspace="demo") as server:
        first = httpx.post(
            f"{server.url}/v1/endpoints/headlines/predict", json={"texts": ["Area man naps", "Senate votes"]}
        ).json()
        newer = publish(opened, write_model(tmp_path / "newer", word="senate"), "headlines")
        server.refresh()
        second = httpx.post(
            f"{server.url}/v1/endpoints/headlines/predict", json={"texts": ["Area man naps", "Senate votes"]}
        ).json()
        posted = httpx.post(
            f"{server.url}/v1/traces/{second['trace_id']}/feedback", json={"label": "serious", "by": "ada", "index": 1}
        )
        assert posted.status_code == 201
        assert httpx.get(f"{server.url}/healthz").json()["data"]["endpoints"] == ["headlines", "slow"]
        # What was answered is there for other steps at once: no flush is needed.
        rows = query(opened, "SELECT * FROM traces ORDER BY seq, ord").to_pylist()
    assert [(row["text"], row["label"]) for row in rows] == [
        ("Area man naps", "sarcastic"),
        ("Senate votes", "serious"),
        ("Area man naps", "serious"),
        ("Senate votes", "sarcastic"),
    ]
    assert rows[2]["artifact_id"] == newer != rows[0]["artifact_id"]
    assert [prediction["label"] for prediction in first["data"]["predictions"]] == ["sarcastic", "serious"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/healthz")
    with pickaxe.open(workspace, mode="r") as opened:
        (feedback,) = opened.events(kind="feedback")
    assert (feedback.subject, feedback.body["text"], feedback.body["label"]) == (second["trace_id"], "Senate votes", "serious")


def test_what_keeps_a_server_from_starting_is_raised_where_it_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    monkeypatch.setattr(store, "endpoints", lambda: (_ for _ in ()).throw(Unavailable("the catalog is gone")))
    with pytest.raises(Unavailable, match="the catalog is gone"), ServerThread(store):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pickaxe-")]


def test_a_client_that_never_sends_its_body_is_let_go(store: MemoryStore) -> None:
    with ServerThread(store, config=ServeConfig(body_seconds=0.2)) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(
                b"POST /v1/endpoints/headlines/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            )
            client.settimeout(120)
            assert client.recv(100).startswith(b"HTTP/1.1 408")


def test_bytes_that_are_not_http_are_refused_and_the_server_goes_on(store: MemoryStore) -> None:
    with ServerThread(store) as server:
        port = int(server.url.rpartition(":")[2])
        for junk in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"A" * 100_000, b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.settimeout(120)
                client.sendall(junk)
                client.shutdown(socket.SHUT_WR)
                try:
                    said = client.recv(1000)
                except ConnectionResetError:
                    said = b""
                assert not said.startswith(b"HTTP/1.1 5")
        assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_serving_is_forecast_when_the_server_starts_and_compared_when_it_is_stopped(workspace: Path) -> None:
    """The whole way: what is said at the start, over HTTP, after a real drain, by the command and to the next server."""
    process = commands.start(workspace, "up", "--port", 0)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().partition("  (")[0].rpartition(" ")[2]
        said = [process.stdout.readline() for _ in range(4)]
        assert any(line.startswith("headlines, forecast: $0.0400 an hour; at most ") for line in said), said
        with httpx.Client(base_url=url) as client:
            for _ in range(40):
                assert client.post("/v1/endpoints/headlines/predict", json={"text": "a"}).status_code == 200
            foreseen = client.get("/v1/endpoints/headlines/forecast").json()["data"]
            assert client.get("/v1/endpoints/nothing/forecast").status_code == 404
    finally:
        process.terminate()
        assert process.wait(300) == 0
    assert foreseen["by_traces"] == ["answer_us", "answers_hour"]
    assert foreseen["server"]["nano_hour"]["middle"] == 40_000_000
    with pickaxe.open(workspace, mode="r") as opened:
        found = {pair.meter: pair for pair in pairs(opened)}
        server = next(event.subject for event in opened.events(kind="served") if event.name == "serve:")
        charged = {charge.meter for charge in opened.ledger.charges([server.partition(":")[0]])}
    assert set(found) == {"nano_hour"}, "there was no traffic to forecast from"
    assert found["nano_hour"].read <= 40_000_000 * 1.02
    assert {"cpu", "cpu_time_ms", "wall_ms", "memory_peak_bytes"} <= charged
    asked = commands.call(workspace, "plan", "serve", "--endpoint", "headlines")
    assert asked.returncode == 0, asked.stderr
    assert "peak memory" in asked.stdout
    assert "an answer, median" in asked.stdout
    assert commands.call(workspace, "plan", "serve", "--endpoint", "nothing").returncode == 3
    mixed = commands.call(workspace, "plan", "serve", "--endpoint", "headlines", "--model", "llama-3.1-8b")
    assert "--endpoint forecasts what is published as it is" in mixed.stderr
