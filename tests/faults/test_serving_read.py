"""What a server foresaw is compared although it was killed: by the one that starts in its place."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

import pickaxe
from pickaxe.compute.planner.here.kept import pairs
from pickaxe.kernel.catalog.schema import pools
from pickaxe.kernel.nouns import Route
from tests.faults.commands import until
from tests.faults.served import Server
from tests.serve.fakes import write_model

pytestmark = pytest.mark.slow

ANSWERS = 30


def test_a_killed_server_is_read_by_the_next(tmp_path: Path) -> None:
    place = tmp_path / "w"
    with pickaxe.open(place) as workspace:
        model = workspace.import_files(write_model(tmp_path / "model"), "headlines/model", kind="model")
        workspace.publish("headlines", [Route(model.id)])
    server = Server(place)
    try:
        until(lambda: _kept(place, "forecast") == {"serve:", "serve:headlines"}, "both forecasts are kept")
        for _ in range(ANSWERS):
            assert httpx.post(f"{server.url}/v1/endpoints/headlines/predict", json={"text": "good"}).status_code == 200
        answered = _beaten(place)
        until(lambda: _beaten(place) > answered, "the ledger knows of it up to its last heartbeat")
        server.kill()
        assert _kept(place, "served") == set()
        server.start()
        until(lambda: _kept(place, "served") == {"serve:", "serve:headlines"}, "the next server reads what it left")
    finally:
        server.kill()
    with pickaxe.open(place, mode="r") as workspace:
        (read,) = (event for event in workspace.events(kind="served") if event.name == "serve:headlines")
        assert read.body["killed"]
        assert read.body["readings"]["answers"] == ANSWERS
        money = next(pair for pair in pairs(workspace) if pair.meter == "nano_hour")
        assert money.killed
        assert 0 < money.read <= money.forecast * 1.05


def _beaten(place: Path) -> int:
    with pickaxe.open(place, mode="r") as workspace, workspace.catalog.read() as connection:
        return connection.execute(sa.select(sa.func.max(pools.c.heartbeat_ns))).scalar_one()


def _kept(place: Path, kind: str) -> set[str]:
    with pickaxe.open(place, mode="r") as workspace:
        return {event.name for event in workspace.events(kind=kind)}
