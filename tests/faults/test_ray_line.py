"""The whole tiny line on a two-node Ray cluster gives what it gives here."""

from __future__ import annotations

from pathlib import Path

import pytest

from pickaxe.flows.produce import produce
from pickaxe.kernel.location import Location
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.workspace import Workspace
from tests.flows.tiny import Finished
from tests.ray_cluster import RayCluster, ray_cluster

pytestmark = pytest.mark.slow


def test_produce_on_ray_gives_the_same_digests(finished: Finished, tmp_path: Path) -> None:
    task = finished.files.variant(rounds=1)
    with ray_cluster(cores=2) as cluster:
        assert isinstance(cluster, RayCluster)
        with Workspace(Location(tmp_path / "w", engine=cluster.url), settings=Settings(cores=2)) as workspace:
            produce(task, workspace)
            mine = {item.ref: item.digest for item in workspace.artifacts.list() if item.version == 1}
            nodes = [statement for statement in workspace.ledger.statements() if statement.charged]
            for statement in workspace.ledger.statements():
                assert statement.charged + statement.idle == statement.cost
    with Workspace(finished.workspace, mode="r") as undisturbed:
        theirs = {item.ref: item.digest for item in undisturbed.artifacts.list()}
    assert len(mine) > 15
    # The undisturbed line has two rounds, which share the traffic.
    of_traffic = {f"{task.name}/{name}:1" for name in ("traffic_log", "windows", "drift")}
    assert {ref for ref, digest in mine.items() if theirs.get(ref) != digest} <= of_traffic
    assert nodes, "the nodes' pools were charged"
