"""`pickaxe up` and its workers are killed (-9) at random moments while clients write: what was acknowledged is there, and it adds up.

``FAULTS_KILLS`` sets how often, for a longer run than the usual one: ``make faults`` does a thousand.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

import pickaxe
from pickaxe.data.label.queue import Queue, create_queue
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.workspace import Workspace
from tests.faults import commands
from tests.faults.served import SEED, Server, Work
from tests.faults.slow_disk import hold_up, slow_down
from tests.flows.tiny import Finished

KILLS = int(os.environ.get("FAULTS_KILLS", "6"))
LATE = 0.3
"""Seconds of one `fsync` on a slow disk."""
ITEMS = 5_000
ENDED = ("succeeded", "failed", "cancelled")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200 + 60 * KILLS)]


def wait(condition: Callable[[], bool], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.2)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "workspace"
    with Workspace(place) as workspace:
        rows = workspace.import_table(pa.table({"row_key": [f"k{n}" for n in range(ITEMS)], "text": ["x"] * ITEMS}), "storm/rows")
        create_queue(workspace, "storm", rows, labels=("yes", "no"))
    return place


@pytest.fixture
def slow_disk(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the server, not for whoever made the place."""
    slow_down(monkeypatch, tmp_path, seconds=LATE)


@pytest.fixture
def server(place: Path) -> Iterator[Server]:
    made = Server(place)
    yield made
    made.process.kill()
    made.process.wait()


def test_nothing_acknowledged_is_lost_on_a_slow_disk(slow_disk: None, server: Server, place: Path) -> None:
    test_nothing_acknowledged_is_lost(server, place)


def test_a_disk_that_does_not_answer_holds_up_who_writes_and_nobody_else(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever waits for the disk does so off the event loop: each wait in turn ends when somebody else was answered meanwhile."""
    waiting = hold_up(monkeypatch, tmp_path)
    server = Server(place)
    waiting.mkdir()
    statuses, held = list[int](), 0
    writer = threading.Thread(target=lambda: statuses.append(_imported(server, 0).status_code))
    writer.start()
    try:
        while writer.is_alive():
            for write in waiting.iterdir():
                assert httpx.get(f"{server.url}/healthz").status_code == 200
                write.unlink()
                held += 1
            time.sleep(0.01)
    finally:
        server.kill()
        writer.join()
    assert statuses == [201]
    assert held > 3


def test_nothing_acknowledged_is_lost(server: Server, place: Path) -> None:
    chance, stop = random.Random(f"writes {SEED}"), threading.Event()

    def posted(path: str, **body: object) -> httpx.Response:
        answer = httpx.post(f"{server.url}{path}", **body)  # type: ignore[arg-type]
        assert answer.status_code < 500 or answer.status_code == 503, f"{path}: {answer.status_code} {answer.text[:300]}"
        return answer

    def event(n: int) -> bool:
        return posted("/v1/events", json={"events": [{"kind": "note", "subject": "storm", "step": n}]}).status_code < 300

    def table(n: int) -> bool:
        answer = _imported(server, n)
        assert answer.status_code < 500 or answer.status_code == 503, f"{answer.status_code} {answer.text[:300]}"
        return answer.status_code < 300

    def label(n: int) -> bool:
        taken = posted("/v1/queues/storm/take", json={"ahead": 0})
        if taken.status_code >= 300:
            return False
        key = taken.json()["data"][0]["row_key"]
        given = posted("/v1/queues/storm/answer", json={"row_key": key, "value": "yes", "seconds": n / 1e6})
        return given.status_code < 300

    clients = {"events": Work(event, stop), "tables": Work(table, stop), "labels": Work(label, stop)}
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.1, 2.5))
        server.kill()
        server.start()
    time.sleep(1.0)
    stop.set()
    for client in clients.values():
        client.thread.join()
    assert server.stop() == 0
    done = {name: len(client.acknowledged) for name, client in clients.items()}
    print(f"{KILLS} kills; acknowledged: {done}")
    assert [client.refused for client in clients.values() if client.refused] == []
    assert all(done.values()), done

    with pickaxe.open(place) as workspace:
        kept = {found.step for found in workspace.log.each("note")}
        assert set(clients["events"].acknowledged) <= kept
        for n in clients["tables"].acknowledged:
            assert workspace.read_table(workspace.artifact(f"storm/table{n}"))["n"].to_pylist() == [n]
        answers = {round(row.seconds * 1e6) for row in Queue(workspace, "storm").answers()}
        assert set(clients["labels"].acknowledged) <= answers
        for statement in workspace.ledger.statements():
            assert statement.charged + statement.idle == statement.cost
    checked = commands.call(place, "doctor")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _imported(server: Server, n: int) -> httpx.Response:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("n", pa.int64())])) as writer:
        writer.write_table(pa.table({"n": [n]}))
    content, kind = sink.getvalue().to_pybytes(), {"content-type": "application/vnd.apache.arrow.stream"}
    return httpx.post(f"{server.url}/v1/imports?name=storm/table{n}&kind=dataset", content=content, headers=kind)


def test_a_job_ends_the_same_however_often_server_and_workers_are_killed(server: Server, place: Path, finished: Finished) -> None:
    """The first tiny task, as a job of the server; its artifacts are those of an undisturbed line."""
    chance = random.Random(f"job {SEED}")
    task = finished.files.variant(rounds=1).model_dump(mode="json")
    made = httpx.post(f"{server.url}/v1/jobs", json={"kind": "produce", "task": task})
    assert made.status_code < 300, made.text
    job = made.json()["data"]["id"]

    def state() -> str:
        return httpx.get(f"{server.url}/v1/jobs/{job}").json()["data"]["state"]

    def done() -> int:
        """Stages that were carried out, not found in the cache."""
        told = httpx.get(f"{server.url}/v1/events", params={"kind": "stage", "subject": job, "limit": 1000}).json()
        return sum(event["body"].get("cached") is False for event in told["data"]["items"])

    kills = 0
    while kills < KILLS and state() not in ENDED:
        for _ in range(2):
            time.sleep(chance.uniform(0.2, 2.0))
            if not (chance.random() < 0.5 and server.kill_a_worker()):
                server.kill()
                server.start()
            kills += 1
        # What dies over and over at the same place is given up, and rightly: let it get a stage further after the last kill.
        before = done()
        wait(lambda before=before: done() > before or state() in ENDED)
    wait(lambda: state() in ENDED)
    print(f"{kills} kills until the job had ended")
    assert state() == "succeeded", httpx.get(f"{server.url}/v1/jobs/{job}").text
    server.stop()
    with pickaxe.open(place) as workspace, pickaxe.open(finished.workspace, mode="r") as undisturbed:
        assert [run for run in workspace.runs.list() if run.state is not RunState.SUCCEEDED] == []
        for name in ("rows", "pool", "gold", "teacher", "auto_labels", "student"):
            ref = f"{task['name']}/{name}"
            assert workspace.artifact(ref).digest == undisturbed.artifact(f"{ref}:1").digest, ref
        for statement in workspace.ledger.statements():
            assert statement.charged + statement.idle == statement.cost
