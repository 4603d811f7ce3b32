"""`plan train`: a scenario in, a forecast with its layouts out; wrong ones refused by the name of the field."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from pickaxe.compute.planner.catalogue import models, utilisation
from pickaxe.compute.planner.catalogue.hardware import find
from pickaxe.compute.planner.training.plan import plan_training
from pickaxe.kernel.errors import BadInput, NotFound, PickaxeError

BASE: dict[str, Any] = {
    "model": "llama-3.1-8b", "device": "H100", "tokens": "100B", "sequence": 8192, "devices": 8, "batch": 64, "on": "2025-09-01", "samples": 40,
}  # fmt: skip


def test_forecast_has_bands_layouts_and_reasons() -> None:
    found = plan_training(BASE)
    assert {"cost", "time", "device_time", "work", "memory", "energy"} <= set(found.results)
    cost = found.results["cost"]
    assert 0 < cost.low < cost.centre < cost.high
    prior, _ = utilisation.mfu(find("H100"))
    assert found.inputs.numbers["mfu"].high <= prior.high
    assert "price" in [bar.field for bar in found.tornado["cost"]]
    layouts = found.extra["layouts"]
    assert layouts["best"][0]["memory"]["total"] <= 80e9
    assert layouts["fallen"]
    json.dumps(found.as_dict("zh"), allow_nan=False)


def test_published_run_from_a_scenario() -> None:
    """OPT-175B as its paper tells it: 33 days on 1,024 A100 at 147 TFLOP/s with recomputation (three quarters of it useful)."""
    found = plan_training(
        {
            "model": "opt-175b", "device": "A100", "tokens": "300B", "sequence": 2048, "devices": 1024, "batch": 1024, "tensor": 8, "zero": 3,
            "recompute": "full", "mfu": 0.354, "goodput": 1, "price": "$2/GPU-h", "samples": 20,
        }
    )  # fmt: skip
    assert float(found.centre("time")) / 86400 == pytest.approx(33, rel=0.02)
    assert float(found.centre("cost")) == pytest.approx(2 * 33 * 24 * 1024, rel=0.02)


def test_deadline_is_held_against_practice() -> None:
    slow = plan_training({**BASE, "batch": 256, "devices": [64, 128, 256], "tokens": "1T", "tensor": 1})
    fast = plan_training({**BASE, "batch": 256, "devices": [64, 128, 256], "tokens": "1T", "tensor": 1, "deadline": "14 days"})
    assert float(slow.centre("time")) > 14 * 86400
    assert float(fast.centre("time")) <= 14 * 86400 * 1.01
    assert float(fast.centre("held_devices")) > float(slow.centre("held_devices"))


def test_a_cap_of_power_takes_longer_and_less_energy() -> None:
    found = [plan_training({**BASE, "device": "A100", **cap}) for cap in ({}, {"power_cap": "300 W"}, {"power_cap": "500 W"})]
    free, capped, above = ({name: float(one.centre(name)) for name in ("time", "energy")} for one in found)
    assert free["time"] < capped["time"] < free["time"] * 400 / 300
    assert capped["energy"] < free["energy"]
    assert above == free
    with pytest.raises(BadInput, match="power of TPU-v5e is not known"):
        plan_training({**BASE, "device": "TPU-v5e", "power_cap": "300 W"})


def test_own_model_and_device_as_tables() -> None:
    shape = {"name": "mine", "layers": 4, "hidden": 256, "heads": 4, "vocab": 1000}
    device = {
        "name": "box",
        "kind": "cpu",
        "memory": "16 GB",
        "bandwidth": "20 GB/s",
        "peak": {"fp32": "100 GFLOP/s"},
        "power": "65 W",
    }
    found = plan_training(
        {
            "model": shape,
            "device": device,
            "tokens": "1M",
            "devices": 1,
            "batch": 8,
            "sequence": 64,
            "price": "$0.1/GPU-h",
            "samples": 20,
        }
    )
    assert found.inputs.choices["dtype"] == "fp32"
    assert float(found.centre("work")) == pytest.approx(6 * float(models.from_mapping("m", shape).matmul_active) * 1e6, rel=0.1)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tokens": 0}, "tokens"), ({"tokens": -5}, "tokens"), ({"tokens": math.nan}, "tokens"), ({"tokens": "100 GB"}, "tokens"),
        ({"tokens": ["2T", "1T"]}, "tokens"), ({"mfu": 1.4}, "mfu"), ({"mfu": "41 TFLOP/s"}, "mfu"), ({"devices": 0}, "devices"),
        ({"devices": []}, "devices"), ({"devices": 10**9}, "devices"), ({"devices": "many"}, "devices"), ({"batch": 2.5}, "batch"),
        ({"sequence": 0}, "sequence"), ({"sequence": "1e30"}, "sequence"), ({"tensor": 3}, "no layout"), ({"tensor": 64}, "tensor"), ({"zero": 7}, "zero"),
        ({"method": "lara"}, "method"), ({"optimiser": "adam"}, "optimiser"), ({"precision": 16}, "precision"), ({"dtype": "fp12"}, "dtype"),
        ({"device": "A100", "dtype": "fp8"}, "fp8"), ({"recompute": "sometimes"}, "recompute"), ({"deadline": "5 GB"}, "deadline"),
        ({"price": "$5"}, "price"), ({"pue": 0.5}, "pue"), ({"mfuu": 0.4}, "mfuu"), ({"model": 7}, "model"), ({"model": {"layers": 2}}, "model"),
        ({"device": {"memory": "1 GB"}}, "device"), ({"margin": "lots"}, "margin"), ({"causal_half": "perhaps"}, "causal_half"), ({"fused": 7}, "fused"),
        ({"network": "400 TFLOP/s"}, "network"), ({"on": "yesterday"}, "on"), ({"rank": 10**9, "method": "lora"}, "rank"), ({"masked": 2}, "masked"),
        ({"model": "/etc/passwd"}, "model"), ({"model": "llama-3.1-405b", "devices": 8}, "does not fit"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_scenarios(change: dict[str, Any], field: str) -> None:
    with pytest.raises((BadInput, NotFound)) as caught:
        plan_training({**BASE, **change})
    assert isinstance(caught.value, PickaxeError)
    assert field in caught.value.message
    assert caught.value.expected


@pytest.mark.parametrize("missing", ["model", "device", "tokens"])
def test_missing_fields(missing: str) -> None:
    with pytest.raises(BadInput, match=missing):
        plan_training({key: value for key, value in BASE.items() if key != missing})


def test_reinforcement_learning_takes_longer() -> None:
    plain = plan_training({**BASE, "tokens": "1B"})
    learning = plan_training({**BASE, "tokens": "1B", "generated": 0.9, "judges": "16B"})
    assert 0.3 < float(learning.centre("generating")) < 1
    assert float(learning.centre("time")) > 1.5 * float(plain.centre("time"))
    assert "generation_mfu" in [bar.field for bar in learning.tornado["cost"]]
    with pytest.raises(BadInput, match="generated"):
        plan_training({**BASE, "waste": 2})


def test_carbon_follows_the_grid() -> None:
    world, france = plan_training(BASE), plan_training({**BASE, "grid": "france"})
    assert float(france.centre("carbon")) == pytest.approx(float(world.centre("carbon")) * 44 / 473)
    with pytest.raises(NotFound, match="grid"):
        plan_training({**BASE, "grid": "frence"})
