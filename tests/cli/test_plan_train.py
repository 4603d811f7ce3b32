"""`pickaxe plan train | probe` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Pickaxe

BASE = (
    "plan",
    "train",
    "--model",
    "llama-3.1-8b",
    "--device",
    "H100",
    "--tokens",
    "100B",
    "--devices",
    "64",
    "--set",
    "samples=50",
)


def test_a_table_with_bands_layouts_and_reasons(pickaxe: Pickaxe) -> None:
    said = pickaxe(*BASE)
    assert said.code == 0
    for words in ("cost", "device time", "what moves it most", "MFU", "layouts tried", "needs more than the 80 GB"):
        assert words in said.out


def test_json_is_plain(pickaxe: Pickaxe) -> None:
    found = json.loads(pickaxe(*BASE, "--json").out)["cases"]["train"]
    assert found["results"]["cost"]["p5"] < found["results"]["cost"]["p95"]
    assert found["layouts"]["best"][0]["degrees"]["data"] >= 1


def test_scenarios_side_by_side(pickaxe: Pickaxe, tmp_path: Path) -> None:
    text = 'kind = "train"\nmodel = "llama-2-7b"\ndevice = "{}"\ntokens = "10B"\ndevices = 8\nsamples = 20\non = 2025-09-01\n'
    for device in ("A100", "H100"):
        (tmp_path / f"{device}.toml").write_text(text.format(device), encoding="utf-8")
    said = pickaxe("plan", "train", tmp_path / "A100.toml", tmp_path / "H100.toml")
    assert said.code == 0
    assert "A100" in said.out.splitlines()[1]
    assert "H100" in said.out.splitlines()[1]


def test_own_model_file(pickaxe: Pickaxe, tmp_path: Path) -> None:
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100}
    (tmp_path / "config.json").write_text(json.dumps({**config, "intermediate_size": 128}), encoding="utf-8")
    said = pickaxe(
        "plan",
        "train",
        "--model",
        tmp_path / "config.json",
        "--device",
        "T4",
        "--tokens",
        "1M",
        "--devices",
        1,
        "--set",
        "samples=20",
    )
    assert said.code == 0, said.err


@pytest.mark.slow
def test_the_probe_adds_this_machine(pickaxe: Pickaxe, tmp_path: Path) -> None:
    place = tmp_path / "workspace"
    said = pickaxe("-w", place, "plan", "probe", "--seconds", "0.05", "--no-torch")
    assert said.code == 0
    assert "matmul fp32" in said.out
    own = ("plan", "train", "-w", place, "--model", "smollm2-135m", "--device", "local-cpu", "--tokens", "100k", "--devices", 1)
    planned = pickaxe(*own, "--set", "price=$0.05/GPU-h", "--set", "sequence=128", "--set", "batch=4", "--set", "samples=20")
    assert planned.code == 0, planned.err
    assert "memory of the fullest device" in planned.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tokens", "0"), "tokens"), (("--tokens", "5 GB"), "bytes"), (("--device", "H10O"), "did you mean"), (("--model", "lama-2-7b"), "did you mean"),
        (("--set", "tensor=7"), "no layout"), (("--set", "mfuu=0.4"), "did you mean mfu"), (("--deadline", "1 s"), "takes longer than"),
        (("--devices", "0"), "devices"), (("--set", "zero"), "FIELD=VALUE"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_input_is_said_with_a_remedy(pickaxe: Pickaxe, arguments: tuple[str, ...], words: str) -> None:
    said = pickaxe(*BASE, *arguments)
    assert said.code in (2, 3)
    assert words in said.err
    assert "Traceback" not in said.err
