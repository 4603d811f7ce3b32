"""Serving is forecast when it starts and when an endpoint goes live, and compared when it drains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pickaxe.compute.planner.here.kept import pairs
from pickaxe.compute.planner.here.serving import forecast_endpoint, forecast_server
from pickaxe.flows import hosting
from pickaxe.flows.hosting import Hosting
from pickaxe.kernel.ledger.spare import spare_core
from pickaxe.kernel.ledger.tokens import count_tokens
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.backend import Model
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.deployment import Deployment
from pickaxe.serve.running import Runner
from tests.serve.fakes import write_model

CORE_HOUR = 40_000_000


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


def answer(workspace: Workspace, ms: float, times: int) -> None:
    body = {"endpoint": "headlines", "texts": ["a text"], "labels": ["a"], "probs": [[1.0]], "ms": ms, "status": 200}
    workspace.emit_many([{"kind": "trace", "subject": "0" * 32, "name": "headlines", "value": ms, "body": body}] * times)


def serve(workspace: Workspace, deployments: dict[tuple[str, str], Deployment], holder: str, ms: float = 4.0) -> None:
    """A server that answers 100 times and reads 700 tokens."""
    with spare_core(workspace, holder), Hosting(workspace, holder, lambda: deployments):
        while not workspace.ledger.charges([holder]):
            time.sleep(0.02)
        answer(workspace, ms, 100)
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


@pytest.mark.slow
def test_a_server_is_compared_when_it_drains(
    workspace: Workspace, deployments: dict[tuple[str, str], Deployment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "SHORTEST_NS", 0)
    monkeypatch.setattr(hosting, "BUSY_ANSWERS", 100)
    serve(workspace, deployments, "server-one")
    charged = {item.meter: item.quantity for item in workspace.ledger.charges(["server-one"])}
    assert charged["tokens"] == 700
    assert charged["memory_peak_bytes"] > 1e6
    assert charged["wall_ms"] >= 300
    serve(workspace, deployments, "server-two", ms=5.0)
    found = {(pair.run_id.partition(":")[0], pair.meter): pair for pair in pairs(workspace)}
    money = found["server-one", "nano_hour"]
    assert money.forecast == CORE_HOUR
    assert 0.3 * CORE_HOUR < money.read <= CORE_HOUR * 1.01, "the core is taken a moment after the window opens"
    quick = found["server-two", "answer_us"]
    assert (quick.forecast, quick.read) == (pytest.approx(4000), 5000)
    assert quick.error == pytest.approx(0.25)
    assert abs(found["server-two", "memory_peak_bytes"].error) < 0.2
    assert found["server-two", "tokens_hour"].forecast == pytest.approx(found["server-two", "tokens_hour"].read, rel=0.5)
    assert forecast_server(workspace).answers_s == pytest.approx(1e6 / found["server-two", "answer_cpu_us"].read, rel=0.9)
    assert all(item.quantity >= 0 for item in workspace.ledger.charges())


def test_a_minute_says_nothing_of_an_hour(workspace: Workspace, deployments: dict[tuple[str, str], Deployment]) -> None:
    serve(workspace, deployments, "server-one")
    (read,) = [event for event in workspace.events(kind="served") if event.name == "serve:headlines"]
    assert set(read.body["readings"]) == {"answers", "answer_us"}
    assert read.body["readings"]["answers"] == 100


def test_an_endpoint_that_moves_is_forecast_anew(workspace: Workspace, deployments: dict[tuple[str, str], Deployment]) -> None:
    (key, first) = next(iter(deployments.items()))
    with Hosting(workspace, "server-one", lambda: deployments) as beside:
        other = workspace.publish("headlines", [Route(first.endpoint.routes[0].artifact_id, 2.0)])
        deployments[key] = Deployment(other, first.runners, first.bounds)
        beside.look()
        beside.look()
        del deployments[key]
        beside.look()
    names = [event.subject for event in workspace.events(kind="forecast") if event.name == "serve:headlines"]
    assert names == ["server-one:headlines:1", "server-one:headlines:2"]
    assert [event.subject for event in workspace.events(kind="served") if event.name == "serve:headlines"] == names
