"""Serving is forecast when it starts and when an endpoint goes live, and compared when it drains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pickaxe.compute.planner.here import served
from pickaxe.compute.planner.here.kept import pairs
from pickaxe.compute.planner.here.served import read_killed
from pickaxe.compute.planner.here.serving import forecast_endpoint, forecast_server, keep_forecast
from pickaxe.flows import hosting
from pickaxe.flows.hosting import Hosting, hosted
from pickaxe.kernel.ledger.ledger import Usage
from pickaxe.kernel.ledger.spare import spare_core
from pickaxe.kernel.ledger.tokens import count_tokens
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.backend import Model
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.deployment import Deployment
from pickaxe.serve.running import Runner
from tests.serve.fakes import answer, write_model

CORE_HOUR = 40_000_000


@dataclass
class Fake:
    """A server, as far as its host sees one."""

    deployments: dict[tuple[str, str], Deployment] = field(default_factory=dict)
    answers: int = 0


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "w") as opened:
        yield opened


@pytest.fixture
def deployments(workspace: Workspace, tmp_path: Path) -> dict[tuple[str, str], Deployment]:
    """One endpoint, loaded."""
    artifact = workspace.import_files(write_model(tmp_path / "model"), "headlines/model", kind="model")
    endpoint = workspace.publish("headlines", [Route(artifact.id)])
    runner = Runner(Model.load(workspace, artifact.id), ServeConfig(), ThreadPoolExecutor(1))
    return {(workspace.tenant_id, "headlines"): Deployment.of(endpoint, {artifact.id: runner})}


def serve(workspace: Workspace, deployments: dict[tuple[str, str], Deployment], holder: str, ms: float = 4.0) -> None:
    """A server that answers 100 times and reads 700 tokens."""
    server = Fake(deployments)
    with spare_core(workspace, holder), Hosting(workspace, holder, lambda: server):
        while not workspace.ledger.charges([holder]):
            time.sleep(0.02)
        answer(workspace, ms, 100)
        server.answers += 100
        count_tokens(700)
        time.sleep(0.3)


def test_nothing_is_known_but_the_price_and_the_model(
    workspace: Workspace, deployments: dict[tuple[str, str], Deployment]
) -> None:
    server, endpoint = forecast_server(workspace), forecast_endpoint(workspace, "headlines")
    assert set(server.meters) == {"nano_hour"}
    assert server.middle("nano_hour") == CORE_HOUR
    assert endpoint.meters == {}
    assert endpoint.calls_s is None
    loaded = next(iter(deployments.values()))
    assert hosting.foreseen(workspace, loaded).calls_s == pytest.approx(1000 / loaded.runners[0].model.call_ms)


@pytest.mark.slow
def test_a_server_is_compared_when_it_drains(
    workspace: Workspace, deployments: dict[tuple[str, str], Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "SHORTEST_NS", 0)
    monkeypatch.setattr(served, "BUSY_ANSWERS", 100)
    serve(workspace, deployments, "server-one")
    charged = {item.meter: item.quantity for item in workspace.ledger.charges(["server-one"])}
    assert charged["tokens"] == 700
    assert charged["memory_peak_bytes"] > 1e6
    assert charged["wall_ms"] >= 300
    serve(workspace, deployments, "server-two", ms=5.0)
    found = {(pair.run_id.partition(":")[0], pair.meter): pair for pair in pairs(workspace)}
    money = found["server-one", "nano_hour"]
    assert money.forecast == CORE_HOUR
    assert 0 < money.read <= CORE_HOUR * 1.01, "the core is taken a moment after the window opens"
    first = {event.subject: event.body["readings"] for event in workspace.events(kind="served")}
    spread = found["server-two", "nano_thousand"]
    borne = 1000 * first["server-one:1"]["nano_hour"] / first["server-one:headlines:1"]["answers_hour"]
    assert spread.forecast == pytest.approx(borne, rel=0.01), "100 answers bear the core for the window"
    quick = found["server-two", "answer_us"]
    assert (quick.forecast, quick.read) == (pytest.approx(4000), 5000)
    assert quick.error == pytest.approx(0.25)
    assert abs(found["server-two", "memory_peak_bytes"].error) < 0.2
    assert found["server-two", "tokens_hour"].forecast == pytest.approx(first["server-one:1"]["tokens_hour"], rel=0.01)
    assert found["server-two", "answer_cpu_us"].forecast == pytest.approx(first["server-one:1"]["answer_cpu_us"], rel=0.01)
    cpu = sorted(first[f"server-{name}:1"]["answer_cpu_us"] for name in ("one", "two"))
    assert 1e6 / cpu[1] <= (forecast_server(workspace).answers_s or 0) <= 1e6 / cpu[0]
    assert all(item.quantity >= 0 for item in workspace.ledger.charges())


def test_what_a_killed_server_leaves_is_read_by_the_next(
    workspace: Workspace, deployments: dict[tuple[str, str], Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its core from the ledger up to its last heartbeat, its answers from their traces, its tokens from its last note."""
    monkeypatch.setattr(served, "SHORTEST_NS", 0)
    pools, log = workspace.stores.pools, workspace.log
    pool = pools.open("cpu", 1, {})
    workspace.ledger.grant(pool, "server-dead", 1)
    keep_forecast(workspace, "server-dead:1", forecast_server(workspace), pool)
    keep_forecast(workspace, "server-dead:headlines:1", hosting.foreseen(workspace, next(iter(deployments.values()))), pool)
    answer(workspace, 3.0, 40)
    with workspace.catalog.write() as connection:
        noted = (Usage(meter, amount, "measured", "noted") for meter, amount in (("wall_ms", 1000), ("tokens", 50)))
        workspace.ledger.record(connection, "server-dead", 1, list(noted))
    assert read_killed(workspace) == 0, "its pool lives"
    time.sleep(0.05)
    pools.beat(pool)
    pools.abandon(pool)
    answer(workspace, 90.0, 40)

    with Hosting(workspace, "server-next", lambda: Fake(deployments)):
        pass
    found = {(pair.run_id, pair.meter): pair for pair in pairs(workspace)}
    assert found["server-dead:1", "nano_hour"].read == pytest.approx(CORE_HOUR, rel=0.01)
    left = {event.subject: event.body for event in log.list(kind="served")}
    assert left["server-dead:1"]["readings"]["tokens_hour"] == 50 * 3600
    assert "answer_cpu_us" not in left["server-dead:1"]["readings"]
    assert left["server-dead:headlines:1"]["readings"]["answers"] == 40
    assert left["server-dead:headlines:1"]["readings"]["answer_us"] == 3000
    assert {pair.run_id for pair in found.values() if pair.killed} == {"server-dead:1"}
    (following,) = log.list(kind="forecast", subject="server-next:headlines:1")
    assert following.body["meters"]["answer_us"]["middle"] == pytest.approx(3000), "the next forecast rests on it"
    assert read_killed(workspace) == 0, "once"


def test_notes_of_a_window_add_up(
    workspace: Workspace, deployments: dict[tuple[str, str], Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "_NOTE_NS", 0)
    server = Fake(deployments)
    with Hosting(workspace, "server-one", lambda: server) as beside:
        for _ in range(3):
            count_tokens(100)
            server.answers += 1
            beside.look()
            beside.look()
        notes = [charge.quantity for charge in workspace.ledger.charges(["server-one"]) if charge.meter == "tokens"]
        assert notes == [100, 100, 100], "a look without an answer in between notes nothing"
    (read,) = [event.body["readings"] for event in workspace.events(kind="served", subject="server-one:1")]
    used = workspace.ledger.used("server-one", 1)
    assert used["tokens"] == 300
    assert read["memory_peak_bytes"] == used["memory_peak_bytes"] < 1e11


def test_an_endpoint_of_a_line_keeps_its_own_forecast(
    workspace: Workspace, deployments: dict[tuple[str, str], Deployment]
) -> None:
    loaded = {**deployments, (workspace.tenant_id, "other"): next(iter(deployments.values()))}
    with hosted(workspace, "headlines", lambda: loaded):
        answer(workspace, 5.0, 30)
    (kept,) = workspace.events(kind="forecast")
    (read,) = workspace.events(kind="served")
    assert kept.subject == read.subject
    assert kept.subject.startswith("endpoint-headlines-")
    assert read.body["readings"] == {"answers": 30, "answer_us": 5000}


def test_a_minute_says_nothing_of_an_hour(workspace: Workspace, deployments: dict[tuple[str, str], Deployment]) -> None:
    serve(workspace, deployments, "server-one")
    (read,) = [event for event in workspace.events(kind="served") if event.name == "serve:headlines"]
    assert set(read.body["readings"]) == {"answers", "answer_us"}
    assert read.body["readings"]["answers"] == 100


def test_an_endpoint_that_moves_is_forecast_anew(workspace: Workspace, deployments: dict[tuple[str, str], Deployment]) -> None:
    (key, first) = next(iter(deployments.items()))
    with Hosting(workspace, "server-one", lambda: Fake(deployments)) as beside:
        other = workspace.publish("headlines", [Route(first.endpoint.routes[0].artifact_id, 2.0)])
        deployments[key] = Deployment(other, first.runners, first.bounds)
        beside.look()
        beside.look()
        del deployments[key]
        beside.look()
    names = [event.subject for event in workspace.events(kind="forecast") if event.name == "serve:headlines"]
    assert names == ["server-one:headlines:1", "server-one:headlines:2"]
    assert [event.subject for event in workspace.events(kind="served") if event.name == "serve:headlines"] == names
