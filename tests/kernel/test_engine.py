"""Runs in real worker processes: cache, limits, kills, cancellation, meters."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest

from pickaxe.kernel.config import Config
from pickaxe.kernel.engine.attempt import Limits
from pickaxe.kernel.engine.engine import Progress
from pickaxe.kernel.errors import BadInput, Conflict, RunCancelled, RunFailed
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.tables.extensions import extension_file
from pickaxe.kernel.workspace import Workspace
from tests.kernel import sample_steps as steps


def test_a_run_ends_with_its_outputs_and_everything_it_said(workspace: Workspace) -> None:
    seen: list[Progress] = []
    result = workspace.run(steps.count, steps.Count(upto=3, nap=0.4), name="t/count", watcher=seen.append)
    assert result.run.state is RunState.SUCCEEDED
    assert not result.cached
    assert workspace.read_json(result["total"])["total"] == 3
    assert result["total"].name == "t/total"
    said = workspace.events(subject=result.run.id)
    assert [event.value for event in said if event.kind == "metric"] == [0.0, 1.0, 2.0]
    assert {event.body["text"] for event in said if event.kind == "log"} == {"counted", "printed to standard output"}
    assert [event.value for event in said if event.kind == "progress"][-1] == 1.0
    assert any(progress.done == 1 for progress in seen)


def test_the_same_run_comes_from_the_cache_and_another_config_does_not(workspace: Workspace) -> None:
    first = workspace.run(steps.count, steps.Count(upto=1), name="t/count")
    again = workspace.run(steps.count, steps.Count(upto=1), name="t/count")
    other = workspace.run(steps.count, steps.Count(upto=2), name="t/count")
    assert again.cached
    assert again.run.id == first.run.id
    assert not other.cached
    assert (first["total"].version, other["total"].version) == (1, 2)


def test_outputs_feed_other_runs_and_the_cache_looks_at_content_not_names(workspace: Workspace) -> None:
    total = workspace.run(steps.count, steps.Count(upto=4), name="a/count")["total"]
    doubled = workspace.run(steps.double, Config(), name="a/double", inputs={"total": total})
    assert workspace.read_json(doubled["total"]) == {"total": 8}
    same_content = workspace.run(steps.double, Config(), name="b/double", inputs={"total": total})
    assert same_content.cached


def test_a_worker_looks_for_garbage_seldom(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w") as workspace:
        said = workspace.read_json(workspace.run(steps.make_objects, Config(), name="t/objects")["total"])
    assert said["looks"] <= 1, "importing a library makes a million objects that stay"
    assert said["later"] >= 2


def test_a_worker_checks_no_signature_that_its_engine_has_checked(workspace: Workspace) -> None:
    rows = workspace.import_table(pa.table({"n": [1, 2, 3]}), "t/rows")
    said = workspace.read_json(workspace.run(steps.read_rows, Config(), name="t/rows", inputs={"rows": rows})["total"])
    database = "postgres_scanner" if workspace.stores.location.catalog else "sqlite_scanner"
    used = {str(extension_file(name)) for name in ("ducklake", database)}
    assert used <= {path for path, *_ in said["handed_on"]}
    assert (said["rows"], said["in_all"]) == (3, len(said["handed_on"]))


def test_ids_and_digests_do_not_depend_on_the_workspace(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        with Workspace(tmp_path / name) as workspace:
            made.append(workspace.run(steps.count, steps.Count(upto=1), name="t/count")["total"])
    assert (made[0].id, made[0].digest) == (made[1].id, made[1].digest)


def test_a_killed_worker_is_started_again_with_its_checkpoint(workspace: Workspace) -> None:
    result = workspace.run(steps.die_once, Config(), name="t/die")
    assert workspace.read_json(result["total"]) == {"resumed": True}
    assert result.run.attempt == 2
    assert not (workspace.path / "checkpoints" / result.run.id).exists()


def test_a_worker_that_always_dies_is_given_up_and_may_be_tried_again(workspace: Workspace) -> None:
    for _ in range(2):
        with pytest.raises(RunFailed, match="SIGKILL"):
            workspace.run(steps.die_always, Config(), name="t/die")
    (run,) = workspace.runs.list()
    assert run.state is RunState.INTERRUPTED
    assert run.attempt == 6


def test_a_worker_killed_from_outside_is_noticed_at_once(workspace: Workspace) -> None:
    handle = workspace.submit(steps.hog, steps.Hog(megabytes=1), name="t/hog")
    for expected_attempt in (1, 2, 3):
        os.kill(_worker(workspace, handle.run_id, expected_attempt), signal.SIGKILL)
    with pytest.raises(RunFailed, match="SIGKILL"):
        handle.result(timeout=300)  # the step itself would take twice as long


def test_a_worker_killed_before_it_read_its_job_is_started_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    class DeadOnArrival(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.kill()
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setattr(subprocess, "Popen", DeadOnArrival)
    with pytest.raises(RunFailed, match="SIGKILL"):
        workspace.run(steps.count, steps.Count(upto=1), name="t/count")
    (run,) = workspace.runs.list()
    assert (run.state, run.attempt) == (RunState.INTERRUPTED, 3)
    monkeypatch.undo()
    assert workspace.run(steps.count, steps.Count(upto=1), name="t/count").run.attempt == 4


def test_an_attempt_that_cannot_be_made_fails_and_may_be_tried_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more_processes(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", no_more_processes)
    with pytest.raises(RunFailed, match=r"could not be carried out.*Resource temporarily unavailable"):
        workspace.run(steps.count, steps.Count(upto=1), name="t/count")
    (run,) = workspace.runs.list()
    assert run.state is RunState.FAILED
    assert all(statement.charged + statement.idle == statement.cost for statement in workspace.ledger.statements())
    monkeypatch.undo()
    assert workspace.run(steps.count, steps.Count(upto=1), name="t/count").run.state is RunState.SUCCEEDED


def test_the_steps_own_error_keeps_its_kind_and_its_advice(workspace: Workspace) -> None:
    with pytest.raises(BadInput, match="no good") as caught:
        workspace.run(steps.refuse, Config(), name="t/refuse")
    assert caught.value.remedy == "be good"
    with pytest.raises(RunFailed, match="ZeroDivisionError: on purpose"):
        workspace.run(steps.crash, Config(), name="t/crash")
    logged = [event.body["text"] for event in workspace.events(kind="log")]
    assert any("Traceback" in text and "on purpose" in text for text in logged)


@pytest.mark.slow
def test_memory_and_time_limits_end_the_worker(workspace: Workspace) -> None:
    with pytest.raises(RunFailed, match="more than the limit of 200 MB"):
        workspace.run(steps.hog, steps.Hog(megabytes=400), name="t/hog", limits=Limits(memory_bytes=200_000_000))
    with pytest.raises(RunFailed, match="longer than 1 s"):
        workspace.run(steps.hog, steps.Hog(megabytes=2), name="t/hog", limits=Limits(seconds=1))


def test_a_cancelled_run_ends_at_once_and_can_be_run_again(workspace: Workspace) -> None:
    handle = workspace.submit(steps.hog, steps.Hog(megabytes=1), name="t/hog")
    worker = _worker(workspace, handle.run_id, 1)
    handle.cancel()
    with pytest.raises(RunCancelled):
        handle.result(timeout=300)  # as above
    assert not psutil.pid_exists(worker)
    assert workspace.runs.get(handle.run_id).state is RunState.CANCELLED
    with pytest.raises(Conflict):
        second = workspace.submit(steps.hog, steps.Hog(megabytes=1), name="t/hog")
        try:
            workspace.submit(steps.hog, steps.Hog(megabytes=1), name="t/hog")
        finally:
            second.cancel()


def test_cpu_time_is_measured_from_outside(workspace: Workspace) -> None:
    result = workspace.run(steps.burn, Config(), name="t/burn", cores=1)
    read = {charge.meter: charge for charge in workspace.ledger.charges([result.run.id])}
    assert 500 <= read["cpu_time_ms"].quantity <= 50_000
    assert read["cpu_time_ms"].basis == "measured"
    assert read["memory_peak_bytes"].quantity > 10_000_000
    assert read["energy_mj"].basis in ("measured", "estimated")
    assert read["cpu"].nano is not None
    assert read["cpu"].nano > 0


@pytest.mark.slow
def test_what_a_run_takes_of_the_machine_is_a_curve(workspace: Workspace) -> None:
    result = workspace.run(steps.count, steps.Count(upto=30, nap=0.1), name="t/long")
    curve = workspace.events(kind="system", subject=result.run.id)
    assert len(curve) >= 2
    seconds = [event.step or 0 for event in curve]
    assert seconds == sorted(set(seconds))
    # Looked at in its first instants, an interpreter has hardly begun to load.
    assert all(event.body["memory_mb"] > 1 and 0 <= event.body["cpu_cores"] < 2 for event in curve)
    assert max(event.body["memory_mb"] for event in curve) > 10


def test_two_runs_share_the_pool_and_never_exceed_it(workspace: Workspace) -> None:
    handles = [workspace.submit(steps.count, steps.Count(upto=number, nap=0.1), name="t/count", cores=1) for number in (2, 3, 4)]
    assert [workspace.read_json(handle.result(300)["total"])["total"] for handle in handles] == [2, 3, 4]
    (statement,) = workspace.ledger.statements()
    assert statement.charged + statement.idle == statement.cost


def test_a_local_function_is_refused_with_the_remedy(workspace: Workspace) -> None:
    def local(ctx: object, config: Config) -> None: ...

    with pytest.raises(BadInput, match="cannot run in a worker"):
        workspace.run(local, Config(), name="t/local")


def test_unknown_settings_of_a_step_are_refused() -> None:
    with pytest.raises(BadInput, match="upton") as caught:
        steps.Count.parse({"upton": 3})
    assert "upto" in str(caught.value)


_ENGINE = """
    import sys
    from pathlib import Path
    from pickaxe.kernel.workspace import Workspace
    from tests.kernel import sample_steps as steps
    with Workspace(Path(sys.argv[1])) as workspace:
        workspace.run(steps.hog, steps.Hog(megabytes=1), name="t/hog")
"""


@pytest.mark.slow
def test_a_killed_engine_takes_its_worker_along_and_the_next_one_knows(folder: Path) -> None:
    root = Path(__file__).parents[2]
    engine = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_ENGINE), str(folder)],
        env=os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
    )
    worker = _child(engine.pid)
    engine.kill()
    engine.wait()
    _until(lambda: not psutil.pid_exists(worker), "the orphaned worker ends")
    with Workspace(folder) as workspace:
        (run,) = workspace.runs.list()
        assert run.state is RunState.INTERRUPTED
        assert workspace.interrupted == [run.id]
        assert all(statement.charged + statement.idle == statement.cost for statement in workspace.ledger.statements())


def test_a_reader_sees_a_stale_run_as_interrupted(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = workspace.spec(steps.count, steps.Count(), name="t/count", inputs={})
    workspace.runs.queue(spec)
    workspace.runs.start(spec.run_id)
    started = workspace.catalog.clock.now_ns()
    with Workspace(workspace.path, mode="r") as reader:
        monkeypatch.setattr(reader.catalog.clock, "now_ns", lambda: started)
        assert reader.runs.get(spec.run_id).state is RunState.RUNNING
        monkeypatch.setattr(reader.catalog.clock, "now_ns", lambda: started + 10 * 10**9)
        assert reader.runs.get(spec.run_id).state is RunState.INTERRUPTED


def _worker(workspace: Workspace, run_id: str, attempt: int) -> int:
    """Process id of the worker of an attempt, once it is there."""
    _until(lambda: workspace.runs.get(run_id).attempt == attempt, f"attempt {attempt} starts")
    return _child(os.getpid(), run_id)


def _child(parent: int, run_id: str = "") -> int:
    """Process id of the worker that `parent` started for the run: it works in a folder of the run's name."""

    def workers() -> list[psutil.Process]:
        return [child for child in psutil.Process(parent).children() if _is_worker(child, run_id)]

    _until(lambda: bool(workers()), "a worker starts")
    return workers()[0].pid


def _is_worker(process: psutil.Process, run_id: str) -> bool:
    try:
        return "pickaxe.kernel.engine.worker" in " ".join(process.cmdline()) and run_id in process.cwd()
    except psutil.Error:
        return False


def _until(condition: object, what: str) -> None:
    end = time.monotonic() + 300
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, f"timed out: {what}"
        time.sleep(0.02)
