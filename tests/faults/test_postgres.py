"""PostgreSQL is killed (-9) and started again while a workspace works: what was acknowledged is there, once, and the ledger adds up.

``FAULTS_KILLS`` sets how often, for a longer run than the usual one, ``FAULTS_SEED`` when.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from pickaxe.kernel.errors import StorageFull
from pickaxe.kernel.nouns import Event, Route, RunState
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.workspace import Workspace
from tests.faults.served import SEED, Work
from tests.kernel import sample_steps as steps
from tests.postgres import PostgresServer, lay_out, new_server

KILLS = int(os.environ.get("FAULTS_KILLS", "4"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200 + 60 * KILLS)]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of the test's own, as it is going to be killed."""
    made = new_server()
    yield made
    made.remove()


def test_no_acknowledged_write_is_lost_when_the_server_is_killed(server: PostgresServer, tmp_path: Path) -> None:
    place, chance, stop = (
        lay_out(tmp_path / "workspace", server.empty_url()),
        random.Random(f"postgres {SEED}"),
        threading.Event(),
    )
    with Workspace(place, settings=Settings(cores=2)) as workspace:
        works = {
            "events": Work(lambda n: workspace.emit("log", "events", step=n), stop),
            "batches": Work(lambda n: workspace.emit_many([{"kind": "log", "subject": "batches", "step": n}] * 3), stop),
            "tables": Work(lambda n: workspace.import_table(pa.table({"n": [n]}), f"t/table{n}"), stop),
            "runs": Work(lambda n: _run(workspace, n), stop),
            "endpoints": Work(lambda n: _publish(workspace, n), stop),
        }
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.5, 4))
            server.kill()
            time.sleep(chance.uniform(0.0, 1.5))
            server.start()
        before = {name: len(work.acknowledged) for name, work in works.items()}
        _until(lambda: all(len(work.acknowledged) > before[name] for name, work in works.items()))
        stop.set()
        for work in works.values():
            work.thread.join()
        assert {error for work in works.values() for error in work.refused} == set()
        print({name: len(work.acknowledged) for name, work in works.items()}, f"acknowledged through {KILLS} kills")
    _check(place, {name: work.acknowledged for name, work in works.items()})


def test_a_full_disk_under_the_database_is_said_and_loses_nothing(server: PostgresServer, tmp_path: Path) -> None:
    server.sql(f"CREATE TABLESPACE small LOCATION '{server.small_disk()}'")
    server.sql("CREATE DATABASE crowded TABLESPACE small")
    server.sql("CHECKPOINT")  # the copied tables have holes until their pages are written, for which there is no room later
    place = lay_out(tmp_path / "workspace", server.url("crowded"))
    kept = 0
    with Workspace(place, settings=Settings(cores=1)) as workspace:
        noise = random.Random(1)
        with pytest.raises(StorageFull, match="no room left") as caught:
            for _ in range(200):
                workspace.emit("log", "filling", step=kept, body={"noise": noise.randbytes(100_000).hex()})
                kept += 1
        assert "free some space" in (caught.value.remedy or "")
        assert kept > 5
        assert [event.step for event in workspace.events(subject="filling")] == list(range(kept))
    with Workspace(place, mode="r") as reader:
        assert [event.step for event in reader.events(subject="filling")] == list(range(kept))


def _until(done: Callable[[], bool]) -> None:
    """Everybody gets on with their work again."""
    deadline = time.monotonic() + 300
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _run(workspace: Workspace, number: int) -> None:
    """A run, and one whose worker reads what the first has made."""
    made = workspace.run(steps.count, steps.Count(upto=3, nap=0.1 + number / 1e6), name=f"r{number}/count")
    workspace.run(steps.double, steps.Config(), name=f"r{number}/double", inputs={"total": made["total"]})


def _publish(workspace: Workspace, number: int) -> None:
    found = workspace.artifacts.find(name="t/table0")
    if found is None:
        time.sleep(0.05)
        found = workspace.import_table(pa.table({"n": [0]}), "t/table0")
    workspace.publish(f"e{number}", [Route(found.id)])
    time.sleep(0.05)


def _check(place: Path, acknowledged: dict[str, list[int]]) -> None:
    with Workspace(place, mode="r") as reader:
        seen = {name: Counter(event.step for event in _all(reader, name)) for name in ("events", "batches")}
        assert seen["events"] == Counter(acknowledged["events"]), "each event once"
        assert seen["batches"] == Counter(acknowledged["batches"] * 3), "each batch whole, and once"
        for number in acknowledged["tables"]:
            assert reader.read_table(reader.artifact(f"t/table{number}")).to_pylist() == [{"n": number}]
        runs = {run.name: run for run in reader.runs.list()}
        for number in acknowledged["runs"]:
            for step, total in (("count", 3), ("double", 6)):
                run = runs[f"r{number}/{step}"]
                assert (run.state, run.attempt) == (RunState.SUCCEEDED, 1)
                assert reader.read_json(reader.artifact(run.outputs["total"]))["total"] == total
        assert {endpoint.name for endpoint in reader.endpoints()} == {f"e{number}" for number in acknowledged["endpoints"]}
        published = Counter(event.name for event in reader.log.each("publish"))
        assert published == Counter(f"e{number}" for number in acknowledged["endpoints"])
        statements = reader.ledger.statements()
        assert all(item.charged + item.idle == item.cost and item.charged > 0 for item in statements)


def _all(reader: Workspace, subject: str) -> Iterator[Event]:
    after = 0
    while page := reader.events(subject=subject, after_seq=after, limit=5_000):
        yield from page
        after = page[-1].seq
