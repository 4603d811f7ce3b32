"""`pickaxe plan train`: will it fit, how long, how much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pickaxe.cli.plan_business import SCENARIOS, print_forecast, shared_options


@click.command("train", short_help="A training: cost, time, memory, energy, the cheapest layout.")
@SCENARIOS
@click.option("--model", help="Preset, or a config.json, GGUF or safetensors file.")
@click.option("--device", help="Accelerator of the catalogue, or local-cpu after a probe.")
@click.option("--tokens", help="Tokens to train on, such as 2T.")
@click.option(
    "--devices", multiple=True, type=int, help="How many devices; give several to choose among them.  [default: 1 to 1024]"
)
@click.option("--deadline", help="Layouts that take longer fall out, such as '30 days'.")
@shared_options
def train(
    workspace_: str | None,
    scenarios: tuple[Path, ...],
    model: str | None,
    device: str | None,
    tokens: str | None,
    devices: tuple[int, ...],
    deadline: str | None,
    **options: Any,
) -> None:
    """Cost, time, memory and energy of a training, on the cheapest layout that fits; the next ones, and why others fall out.

    \b
    pickaxe plan train --model llama-3.1-8b --device H100 --tokens 1T --devices 64 --set sequence=8192
    pickaxe plan train --model qwen2.5-7b --device L4 --tokens 10M --set method=lora --set base=nf4
    pickaxe plan train a.toml b.toml        side by side

    \b
    Fields beside these: sequence, batch, mfu, goodput, price, pue, power_share, dtype, recompute, tensor, pipeline, context, expert, zero,
    method (full, lora, frozen), rank, trained_layers, precision, optimiser, base, attention, offload, objective (causal, masked), network, power_cap.
    """
    given = {"model": model, "device": device, "tokens": tokens, "deadline": deadline}
    print_forecast("train", workspace_, scenarios, given | {"devices": list(devices) or None}, **options)
