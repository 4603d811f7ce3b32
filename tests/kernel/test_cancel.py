"""Runs that somebody else calls off, and the core that a server borrows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pickaxe.kernel.errors import RunCancelled
from pickaxe.kernel.ledger.spare import spare_core
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.workspace import Workspace
from tests.kernel.sample_steps import Count, count


@pytest.fixture
def one_core(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "workspace", settings=Settings(cores=1)) as workspace:
        yield workspace


def until(true: object) -> None:
    end = time.monotonic() + 300
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_a_run_is_cancelled_by_its_id(one_core: Workspace) -> None:
    handle = one_core.submit(count, Count(upto=100_000, nap=0.05), name="words/long")
    until(lambda: one_core.runs.get(handle.run_id).state == RunState.RUNNING)
    assert one_core.engine.cancel(handle.run_id)
    with pytest.raises(RunCancelled):
        handle.result(300)
    assert one_core.runs.get(handle.run_id).state == RunState.CANCELLED
    assert not one_core.engine.cancel(handle.run_id)
    assert not one_core.engine.cancel("run-nobody")


def test_a_run_that_waits_for_cores_is_cancelled_before_it_begins(one_core: Workspace) -> None:
    first = one_core.submit(count, Count(upto=100_000, nap=0.05), name="words/first")
    until(lambda: one_core.runs.get(first.run_id).state == RunState.RUNNING)
    second = one_core.submit(count, Count(upto=3), name="words/second")
    assert one_core.engine.cancel(second.run_id)
    with pytest.raises(RunCancelled):
        second.result(300)
    assert one_core.runs.get(second.run_id).attempt == 0
    first.cancel()
    with pytest.raises(RunCancelled):
        first.result(300)
    # Called off is not done: the same run may be started again.
    assert one_core.run(count, Count(upto=3), name="words/second").run.state == RunState.SUCCEEDED


def test_a_borrowed_core_is_given_to_whoever_wants_it_and_charged_meanwhile(one_core: Workspace) -> None:
    with spare_core(one_core, "server"):
        until(lambda: list(one_core.ledger.charges(["server"])))
        done = one_core.run(count, Count(), name="words/count")
        assert done.run.state == RunState.SUCCEEDED
        until(lambda: len(one_core.ledger.charges(["server"])) >= 2)
    assert not [thread for thread in threading.enumerate() if thread.name == "spare-core"]
    (statement,) = one_core.ledger.statements()
    assert statement.charged + statement.idle == statement.cost
