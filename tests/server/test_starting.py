"""Before a line is started, over HTTP: an upload that must be texts, a look at it, and what the line should take."""

from __future__ import annotations

import io
import socket
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import pickaxe
from pickaxe.flows.demo_data import WHEELS_VARIABLE
from pickaxe.flows.line import Line
from pickaxe.server.run import ServerThread
from pickaxe.wire.native import routes_imports
from tests.compute.steps import Spin, spin

ROWS = "body,kind\n" + "".join(f"the printer is on fire again {n},{'urgent' if n % 3 else 'calm'}\n" for n in range(300))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pickaxe.open(tmp_path_factory.mktemp("starting") / "w") as workspace:
        old = workspace.path / "old.csv"
        old.write_text(ROWS, encoding="utf-8")
        workspace.import_files(old, "old/source")
        for stage, seconds in (("ingest", 0.2), ("teacher", 0.4)):
            Line(workspace, "old").stage(stage, spin, Spin(seconds=seconds), {}, cores=1)
        with ServerThread(workspace, whole=True) as server:
            yield server.url


def sent(url: str, content: bytes = ROWS.encode(), *, media: str = "application/octet-stream", **asked: Any) -> httpx.Response:
    asked = {"name": "uploads/tickets", "filename": "Tickets 2026.csv", "texts": True} | asked
    return httpx.post(f"{url}/v1/imports", content=content, params=asked, headers={"content-type": media})


def refusal(answer: httpx.Response, status: int = 422) -> str:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    return " ".join(str(error.get(key, "")) for key in ("message", "expected", "got", "remedy"))


def test_a_file_of_texts_is_taken_and_looked_at(url: str) -> None:
    artifact = sent(url).json()["data"]
    found = httpx.get(f"{url}/v1/looks/{artifact['id']}").json()["data"]
    assert (found["name"], found["rows"], found["whole"]) == ("Tickets 2026.csv", 300, True)
    assert (found["text"], found["label"]) == ("body", "kind")
    assert found["columns"][1]["classes"] == {"urgent": 200, "calm": 100}
    assert found["sample"][0] == ["the printer is on fire again 0", "calm"]
    assert httpx.get(f"{url}/v1/looks/uploads/tickets").json()["data"] == found


def test_how_a_file_is_looked_at_may_be_given(url: str) -> None:
    rows = "".join(f"打印机坏了 {n};{'a' if n % 2 else 'b'}\n" for n in range(200))
    ref = sent(url, f"text;kind\n{rows}".encode("gb18030"), name="uploads/zh").json()["data"]["id"]
    found = httpx.get(f"{url}/v1/looks/{ref}").json()["data"]
    assert (found["encoding"], found["encoding_from"], found["delimiter"], found["lines_above"]) == ("gb18030", "found", ";", 0)
    assert found["sample"][0][0] == "打印机坏了 0"
    asked = {"encoding": "big5", "delimiter": ",", "lines_above": 1}
    other = httpx.get(f"{url}/v1/looks/{ref}", params=asked).json()["data"]
    assert (other["encoding"], other["encoding_from"], other["delimiter"], other["lines_above"]) == ("big5", "given", ",", 1)
    assert other["sample"][0] != found["sample"][0]
    for wrong, said in (({"encoding": "utff-8"}, "did you mean 'utf-8'"), ({"delimiter": "ab"}, "one character")):
        assert said in refusal(httpx.get(f"{url}/v1/looks/{ref}", params=wrong))
    assert httpx.get(f"{url}/v1/looks/{ref}", params={"lines_above": -1}).status_code == 422


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"%PDF-1.7", "is a PDF"), (b"PK\x03\x04", "zip archive"), (b"a,b\n", "a header and nothing else")],
)
def test_what_is_no_file_of_texts_is_not_kept(url: str, content: bytes, said: str) -> None:
    assert said in refusal(sent(url, content, name="uploads/hostile"))
    assert httpx.get(f"{url}/v1/artifacts", params={"name": "uploads/hostile"}).json()["data"]["items"] == []


def test_hostile_names_and_folders_are_refused(url: str) -> None:
    assert "without slashes" in refusal(sent(url, filename="../../etc/passwd"))
    assert "not a usable name" in refusal(sent(url, name="../x"))
    spool = io.BytesIO()
    with tarfile.open(fileobj=spool, mode="w"):
        pass
    assert "single file" in refusal(sent(url, spool.getvalue(), media="application/x-tar"))


def test_an_upload_that_says_it_is_too_large_is_refused_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_imports, "MOST_UPLOADED", 1000)
    assert "at most 1000 bytes" in refusal(sent(url), 413)

    def parts() -> Iterator[bytes]:  # without a length
        yield from [b"x" * 600] * 3

    answer = httpx.post(f"{url}/v1/imports", content=parts(), params={"name": "uploads/long"})
    assert "at most 1000 bytes" in refusal(answer, 413)


def test_an_upload_that_is_broken_off_is_no_fault_of_the_server(url: str, caplog: pytest.LogCaptureFixture) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        head = f"POST /v1/imports?name=uploads/half HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000\r\n\r\n"
        line.sendall(head.encode() + b"text\n")
        time.sleep(0.3)  # it has begun to read
    entries = until_told(lambda: httpx.get(f"{url}/v1/audit").json()["data"]["items"])
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
    assert entries[0]["value"] == 408
    assert httpx.get(f"{url}/v1/artifacts", params={"name": "uploads/half"}).json()["data"]["items"] == []


def until_told(entries: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The log, once the upload is in it."""
    ends = time.monotonic() + 300
    while not (found := entries()) or found[0]["value"] < 400:
        assert time.monotonic() < ends, found[:1]
        time.sleep(0.05)
    return found


def test_only_files_are_looked_at(url: str) -> None:
    assert httpx.get(f"{url}/v1/looks/uploads/nothing").status_code == 404
    table = httpx.get(f"{url}/v1/artifacts", params={"prefix": "old/"}).json()["data"]["items"]
    other = next(item for item in table if item["kind"] != "source")
    assert "is no file" in refusal(httpx.get(f"{url}/v1/looks/{other['id']}"))


def task(url: str, **more: Any) -> dict[str, Any]:
    data = f"artifact:{sent(url).json()['data']['id']}"
    return {"name": "tickets", "data": data, "annotators": "file", "ingest": {"text": "body", "label": "kind"}} | more


def forecast(url: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/jobs/forecast", json=body)


def test_a_line_is_forecast_before_it_starts(url: str) -> None:
    found = forecast(url, task=task(url)).json()["data"]
    assert [stage["stage"] for stage in found["stages"]] == ["ingest", "teacher"]
    assert found["seconds"] == pytest.approx(sum(stage["seconds"]["middle"] for stage in found["stages"]))
    assert found["nano"] > 0
    assert found["refused"] is None
    first, second = (stage["seconds"]["middle"] for stage in found["stages"])
    refused = forecast(url, task=task(url, limits={"max_seconds": first + second / 2})).json()["data"]["refused"]
    assert refused["message"] == "teacher would take too long", "the first still fits"
    assert httpx.get(f"{url}/v1/jobs").json()["data"]["items"] == []


def test_what_cannot_begin_is_neither_forecast_nor_started(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in ("/v1/jobs/forecast", "/v1/jobs"):
        people = task(url, annotators="people", ingest={"text": "body"})
        assert "people need to know the classes" in refusal(httpx.post(url + path, json={"task": people}))
        assert "expected one of 'task', 'toml' and 'demo'" in refusal(httpx.post(url + path, json={}))
        assert "no task 'cats' comes with the demo" in refusal(httpx.post(url + path, json={"demo": "cats"}))
        assert httpx.post(url + path, json={"task": task(url, data="artifact:art-none")}).status_code == 404
    monkeypatch.setenv(WHEELS_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PICKAXE_CACHE", str(tmp_path))
    assert "not on this machine yet" in refusal(forecast(url, demo="reuters"), 503)
    assert httpx.get(f"{url}/v1/jobs").json()["data"]["items"] == []
