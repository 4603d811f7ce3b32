"""`pickaxe up` says what serving should take before it starts, and does not start beyond a limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from tests.cli.conftest import Pickaxe
from tests.serve.fakes import answer


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A workspace whose endpoint gave answers of 2 ms in the last day."""
    folder = tmp_path / "served"
    with Workspace(folder) as workspace:
        workspace.publish("headlines", [Route(workspace.import_files(Path(__file__), "m", kind="model").id)])
        answer(workspace, 2.0, 60)
    return folder


def test_a_dry_run_shows_the_forecast_and_starts_nothing(pickaxe: Pickaxe, served: Path) -> None:
    said = pickaxe("-w", served, "up", "--dry-run")
    assert said.code == 0, said.err
    assert "an hour of the server" in said.out
    assert "$0.0400" in said.out
    assert "headlines: an answer in 2.00 ms" in said.out
    with Workspace(served, mode="r") as workspace:
        assert not workspace.log.list(kind="forecast")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["start", "dry run"])
@pytest.mark.parametrize(
    ("option", "limit", "message"),
    [
        ("--max-cost", "0.01", "an hour of the server would cost too much"),
        ("--max-time", "0.001", "an answer of headlines would take too long"),
    ],
)
def test_beyond_a_limit_no_server_starts(
    pickaxe: Pickaxe, served: Path, option: str, limit: str, message: str, dry: tuple[str, ...]
) -> None:
    said = pickaxe("-w", served, "up", "--port", 0, option, limit, *dry)
    assert said.code == 2
    assert message in said.err
    assert "raise the limit" in said.err


def test_memory_is_held_against_its_limit() -> None:
    from pickaxe.compute.planner.here.foresight import Foresight
    from pickaxe.compute.planner.here.serving import ServingForecast
    from pickaxe.flows.ceiling import Ceiling
    from pickaxe.kernel.errors import BadInput

    server = ServingForecast("", {"memory_peak_bytes": Foresight(1e8, 2e8, 3e8, 1)})
    pair = (ServingForecast("headlines", {}), server)
    Ceiling(memory_bytes=2.1e8).admit_serving([pair])
    Ceiling(nano=1, seconds=1e-9).admit_serving([pair])  # of these nothing is known
    Ceiling(memory_bytes=1.0).admit_serving([])
    with pytest.raises(BadInput, match="too much memory"):
        Ceiling(memory_bytes=1.9e8).admit_serving([pair])


@pytest.mark.parametrize("limit", ["nan", "inf", "0", "-1", "much"])
def test_a_limit_that_is_none_is_refused(pickaxe: Pickaxe, served: Path, limit: str) -> None:
    said = pickaxe("-w", served, "up", "--port", 0, "--max-cost", limit)
    assert said.code == 2
    assert "max" in said.err
    assert "cost" in said.err


def test_nothing_published_has_no_forecast(pickaxe: Pickaxe, tmp_path: Path) -> None:
    Workspace(tmp_path / "bare").close()
    said = pickaxe("-w", tmp_path / "bare", "up", "--dry-run", "--max-cost", "0.000001")
    assert said.code == 0
    assert "nothing is published" in said.out
    assert pickaxe("-w", tmp_path / "absent", "up", "--dry-run").code != 0
    assert not (tmp_path / "absent").exists()
