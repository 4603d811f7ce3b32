"""`pickaxe plan serve | pool | app | claim` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pickaxe.cli.plan import plan as group
from pickaxe.kernel.errors import BadInput

SERVE = (
    "serve",
    "--model",
    "llama-3.1-8b",
    "--device",
    "H100",
    "--set",
    "tokens_in=500",
    "--set",
    "tokens_out=100",
    "--set",
    "samples=30",
)
APP = """
users = [500, 1000, 2000]
calls = 3
tokens_in = "500 tokens"
tokens_out = "100 tokens"
user_price = "$5"
[[mix]]
name = "gpt-4o-mini"
"""


def plan(name: str, *arguments: object) -> Result:
    return CliRunner().invoke(group, [name, *map(str, arguments)])


def refused(name: str, *arguments: object) -> str:
    found = plan(name, *arguments)
    assert isinstance(found.exception, BadInput)
    return str(found.exception)


def test_serve_prints_a_table_with_bands_what_matters_and_alternatives() -> None:
    found = plan(*SERVE, "--set", "price=$2/GPU-h..$4/GPU-h")
    assert found.exit_code == 0, found.output
    assert "cost a day" in found.output
    assert "$2.00/GPU-h – $4.00/GPU-h" in found.output
    assert "int4" in found.output


def test_chinese_is_chinese_throughout() -> None:
    """But for symbols, ids of fields and formats, and what a source is called."""
    served, claimed = plan(*SERVE, "--lang", "zh").output, plan("claim", "gpt3-v100-14m-open", "--lang", "zh").output
    trained = plan("train", *SERVE[1:5], "--tokens", "1B", "--devices", 8, "--set", "samples=20", "--lang", "zh").output
    assert "每日成本" in served
    for english in ("centre", "what moves", "range", "devices a replica", "falls out", "tokens"):
        assert english not in served
    for english in ("left open", "plausible", "arithmetic", "stated otherwise", "source:"):
        assert english not in claimed
    for english in ("layouts tried", "compute", "bubble", "memory"):
        assert english not in trained


def test_models_in_scenario_files_lie_beside_them(tmp_path: Path) -> None:
    shape = {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4, "vocab_size": 1000, "model_type": "llama"}
    for name, layers in (("small", 4), ("large", 8)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(shape | {"num_hidden_layers": layers}), encoding="utf-8")
        text = f'kind = "train"\nmodel = "{name}/config.json"\ndevice = "T4"\ntokens = "1B"\ndevices = 1\nsamples = 20\n'
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    found = plan("train", tmp_path / "small.toml", tmp_path / "large.toml", "--json")
    assert found.exit_code == 0, found.output
    cases = json.loads(found.stdout)
    work = {name: cases[name]["cases"]["train"]["results"]["work"]["centre"] for name in ("small", "large")}
    assert work["large"] > work["small"]
    (tmp_path / "lost.toml").write_text(text.replace("large/config.json", "absent/config.json"), encoding="utf-8")
    assert "absent/config.json does not exist" in refused("train", tmp_path / "lost.toml")


def test_serve_from_a_config_file_keeps_the_model_in_the_artifact(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    shape = {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000}
    config.write_text(json.dumps(shape | {"intermediate_size": 512, "model_type": "llama"}), encoding="utf-8")
    found = plan("serve", "--model", config, *SERVE[3:], "--json", "--save", "plans/tiny", "-w", tmp_path / "ws")
    assert found.exit_code == 0, found.output
    from pickaxe.compute.planner.scenario import open_saved
    from pickaxe.kernel.workspace import Workspace

    with Workspace(tmp_path / "ws", mode="r") as workspace:
        kind, scenario, result = open_saved(workspace, "plans/tiny")
    assert kind == "serve"
    assert scenario["model"]["layers"] == 4
    assert json.loads(found.stdout)["cases"]["serve"]["results"] == result["cases"]["serve"]["results"]


def test_a_device_of_the_workspaces_own_catalogue(tmp_path: Path) -> None:
    (tmp_path / "hardware.toml").write_text(
        '[my-card]\nmemory = "24 GB"\nbandwidth = "900 GB/s"\npeak = { fp16 = "100 TFLOP/s" }\npower = "250 W"\n',
        encoding="utf-8",
    )
    common = ("--device", "my-card", "-w", tmp_path, "--set", "samples=20")
    found = plan(
        "serve", "--model", "llama-3.1-8b", *common, "--set", "tokens_in=9", "--set", "tokens_out=9", "--set", "price=$1/GPU-h"
    )
    assert found.exit_code == 0, found.output
    owned = ("device_cost=$2000", "rent_price=$1/GPU-h", "sale_price=$1/GPU-h", "reserved_price=$0.5/GPU-h")
    found = plan("pool", *common, *(part for item in owned for part in ("--set", item)))
    assert found.exit_code == 0, found.output
    assert "my-card" in refused("serve", "--model", "llama-3.1-8b", *common, "--set", "tokens_in=9", "--set", "tokens_out=9")


def test_files_stand_side_by_side(tmp_path: Path) -> None:
    for name, users in (("small", 1000), ("large", 50_000)):
        (tmp_path / f"{name}.toml").write_text(APP.replace("[500, 1000, 2000]", str(users)), encoding="utf-8")
    found = plan("app", tmp_path / "small.toml", tmp_path / "large.toml")
    assert "small" in found.output
    assert "large" in found.output
    both = json.loads(plan("app", tmp_path / "small.toml", tmp_path / "large.toml", "--json").stdout)
    assert set(both) == {"small", "large"}
    assert "one scenario" in refused(
        "app", tmp_path / "small.toml", tmp_path / "large.toml", "--save", "x", "-w", tmp_path / "ws"
    )


def test_cases_of_one_file_stand_side_by_side(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text(APP + '[case.adopter]\n[case.incumbent]\nbase_revenue = "$3"\nbase_margin = 0.5\n', encoding="utf-8")
    found = plan("app", file)
    assert found.exit_code == 0, found.output
    assert "adopter" in found.output
    assert "incumbent" in found.output


def test_pool() -> None:
    found = plan("pool", "--device", "a100", "--set", "samples=30", "--set", "utilisation=0.5")
    assert found.exit_code == 0, found.output
    assert "break-even utilisation" in found.output


def test_the_idle_time_of_the_workspaces_own_pools(tmp_path: Path) -> None:
    from pickaxe.kernel.workspace import Workspace

    with Workspace(tmp_path / "ws") as workspace:
        opened = workspace.ledger.lives()[0].pool_id
    found = plan("pool", "--idle", "-w", tmp_path / "ws")
    assert opened[:17] in found.output
    assert "idle: no demand" in found.output
    (only,) = json.loads(plan("pool", "--idle", "--json", "-w", tmp_path / "ws").stdout)
    assert only["unit_ns"]["no demand"] > 0
    assert only["utilisation"] == 0


def test_claims() -> None:
    every = plan("claim")
    assert "gpt3-v100-14m" in every.output
    assert "impossible" in every.output
    one = plan("claim", "gpt3-v100-14m")
    assert "$10.00/GPU-h" in one.output
    assert json.loads(plan("claim", "gpt3-v100-14m", "--json").stdout)["verdict"] == "impossible"
    assert "GPT-3 训练量" in plan("claim", "--lang", "zh").output


def test_payback_of_what_the_ledger_says_was_spent(tmp_path: Path) -> None:
    from pickaxe.kernel.ledger.cost import cost_of
    from pickaxe.kernel.workspace import Workspace
    from tests.kernel.sample_steps import Count, count

    with Workspace(tmp_path / "ws") as workspace:
        made = workspace.run(count, Count(upto=2), name="words/count", cores=1)
        spent = cost_of(workspace, made["total"]).full / 1e9
        reference = made["total"].ref
    file = tmp_path / "payback.toml"
    file.write_text('kind = "payback"\ncalls_day = 10\nlarge_call = "$0.002"\nsmall_call = "$0.001"\n', encoding="utf-8")
    found = plan("app", file, "--spent", reference, "--json", "-w", tmp_path / "ws")
    calls = json.loads(found.stdout)["cases"]["payback"]["results"]["payback_calls"]["centre"]
    assert spent > 0
    assert calls == pytest.approx(spent / 0.001, rel=1e-6)


def test_the_models_of_an_empty_workspace(tmp_path: Path) -> None:
    from pickaxe.kernel.workspace import Workspace

    with Workspace(tmp_path / "ws"):
        pass
    assert "no model was published yet" in plan("app", "--models", "-w", tmp_path / "ws").output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((*SERVE, "--set", "tokens_in=-1"), "tokens_in"),
        ((*SERVE, "--set", "tokns_in=1"), "tokens_in"),
        ((*SERVE, "--set", "price=5..1"), "price"),
        (("app", "--set", "users=3"), "mix"),
        (("app", "nowhere.toml"), "nowhere.toml"),
        (("claim", "gpt3-v100-14"), "gpt3-v100-14m"),
        (("claim", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_mistakes_are_named(arguments: tuple[str, ...], named: str) -> None:
    assert named in refused(*arguments)


def test_a_set_without_a_value_is_a_usage_error() -> None:
    found = plan("pool", "--set", "utilisation")
    assert found.exit_code == 2
    assert "FIELD=VALUE" in found.output
