"""Server-sent events: taken up where they were lost, ended with the run and with the server, slow clients hold up nobody."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import pickaxe
from pickaxe.server.run import ServerThread
from tests.kernel.sample_steps import Count, count
from tests.server.native import Served, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("live")) as found:
        yield found


def streamed(url: str, path: str, lines: list[str], *, headers: dict[str, str] | None = None, stop: threading.Event) -> None:
    asked = {"accept": "text/event-stream", **(headers or {})}
    with httpx.stream("GET", url + path, headers=asked) as answer:
        for line in answer.iter_lines():
            lines.append(line)
            if stop.is_set():
                return


def test_what_happens_is_streamed_and_taken_up_again(served: Served) -> None:
    workspace, url = served
    lines: list[str] = []
    stop = threading.Event()
    reader = threading.Thread(target=streamed, args=(url, "/v1/events/stream?kind=note", lines), kwargs={"stop": stop})
    reader.start()
    until(lambda: lines)
    workspace.emit("note", "x", name="first")
    workspace.emit("metric", "x", name="not asked for", value=1.0)
    workspace.emit("note", "x", name="second")
    until(lambda: sum(line.startswith("data:") for line in lines) == 2)
    seen = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
    assert [event["name"] for event in seen] == ["first", "second"]
    assert f"id: {seen[0]['seq']}" in lines
    # Lost after the first one: the second comes again.
    later: list[str] = []
    again = threading.Thread(
        target=streamed,
        args=(url, "/v1/events/stream?kind=note", later),
        kwargs={"stop": stop, "headers": {"last-event-id": str(seen[0]["seq"])}},
    )
    again.start()
    until(lambda: any(line.startswith("data:") for line in later))
    assert json.loads(next(line[5:] for line in later if line.startswith("data:")))["name"] == "second"
    stop.set()
    workspace.emit("note", "x", name="last")
    reader.join(120)
    again.join(120)
    assert not reader.is_alive()


def test_the_stream_of_a_run_ends_with_it(served: Served) -> None:
    workspace, url = served
    handle = workspace.submit(count, Count(upto=20, nap=0.05), name="words/live", cores=1)
    lines: list[str] = []
    streamed(url, f"/v1/runs/{handle.run_id}/events", lines, stop=threading.Event())
    assert lines[-3:-1] == ["event: end", 'data: {"state":"succeeded"}'] or 'data: {"state":"succeeded"}' in lines[-3:]
    metrics = [json.loads(line[5:]) for line in lines if line.startswith("data:") and '"kind":"metric"' in line]
    assert [event["step"] for event in metrics] == list(range(20))
    handle.result()


def test_streams_do_not_hold_up_the_end_of_the_server(tmp_path: Path) -> None:
    lines: list[str] = []
    with pickaxe.open(tmp_path / "workspace") as workspace:
        with ServerThread(workspace, whole=True) as server:
            reader = threading.Thread(
                target=streamed, args=(server.url, "/v1/events/stream", lines), kwargs={"stop": threading.Event()}
            )
            reader.start()
            until(lambda: lines)
            began = time.monotonic()
        assert time.monotonic() - began < 25, "a request under way is waited for half a minute"
        reader.join(120)
        assert not reader.is_alive()


def test_a_client_that_does_not_read_holds_up_nobody(served: Served) -> None:
    workspace, url = served
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /v1/events/stream?after=1 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        workspace.emit_many([{"kind": "note", "subject": "flood", "name": "n" * 2000} for _ in range(3000)])
        assert httpx.get(f"{url}/v1/runs").status_code == 200, "while the deaf one is still there"


def until(true: Any) -> None:
    end = time.monotonic() + 300
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
