"""Tokens are metered where a model reads them, forecast before a run, and compared after it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pickaxe.compute.planner.here.foresight import forecast_run
from pickaxe.compute.planner.here.kept import median_error, pairs
from pickaxe.flows.line import Line
from pickaxe.kernel.ledger.tokens import count_tokens, tokens_of_process, tokens_of_thread
from pickaxe.kernel.workspace import Workspace
from tests.compute.steps import Read, Spin, read, spin


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "w") as opened:
        yield opened


def tokens_of(workspace: Workspace, run_id: str) -> list[tuple[int, str]]:
    return [(item.quantity, item.basis) for item in workspace.ledger.charges([run_id]) if item.meter == "tokens"]


def test_a_run_is_charged_with_the_tokens_that_its_models_read(workspace: Workspace) -> None:
    ran = workspace.run(read, Read(texts=100), name="t/read")
    assert tokens_of(workspace, ran.run.id) == [(700, "measured")]
    assert tokens_of(workspace, workspace.run(spin, Spin(seconds=0.0), name="t/spin").run.id) == [], "no model, no tokens"


@pytest.mark.slow
def test_what_a_killed_attempt_read_was_read(workspace: Workspace) -> None:
    ran = workspace.run(read, Read(texts=100, killed=True), name="t/read")
    assert ran.run.attempt == 2
    assert tokens_of(workspace, ran.run.id) == [(700, "measured")]


@pytest.mark.slow
def test_tokens_are_forecast_and_compared(workspace: Workspace) -> None:
    line = Line(workspace, "t")
    for texts in (100, 200, 400, 300):
        line.stage(f"read{texts}", read, Read(texts=texts), {}, cores=1)
    spec = workspace.spec(read, Read(texts=800), name="t/read800", inputs={})
    foreseen = forecast_run(workspace, spec, 1).meters["tokens"]
    assert foreseen.low < 5600 < foreseen.high
    found = [pair for pair in pairs(workspace) if pair.meter == "tokens"]
    assert [pair.read for pair in found] == [2100, 2800, 1400], "the first had nothing to go by"
    error = median_error(found, "tokens")
    assert error is not None
    assert error < 0.5
    assert abs(found[0].error) < 0.1, "three runs have taught it"


def test_a_price_of_tokens_is_in_the_forecast(workspace: Workspace) -> None:
    Line(workspace, "t").stage("read", read, Read(texts=1000), {}, cores=1)
    spec = workspace.spec(read, Read(texts=1000), name="t/read", inputs={})
    free = forecast_run(workspace, spec, 1).nano
    workspace.ledger.set_price("tokens", 2_000_000, 1, source="a test")
    priced = forecast_run(workspace, spec, 1).nano
    assert free is not None
    assert priced is not None
    assert priced - free == pytest.approx(7000 * 2_000_000, rel=0.01)


def test_each_thread_knows_its_own_share() -> None:
    before, own = tokens_of_process(), tokens_of_thread()
    other = threading.Thread(target=count_tokens, args=(5,))
    other.start()
    other.join()
    count_tokens(3)
    assert tokens_of_process() - before == 8
    assert tokens_of_thread() - own == 3
