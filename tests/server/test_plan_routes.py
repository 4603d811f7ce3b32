"""The planner over HTTP: plans, forms, claims, kept scenarios; strangers' input is refused with 4xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import pickaxe
from pickaxe.compute.planner.scenario import open_saved, plan
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread

SCENARIO: dict[str, Any] = {
    "model": "llama-3.1-8b",
    "device": "H100",
    "tokens_in": 500,
    "tokens_out": 100,
    "price": ["$2/GPU-h", "$4/GPU-h"],
    "samples": 50,
    "on": "2024-06-01",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    with pickaxe.open(tmp_path_factory.mktemp("plan") / "workspace") as workspace, ServerThread(workspace, whole=True) as server:
        yield workspace, server.url


def post(served: tuple[Workspace, str], path: str, body: Any) -> httpx.Response:
    return httpx.post(served[1] + path, json=body)


def test_a_plan_is_what_the_function_says(served: tuple[Workspace, str]) -> None:
    answer = post(served, "/v1/plan/serve", {"scenario": SCENARIO, "language": "zh"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["cases"] == plan("serve", SCENARIO, "zh")["cases"]


def test_claims(served: tuple[Workspace, str]) -> None:
    every = httpx.get(served[1] + "/v1/claims").json()["data"]
    assert {"one-day-3740", "gpt3-v100-14m"} <= {item["id"] for item in every}
    one = post(served, "/v1/plan/claim", {"scenario": {"id": "one-day-3740"}}).json()["data"]
    assert one["claim"]["verdict"] == "impossible"


def test_a_form(served: tuple[Workspace, str]) -> None:
    asked = httpx.get(served[1] + "/v1/plan/pool").json()["data"]
    assert "H100" in next(item for item in asked["choices"] if item["name"] == "device")["known"]


def test_a_kept_scenario_opens_in_the_workspace(served: tuple[Workspace, str]) -> None:
    answer = post(served, "/v1/scenarios", {"name": "plans/serve", "kind": "serve", "scenario": SCENARIO})
    assert answer.status_code == 201, answer.text
    kind, scenario, result = open_saved(served[0], answer.json()["data"]["ref"])
    assert plan(kind, scenario) == result


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/v1/plan/serve", {"scenario": SCENARIO | {"tokens_in": -1}}, "tokens_in"),
        ("/v1/plan/serve", {"scenario": SCENARIO | {"samples": 20_000}}, "samples"),
        ("/v1/plan/serve", {"scenario": SCENARIO | {"model": "../../etc/passwd"}}, "model"),
        ("/v1/plan/serve", {"scenario": []}, "scenario"),
        ("/v1/plan/serve", {"scenario": SCENARIO, "language": "fr"}, "language"),
        ("/v1/plan/everything", {"scenario": {}}, "kind"),
        ("/v1/plan/claim", {"scenario": {"id": "one-day-3740", "formula": "__import__('os')"}}, "claim"),
        ("/v1/scenarios", {"name": "../x", "kind": "serve", "scenario": SCENARIO}, "name"),
    ],
)
def test_refusals(served: tuple[Workspace, str], path: str, body: Any, named: str) -> None:
    answer = post(served, path, body)
    assert answer.status_code in (404, 422), answer.text
    assert named in answer.text
