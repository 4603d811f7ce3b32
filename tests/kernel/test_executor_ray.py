"""Runs on a two-node Ray cluster on this machine: same digests, cancel, limits, a node killed, the driver killed, the ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pickaxe.kernel.config import Config
from pickaxe.kernel.engine.attempt import Limits
from pickaxe.kernel.errors import RunCancelled, RunFailed, Unavailable
from pickaxe.kernel.location import Location
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.workspace import Workspace
from tests.kernel.ray_steps import Count, count, total
from tests.ray_cluster import RayCluster, ray_cluster

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster(cores=2) as made:
        yield made


@pytest.fixture
def on_ray(cluster: RayCluster, tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(Location(tmp_path / "workspace", engine=cluster.url)) as workspace:
        yield workspace


def adds_up(workspace: Workspace) -> None:
    for statement in workspace.ledger.statements():
        assert statement.charged + statement.idle == statement.cost


def test_the_same_run_gives_the_same_digests_as_here(on_ray: Workspace, tmp_path: Path) -> None:
    there = on_ray.run(count, Count(to=5), name="t/count")
    with Workspace(tmp_path / "here") as local:
        here = local.run(count, Count(to=5), name="t/count")
    assert {role: artifact.digest for role, artifact in there.outputs.items()} == {
        role: artifact.digest for role, artifact in here.outputs.items()
    }
    assert there.run.id == here.run.id


def test_inputs_are_read_on_the_node_and_logs_metrics_and_meters_come_back(on_ray: Workspace) -> None:
    made = on_ray.run(count, Count(to=4), name="t/count")
    summed = on_ray.run(total, Config(), name="t/total", inputs={"numbers": made["numbers"], "model": made["model"]})
    assert on_ray.read_json(summed["sum"]) == {"sum": 6, "bytes": 25_600}
    assert [event.value for event in on_ray.events(kind="metric", subject=made.run.id)] == [4.0]
    assert any("starts at 0" in event.body["text"] for event in on_ray.events(kind="log", subject=made.run.id))
    meters = {charge.meter: charge for charge in on_ray.ledger.charges([made.run.id])}
    assert meters["cpu_time_ms"].quantity > 0
    assert (meters["cpu"].nano or 0) > 0
    adds_up(on_ray)


def test_what_fails_there_fails_here_with_its_words(on_ray: Workspace) -> None:
    with pytest.raises(RunFailed, match="I was told to"):
        on_ray.run(count, Count(to=5, give_up_at=2), name="t/count")
    with pytest.raises(RunFailed, match="longer than"):
        on_ray.run(count, Count(to=10_000, pause=0.1), name="t/slow", limits=Limits(seconds=1.5))
    adds_up(on_ray)


def test_a_run_is_cancelled_while_it_runs_and_while_it_waits_for_room(on_ray: Workspace) -> None:
    running = on_ray.submit(count, Count(to=10_000, pause=0.1), name="t/long", cores=2)
    wait_for(lambda: on_ray.runs.get(running.run_id).state is RunState.RUNNING)
    waiting = on_ray.submit(count, Count(to=7), name="t/waiting", cores=2)
    time.sleep(1.0)
    assert on_ray.runs.get(waiting.run_id).state is RunState.QUEUED
    waiting.cancel()
    with pytest.raises(RunCancelled):
        waiting.result(300)
    running.cancel()
    with pytest.raises(RunCancelled):
        running.result(300)
    assert {charge.meter for charge in on_ray.ledger.charges([running.run_id])} >= {"cpu", "cpu_time_ms"}
    adds_up(on_ray)


def test_a_node_is_killed_in_mid_job_and_the_job_goes_on_where_it_was(
    on_ray: Workspace, cluster: RayCluster, tmp_path: Path
) -> None:
    extra, second = cluster.add(3, "127.0.0.4"), tmp_path / "the second attempt has begun"
    counted = Count(to=20, pause=0.1, not_before=str(second))
    handle = on_ray.submit(count, counted, name="t/job", cores=3)  # only the extra node has three
    wait_for(lambda: len(on_ray.events(kind="progress", subject=handle.run_id)) > 1)
    replacement = cluster.add(3, "127.0.0.5")
    cluster.kill(extra)

    def starts() -> list[str]:
        said = [event.body["text"] for event in on_ray.events(kind="log", subject=handle.run_id)]
        return [text for text in said if "starts at" in text]

    wait_for(lambda: len(starts()) == 2)
    second.touch()
    result = handle.result(300)
    assert result.run.attempt == 2
    assert len(starts()) == 2
    assert int(starts()[1].rpartition(" ")[2]) > 0, "the second attempt took up the first one's checkpoint"
    wait_for(lambda: sum(s.pool_id not in on_ray.stores.executor._pool_ids.values() for s in on_ray.ledger.statements()) >= 2)  # type: ignore[attr-defined]
    adds_up(on_ray)
    cluster.kill(replacement)
    wait_for(lambda: cluster.without("127.0.0.5"))  # the next run would ask for as many cores as this node had


_DRIVER = """
import sys
from pathlib import Path
from pickaxe.kernel.location import Location
from pickaxe.kernel.workspace import Workspace
from tests.kernel.ray_steps import Count, count
with Workspace(Location(Path(sys.argv[1]), engine=sys.argv[2])) as workspace:
    print(workspace.run(count, Count(to=40, pause=0.1, not_before=sys.argv[3]), name="t/job")["numbers"].digest)
"""


def test_the_driver_is_killed_and_the_run_resumes(cluster: RayCluster, tmp_path: Path) -> None:
    killed = tmp_path / "the first driver was killed"
    command = [sys.executable, "-c", _DRIVER, str(tmp_path / "w"), cluster.url, str(killed)]
    first = subprocess.Popen(command, start_new_session=True)
    wait_for(lambda: any(tmp_path.glob("w/checkpoints/*/at")) and read(tmp_path) > 5)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    killed.touch()
    got = int(read(tmp_path))
    again = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    with Workspace(tmp_path / "w") as workspace:
        (run,) = workspace.runs.list()
        assert run.state is RunState.SUCCEEDED
        assert run.attempt == 2
        logs = [event.body["text"] for event in workspace.events(kind="log", subject=run.id)]
        assert int(logs[-1].rpartition(" ")[2]) >= got
        assert workspace.artifact("t/numbers").digest == again.stdout.strip()
        adds_up(workspace)


def test_no_cluster_is_said_plainly(tmp_path: Path) -> None:
    with (
        Workspace(Location(tmp_path / "w", engine="ray://127.0.0.1:1")) as workspace,
        pytest.raises(Unavailable, match="no Ray cluster"),
    ):
        workspace.run(count, Count(to=1), name="t/count")


def read(tmp_path: Path) -> int:
    (file,) = tmp_path.glob("w/checkpoints/*/at")
    return int(file.read_text() or 0)


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
