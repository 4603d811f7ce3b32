"""Junk in every field of every reader: an answer or an error of Pickaxe's own, never another exception."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.compute.planner.catalogue import hardware, models
from pickaxe.compute.planner.quantities import checks, units
from pickaxe.compute.planner.quantities.uncertain import Uncertain
from pickaxe.compute.planner.scenario import form, plan
from pickaxe.compute.planner.training.layout import Layout
from pickaxe.compute.planner.training.memory import Keeping
from pickaxe.compute.planner.training.network import Network
from pickaxe.compute.planner.training.plan import FIELDS, ROLLOUTS, plan_training
from pickaxe.compute.planner.training.setting import FIXED
from pickaxe.kernel.errors import PickaxeError

JUNK = st.sampled_from(
    [
        0, -1, 1, 2.5, 7, 64, 1e9, 1e30, math.nan, math.inf, None, True, "", "x", "2T", "80 GB", "2 TB/s", "100 TFLOP/s", "41%", "¥5", [1, 2], [2, 1],
        ["80 GB", "s"], ["80 GB", None], [], {}, {"low": 1, "high": 2}, {"low": "a"}, {"fp32": "1 TFLOP/s"}, {"fp99": 1}, "\x00\n", "9" * 5000, b"x",
        (1, 2), object(), "gpu", ["a"], {"a": {"b": 1}}, 10**400, "1e308 GB", "$1e400", [[1]], 1e-300,
    ]
)  # fmt: skip
ENTRY = {"name": "x", "kind": "cpu", "memory": "1 GB", "bandwidth": "1 GB/s", "peak": {"fp32": "1 GFLOP/s"}}
SHAPE = {"layers": 2, "hidden": 8, "heads": 2, "vocab": 9}
SCENARIO = {"model": "gpt2", "device": "T4", "tokens": "1B", "devices": [1, 2], "batch": 8, "samples": 20, "on": "2025-01-01"}
SCENARIO_FIELDS = sorted(
    {*FIXED, *(field.name for field in (*FIELDS, *ROLLOUTS)), "currency", "on", "rates", "samples", "seed", "zzz"}
)

READERS: dict[str, tuple[list[str], Callable[[str, Any], object]]] = {
    "hardware": (
        [
            "name",
            "aliases",
            "kind",
            "launched",
            "domain",
            "peak",
            "measured",
            "memory",
            "bandwidth",
            "link",
            "network",
            "power",
            "zz",
        ],
        lambda field, value: hardware.parse({"k": {**ENTRY, field: value}}, where="w"),
    ),
    "sources": (["sources", "k"], lambda field, value: hardware.parse({"k": ENTRY, field: value}, where="w")),
    "model": (
        [field.name for field in fields(models.Architecture)],
        lambda field, value: models.from_mapping("m", {**SHAPE, field: value}).parameters,
    ),
    "quantity": ([kind.__name__ for kind in units.NAMED.values()], lambda field, value: getattr(units, field).parse(value)),
    "range": (
        [kind.__name__ for kind in units.NAMED.values()],
        lambda field, value: Uncertain.parse(value, getattr(units, field)),
    ),
    "checks": (["share", "count"], lambda field, value: getattr(checks, field)("f", value)),
    "names": (["a"], lambda field, value: (checks.one_of("f", value, [field]), checks.named("f", value, {field: 1}))),
    "keeping": (
        ["precision", "optimiser", "base", "attention", "offload", "margin", "context"],
        lambda field, value: Keeping(**{field: value}),
    ),
    "network": (["kernels", "wire", "hidden", "hidden_experts", "hop_inside"], lambda field, value: Network(**{field: value})),
    "layout": (["data", "tensor", "zero", "micro_batch"], lambda field, value: Layout(**{field: value})),
}


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), value=JUNK)
def test_readers(reader: str, data: st.DataObject, value: object) -> None:
    names, read = READERS[reader]
    with contextlib.suppress(PickaxeError):
        assert read(data.draw(st.sampled_from(names)), value) is not None


@settings(max_examples=120, deadline=None)
@given(changed=st.dictionaries(st.sampled_from(SCENARIO_FIELDS), JUNK, min_size=1, max_size=2))
def test_scenarios(changed: dict[str, object]) -> None:
    with contextlib.suppress(PickaxeError):
        found = plan_training({**SCENARIO, **changed})
        assert found.results["time"].centre > 0


_SERVE = {"model": "llama-3.1-8b", "device": "H100", "tokens_in": 500, "tokens_out": 100}
OTHERS: dict[str, dict[str, Any]] = {
    "serve": _SERVE,
    "pool": {"device": "H100"},
    "app": {"users": 100, "calls": 1, "tokens_in": 10, "tokens_out": 10, "mix": [{"name": "gpt-4o-mini"}]},
    "payback": {"distil_cost": "$500", "calls_day": 100, "large_call": "$0.002", "small_call": "$0.0001"},
    "own": {**_SERVE, "api_price_in": "$0.15/M tokens", "api_price_out": "$0.60/M tokens"},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", OTHERS)
@settings(max_examples=80, deadline=None)
@given(data=st.data(), value=JUNK)
def test_plans_of_every_kind(kind: str, data: st.DataObject, value: object) -> None:
    """An answer without NaN, or a refusal; nothing else."""
    asked = form(kind)
    names = [item["name"] for item in (*asked["fields"], *asked["choices"])]
    field = data.draw(st.sampled_from([*names, "samples", "seed", "on", "currency", "rates", "devices_per_replica", "mix"]))
    with contextlib.suppress(PickaxeError):
        json.dumps(plan(kind, {**OTHERS[kind], "samples": 20, field: value}), allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("serve", {"price": 2}, r"write the unit, such as '\$2.40/GPU-h'"),
        ("serve", {"prefix_hit": 40}, "for a percentage write '40%'"),
        ("serve", {"tokens_in": "1e400"}, "tokens_in is out of range|tokens_in is not finite"),
        ("pool", {"utilisation": 80}, "for a percentage write '80%'"),
        ("train", {"mfu": 40}, "for a percentage write '40%'"),
        ("train", {"tokens": "1e400"}, "tokens is not finite"),
        ("train", {"deadline": "1 ms"}, "or a later deadline"),
        ("app", {"mix": None}, "pickaxe plan app FILE"),
    ],
)
def test_refusals_say_what_was_perhaps_meant(kind: str, change: dict[str, Any], said: str) -> None:
    start = {**OTHERS, "train": SCENARIO}[kind]
    with pytest.raises(PickaxeError, match=said):
        plan(kind, {name: value for name, value in {**start, **change}.items() if value is not None})


@pytest.mark.parametrize(
    ("kind", "change", "named"),
    [
        ("train", {"goodput": 5e-324}, "goodput"),
        ("train", {"price": "¥5"}, "price has the wrong unit"),
        ("serve", {"price": "5%"}, "price has the wrong unit"),
        ("serve", {"device": "H1000"}, "no device is called"),
        ("serve", {"grid": 5}, "no grid is called"),
        ("serve", {"devices_per_replica": False}, "devices_per_replica"),
        ("pool", {"rent_price": "nan"}, "rent_price"),
        ("app", {"case": []}, "case"),
    ],
)
def test_refusals_name_the_field_that_was_given(kind: str, change: dict[str, Any], named: str) -> None:
    """Not one that is filled from it, nor one that only the planner knows."""
    with pytest.raises(PickaxeError, match=named):
        plan(kind, {**OTHERS, "train": SCENARIO}[kind] | change)


@pytest.mark.parametrize("kind", [*OTHERS, "train"])
def test_a_moment_is_its_day(kind: str) -> None:
    """TOML has both."""
    start = {**OTHERS, "train": SCENARIO}[kind] | {"samples": 20}
    day = plan(kind, start | {"on": date(2025, 9, 1)})
    assert plan(kind, start | {"on": datetime(2025, 9, 1, 12, 30, tzinfo=UTC)}) == day


def test_a_pool_that_sells_for_nothing_has_no_margin_and_says_so() -> None:
    found = plan("pool", {"device": "H100", "sale_price": 0, "on": "2025-09-01"})["cases"]["pool"]
    assert {row["margin"] for row in found["curve"]} == {None}
    json.dumps(found, allow_nan=False)


def test_a_rate_of_interest_that_is_hardly_there() -> None:
    assert plan("pool", {"device": "H100", "interest": 1e-320, "on": "2025-09-01"})["cases"]
