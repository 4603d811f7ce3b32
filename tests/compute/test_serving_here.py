"""What serving should take on this machine, from the traffic of the last day: the cores of all servers, shared by all answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pickaxe.compute.planner.here.serving import forecast_endpoint
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.ledger.spare import servers
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.system.process import this_process
from pickaxe.kernel.workspace import Workspace
from tests.serve.fakes import answer

CORE_HOUR = 40_000_000


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "w") as opened:
        yield opened


def test_the_traffic_of_the_last_day_says_what_an_answer_costs(workspace: Workspace) -> None:
    workspace.publish("headlines", [Route(workspace.import_files(Path(__file__), "m", kind="model").id)])
    answer(workspace, 2.0, 60)
    answer(workspace, 8.0, 60)
    found = forecast_endpoint(workspace, "headlines")
    assert found.by_traces == ("answer_us", "answers_hour")
    assert found.meters["answer_us"].low == 2000
    assert found.meters["answer_us"].high == 8000
    assert found.middle("answers_hour") == pytest.approx(120 / 24)
    assert found.middle("nano_thousand") == pytest.approx(CORE_HOUR / (120 / 24) * 1000)
    assert found.meters["nano_thousand"].low < found.meters["nano_thousand"].high


def test_endpoints_share_the_core_by_their_answers(workspace: Workspace) -> None:
    artifact = workspace.import_files(Path(__file__), "m", kind="model")
    for name in ("headlines", "other"):
        workspace.publish(name, [Route(artifact.id)])
    answer(workspace, 2.0, 240)
    alone = forecast_endpoint(workspace, "headlines").middle("nano_thousand")
    workspace.emit_many([{"kind": "trace", "subject": "0" * 32, "name": "other", "value": 1.0}] * 240)
    shared = [forecast_endpoint(workspace, name).middle("nano_thousand") for name in ("headlines", "other")]
    assert alone is not None
    assert shared == pytest.approx([alone / 2, alone / 2])


def test_servers_share_all_answers(workspace: Workspace) -> None:
    """Two servers cost two cores, whichever of them answers; one that died costs nothing any more."""
    artifact = workspace.import_files(Path(__file__), "m", kind="model")
    workspace.publish("headlines", [Route(artifact.id)])
    answer(workspace, 2.0, 240)
    own, pools = workspace.stores.pool_id, workspace.stores.pools
    alone = forecast_endpoint(workspace, "headlines").middle("nano_thousand")
    assert alone is not None
    workspace.ledger.grant(own, "server-one", 1)
    assert forecast_endpoint(workspace, "headlines").middle("nano_thousand") == pytest.approx(alone)
    peer = pools.open("cpu", 1, {**this_process()})
    assert servers(workspace, own) == 1, "a pool of runs is no server"
    workspace.ledger.grant(peer, "server-two", 1)
    assert forecast_endpoint(workspace, "headlines").middle("nano_thousand") == pytest.approx(2 * alone)
    assert servers(workspace, peer) == 2
    pools.close(peer)
    assert forecast_endpoint(workspace, "headlines").middle("nano_thousand") == pytest.approx(alone)


def test_answers_of_every_tenant_share_the_core_and_only_who_runs_it_sees_what_they_cost(workspace: Workspace) -> None:
    artifact = workspace.import_files(Path(__file__), "m", kind="model")
    workspace.publish("headlines", [Route(artifact.id)])
    answer(workspace, 2.0, 240)
    alone = forecast_endpoint(workspace, "headlines").middle("nano_thousand")
    other = workspace.for_tenant(Access.of(workspace.catalog).add_tenant("other", admin="ann", password="a long password").id)
    other.emit_many([{"kind": "trace", "subject": "1" * 32, "name": "headlines", "value": 1.0}] * 240)
    assert alone is not None
    assert forecast_endpoint(workspace, "headlines").middle("nano_thousand") == pytest.approx(alone / 2)
    other.publish("headlines", [Route(other.import_files(Path(__file__), "m", kind="model").id)])
    seen = forecast_endpoint(other, "headlines")
    assert "answers_hour" in seen.meters
    assert "nano_thousand" not in seen.meters
