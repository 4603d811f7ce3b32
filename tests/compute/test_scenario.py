"""Scenarios as files, as plain data and as artifacts."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickaxe.compute.planner import words
from pickaxe.compute.planner.here.model_curve import published_models
from pickaxe.compute.planner.scenario import KINDS, form, open_saved, plan, read_scenario, save
from pickaxe.kernel.errors import BadInput, PickaxeError
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace

EXAMPLES: dict[str, dict[str, Any]] = {
    "train": {"model": "llama-2-7b", "device": "A100-80", "devices": 8, "tokens": "1B tokens"},
    "serve": {"model": "llama-3.1-8b", "device": "H100", "tokens_in": 500, "tokens_out": 100},
    "pool": {"device": "A100-80"},
    "payback": {"distil_cost": "$5", "calls_day": 1000, "large_call": "$0.01", "small_call": "$0.001"},
    "own": {
        "model": "llama-3.1-8b",
        "device": "H100",
        "tokens_in": 500,
        "tokens_out": 100,
        "api_price_in": "$1/M tokens",
        "api_price_out": "$2/M tokens",
    },
    "app": {"users": 1000, "calls": 3, "tokens_in": 500, "tokens_out": 100, "mix": [{"name": "gpt-4o-mini"}], "user_price": "$5"},
    "claim": {"id": "one-day-3740"},
}
OWN_MODEL = {"layers": 12, "hidden": 768, "heads": 12, "vocab": 32_000}
OWN_DEVICE = {"memory": "24 GB", "bandwidth": "20 GB/s", "peak": {"fp32": "150 GFLOP/s"}, "kind": "cpu"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", words.LANGUAGES)
def test_every_kind_gives_plain_json(kind: str, language: str) -> None:
    scenario = EXAMPLES[kind] | ({} if kind == "claim" else {"samples": 30, "on": "2024-06-01"})
    found = plan(kind, scenario, language)
    assert found["kind"] == kind
    assert json.loads(json.dumps(found, allow_nan=False, ensure_ascii=False)) == found
    assert plan(kind, scenario, language) == found


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "claim"])
def test_a_form_lists_what_a_scenario_may_hold(kind: str) -> None:
    asked = form(kind, "zh")
    json.dumps(asked, allow_nan=False)
    names = {item["name"] for item in asked["fields"]} | {item["name"] for item in asked["choices"]}
    assert set(EXAMPLES[kind]) <= names | {"mix", "devices"}
    for item in asked["fields"]:
        assert item["low"] is None or item["high"] is None or item["low"] < item["high"]
    with pytest.raises(BadInput, match="kind"):
        form("serv")


def test_an_own_model_and_an_own_device() -> None:
    scenario = {
        "model": OWN_MODEL,
        "device": OWN_DEVICE,
        "weights": "int8",
        "tokens_in": 50,
        "tokens_out": 20,
        "price": "$0.1/GPU-h",
    }
    found = plan("serve", scenario | {"samples": 20})["cases"]["serve"]
    assert found["choices"]["model"] == "own model"
    assert found["results"]["single_rate"]["centre"] > 1
    with pytest.raises(PickaxeError, match="bandwith"):
        plan("serve", scenario | {"device": OWN_DEVICE | {"bandwith": "3 GB/s"}})
    with pytest.raises(PickaxeError, match="hidden"):
        plan("serve", scenario | {"model": OWN_MODEL | {"hidden": 0}})


SCENARIO = """
kind = "app"
on = 2024-06-01
users = [500, 1000, 2000]
calls = 3
tokens_in = "500 tokens"
tokens_out = "100 tokens"
user_price = "$5"
[[mix]]
name = "gpt-4o-mini"
"""


def test_a_scenario_file_becomes_an_artifact_that_opens_again(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text(SCENARIO, encoding="utf-8")
    kind, values = read_scenario(file, "serve")
    assert kind == "app"
    assert values["on"] == date(2024, 6, 1)
    with Workspace(tmp_path / "ws") as workspace:
        artifact = save(workspace, "plans/app", kind, values)
        assert artifact.kind == "scenario"
        assert save(workspace, "plans/app", kind, values).id == artifact.id  # the same content once
        again, scenario, result = open_saved(workspace, "plans/app")
        assert plan(again, scenario) == result
        other = workspace.import_json({"a": 1}, "other")
        with pytest.raises(BadInput, match="not a scenario"):
            open_saved(workspace, other.id)


def test_a_claim_of_ones_own_is_saved_as_it_is(tmp_path: Path) -> None:
    with Workspace(tmp_path / "ws") as workspace:
        save(workspace, "plans/claim", "claim", {"id": "gpt3-v100-14m"})
        assert open_saved(workspace, "plans/claim")[2]["verdict"] == "impossible"


def test_the_models_of_a_workspace_by_what_they_cost(tmp_path: Path) -> None:
    with Workspace(tmp_path / "ws") as workspace:
        assert published_models(workspace) == []
        model = workspace.import_json({"w": 1}, "task/model", kind="model")
        workspace.publish("task", [Route(model.id)])
        workspace.publish("task", [Route(model.id)])
        rows = published_models(workspace)
        assert [(row.ref, row.full_nano, row.marginal_nano) for row in rows] == [("task/model:1", 0, 0)]


@pytest.mark.parametrize(
    ("kind", "scenario", "named"),
    [
        ("train-it", {}, "kind"),
        ("serve", [], "table"),
        ("serve", {3: 4}, "table"),
        ("serve", {}, "model"),
        ("pool", {"device": 7}, "device"),
        ("pool", {"device": None}, "device"),
        ("app", {}, "mix"),
        ("app", {"mix": "gpt-4o"}, "mix"),
        ("claim", {"id": 7}, "claim"),
        ("claim", {"id": "nothing"}, "claim"),
        ("claim", {"id": ["gpt3-compute"]}, "claim"),
        ("claim", {"id": {"low": 1}}, "claim"),
        ("claim", {"title": {"en": "x"}}, "claim"),
        ("payback", EXAMPLES["payback"] | {"distil_cost": None}, "distil_cost"),
        ("payback", EXAMPLES["payback"] | {"distil_cost": {"lo": 1}}, "distil_cost"),
        ("payback", EXAMPLES["payback"] | {"distil_cost": []}, "distil_cost"),
        ("payback", EXAMPLES["payback"] | {"distil_cost": ["$1", "$2", "$3", "$4"]}, "distil_cost"),
        ("payback", EXAMPLES["payback"] | {"distil_cost": {"low": "$1", "high": "$2", "mode": "$9"}}, "distil_cost"),
    ],
)
def test_bad_scenarios_are_refused_with_a_place(kind: str, scenario: Any, named: str) -> None:
    with pytest.raises(PickaxeError) as refused:
        plan(kind, scenario)
    assert refused.value.status in (404, 422)
    assert named in str(refused.value)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["$1", "5 GB", "¥3", "1e400"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["low", "high", "mode", "name"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def answer(kind: str, scenario: dict[str, Any]) -> str | int:
    try:
        json.dumps(plan(kind, scenario), allow_nan=False)
    except PickaxeError as refused:
        return refused.status
    return "a plan"


@given(kind=st.sampled_from([kind for kind in KINDS if kind != "own"]), data=st.data())
def test_no_field_however_odd_gives_anything_but_a_plan_or_a_clear_refusal(kind: str, data: st.DataObject) -> None:
    scenario = EXAMPLES[kind] | {"samples": 20}
    names = [
        *EXAMPLES[kind],
        "price",
        "utilisation",
        "cache_hit",
        "on",
        "rates",
        "currency",
        "device",
        "case",
        "mix",
        "given",
        "formula",
    ]
    field = data.draw(st.sampled_from(names))
    assert answer(kind, scenario | {field: data.draw(anything)}) in ("a plan", 404, 422)


@pytest.mark.parametrize("text", ["kind = 'app'\nusers = ", "kind = 'apps'", "\xff"])
def test_bad_files(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput):
        read_scenario(file, "app")
    with pytest.raises(BadInput, match="cannot read"):
        read_scenario(tmp_path / "none.toml", "app")
