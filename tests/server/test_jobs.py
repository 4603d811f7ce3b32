"""Jobs behind a real server: followed live, cancelled, and gone on with after `kill -9`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import pickaxe
from pickaxe.flows.line import Nobody, StageRecord
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nouns import RunState
from tests.flows.tiny import Files, as_toml, make_files, merged

pytestmark = pytest.mark.slow  # whole lines are run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tiny"))


@contextmanager
def server(workspace: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PICKAXE_CORES": "2"}
    command = [sys.executable, "-m", "tests.server.served", str(workspace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as started:
        try:
            assert started.stdout is not None
            url = started.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            yield started, url
        finally:
            started.kill()


def quick_task(files: Files) -> dict[str, Any]:
    """One round without traffic: some 25 seconds."""
    values = merged(tomllib.loads(files.task.read_text(encoding="utf-8")), {"rounds": 1, "traffic": None})
    return values | {"data": str(files.folder / "tiny.jsonl"), "encoder": str(files.folder / "encoder")}


def submitted(url: str, task: dict[str, Any]) -> str:
    answer = httpx.post(f"{url}/v1/jobs", json={"kind": "produce", "task": task})
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]["id"]


def job(url: str, job_id: str) -> dict[str, Any]:
    return httpx.get(f"{url}/v1/jobs/{job_id}").json()["data"]


def until(true: Any) -> Any:
    end = time.monotonic() + 600
    while not (found := true()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)
    return found


def run_of(url: str, name: str, state: str) -> dict[str, Any] | None:
    found = runs_of(url, name=name, state=state)
    return found[0] if found else None


def runs_of(url: str, **asked: str) -> list[dict[str, Any]]:
    return httpx.get(f"{url}/v1/runs", params=asked).json()["data"]["items"]


class Notes(Nobody):
    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[StageRecord] = []

    def stage_started(self, task: str, round: int, stage: str) -> None:
        self.started.append(stage)

    def stage_ended(self, record: StageRecord) -> None:
        self.ended.append(record)


def test_a_line_is_carried_out_by_the_server_as_it_would_be_here(files: Files, tmp_path: Path) -> None:
    task = tmp_path / "task.toml"
    task.write_text(as_toml(quick_task(files)), encoding="utf-8")
    notes = Notes()
    with server(tmp_path / "there") as (_, url), pickaxe.connect(url) as remote:
        there = pickaxe.produce(task, remote, watcher=notes)
        listed = httpx.get(f"{url}/v1/jobs").json()["data"]["items"]
        assert [(item["state"], item["name"], item["attempts"]) for item in listed] == [("succeeded", "tiny", 1)]
        # The page of the report came with it.
        report = remote.files(remote.artifact(listed[0]["result"]["report"]))
        assert report.read_text(encoding="utf-8").startswith("<!doctype html>")
        assert there.cost(remote).full > 0
        again = pickaxe.produce(task, remote)
        assert all(record.cached for record in again.records)
        assert again.model == there.model
    with pickaxe.open(tmp_path / "here") as workspace:
        here = pickaxe.produce(task, workspace)
    assert there.model.digest == here.model.digest
    assert [(record.stage, record.rows) for record in there.records] == [(record.stage, record.rows) for record in here.records]
    assert [record.stage for record in notes.ended] == [record.stage for record in here.records]
    assert notes.started == [record.stage for record in notes.ended]


def test_a_killed_server_goes_on_with_its_job(files: Files, tmp_path: Path) -> None:
    with server(tmp_path / "workspace") as (process, url):
        job_id = submitted(url, quick_task(files))
        # Another split: found in the cache it would be done before anybody can call it off.
        waiting = submitted(url, merged(quick_task(files), {"name": "second", "curate": {"split_seed": 99}}))
        until(lambda: run_of(url, "tiny/teacher", "running"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    with server(tmp_path / "workspace") as (_, url):
        until(lambda: job(url, job_id)["state"] != "running")
        ended = job(url, job_id)
        assert (ended["state"], ended["attempts"]) == ("succeeded", 2), ended
        stages = {stage["stage"]: stage["cached"] for stage in ended["result"]["stages"]}
        assert stages["ingest"]
        assert not stages["teacher"]
        teacher = run_of(url, "tiny/teacher", "succeeded")
        assert teacher is not None
        assert teacher["attempt"] == 2
        # What waited behind it is next; it is called off here.
        until(lambda: job(url, waiting)["state"] == "running")
        httpx.post(f"{url}/v1/jobs/{waiting}/cancel").raise_for_status()
        until(lambda: job(url, waiting)["state"] == "cancelled")
    with pickaxe.open(tmp_path / "workspace") as workspace:
        assert [item.charged + item.idle - item.cost for item in workspace.ledger.statements()] == [0, 0, 0]


def test_a_job_and_a_run_are_cancelled(files: Files, tmp_path: Path) -> None:
    with server(tmp_path / "workspace") as (process, url):
        first, second = submitted(url, quick_task(files)), submitted(url, quick_task(files) | {"name": "second"})
        assert job(url, second)["state"] == "queued"
        # One that waits is over at once.
        assert httpx.post(f"{url}/v1/jobs/{second}/cancel").json()["data"]["state"] == "cancelled"
        assert httpx.post(f"{url}/v1/jobs/{second}/cancel").status_code == 409

        def stopped() -> bool:
            """Whether the job is over; a run of it that is under way is cancelled, if it does not end just then."""
            for run in runs_of(url, state="running"):
                assert httpx.post(f"{url}/v1/runs/{run['id']}/cancel").status_code in (202, 409)
            return job(url, first)["state"] not in ("queued", "running")

        until(stopped)
        ended = job(url, first)
        assert (ended["state"], ended["error"]["code"]) == ("failed", "run_cancelled")
        assert len(runs_of(url, state="cancelled")) == 1
        # A third is stopped where it is, and the server's own stop is none of that: it goes on afterwards.
        third = submitted(url, quick_task(files))
        until(lambda: runs_of(url, state="running"))
        assert httpx.post(f"{url}/v1/jobs/{third}/cancel").status_code == 202
        until(lambda: job(url, third)["state"] == "cancelled")
        fourth = submitted(url, quick_task(files))
        until(lambda: job(url, fourth)["state"] == "running")
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0
    with pickaxe.open(tmp_path / "workspace", mode="r") as workspace:
        assert [event.body["state"] for event in workspace.events(kind="job") if event.name == "ended"] == [
            "cancelled",
            "failed",
            "cancelled",
        ]
        assert not workspace.runs.page(states=[RunState.RUNNING, RunState.QUEUED])[0]


@pytest.mark.parametrize(
    ("task", "status", "said"),
    [
        ({"name": "x"}, 422, "data"),
        ({"name": "x", "data": "relative.csv", "annotators": "file", "ingest": {"label": "l"}}, 422, "not a whole path"),
        ({"name": "x", "data": "artifact:nobody/source", "annotators": "file", "ingest": {"label": "l"}}, 404, "no artifact"),
        ({"name": "x", "data": "demo:headlines", "surprise": 1}, 422, "surprise"),
        ({"name": "../x", "data": "demo:headlines"}, 422, "usable name"),
    ],
)
def test_what_is_no_task_is_refused_before_it_is_queued(tmp_path: Path, task: dict[str, Any], status: int, said: str) -> None:
    from pickaxe.server.run import ServerThread

    with pickaxe.open(tmp_path / "workspace") as workspace, ServerThread(workspace, whole=True) as thread:
        answer = httpx.post(f"{thread.url}/v1/jobs", json={"kind": "produce", "task": task})
        assert answer.status_code == status, answer.text
        assert said in answer.text
        assert httpx.get(f"{thread.url}/v1/jobs").json()["data"]["items"] == []


def test_a_line_that_fails_says_why(tmp_path: Path) -> None:
    from pickaxe.server.run import ServerThread

    (tmp_path / "data.csv").write_text("text,label\nonly one row,a\n", encoding="utf-8")
    task = {
        "name": "broken",
        "data": str(tmp_path / "data.csv"),
        "annotators": "file",
        "ingest": {"text": "text", "label": "label"},
    }
    with pickaxe.open(tmp_path / "workspace") as workspace, ServerThread(workspace, whole=True) as thread:
        with pickaxe.connect(thread.url) as remote, pytest.raises(BadInput) as caught:
            pickaxe.produce(pickaxe_task(task | {"encoder": str(tmp_path)}), remote)
        assert caught.value.message
        (listed,) = httpx.get(f"{thread.url}/v1/jobs").json()["data"]["items"]
        assert listed["state"] == "failed"
    assert not [thread for thread in threading.enumerate() if thread.name == "pickaxe-jobs"]


def pickaxe_task(values: dict[str, Any]) -> Any:
    from pickaxe.flows.task import Task

    return Task.parse(values)
