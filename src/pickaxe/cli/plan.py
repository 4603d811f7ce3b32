"""`pickaxe plan`: forecasts before anybody spends. The planner is `compute/planner`; these commands read options and print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pickaxe.cli.plan_business import app, claim, pool, serve
from pickaxe.cli.plan_train import train

if TYPE_CHECKING:
    from pickaxe.compute.planner.catalogue.hardware import Accelerator
    from pickaxe.compute.planner.catalogue.measuring import Reading
    from pickaxe.compute.planner.catalogue.probe import Machine

CATALOGUE = "hardware.toml"


@click.group()
def plan() -> None:
    """What will it cost, will it fit, who makes money: forecasts with bands, before anybody spends.

    A scenario is a TOML file of fields, or --set FIELD=VALUE; several files stand side by side. Values carry their units ("2T tokens",
    "$2.40/GPU-h", "80 GB") and may be ranges.
    """


for _command in (train, serve, pool, app, claim):
    plan.add_command(_command)


def own_catalogue(workspace: str | None) -> Path:
    """Where `plan probe` writes and the forecasts look: `hardware.toml` in the workspace's folder."""
    from pickaxe.kernel.settings import Settings

    return (Path(workspace) if workspace else Settings.from_environment().workspace) / CATALOGUE


@plan.command("probe", short_help="Measure this machine, so that forecasts know it.")
@click.option("--seconds", type=float, default=0.5, show_default=True, help="Time spent on each figure.")
@click.option(
    "--disk", type=click.Path(file_okay=False, path_type=Path), help="Folder whose disk is measured.  [default: temporary files]"
)
@click.option("--torch/--no-torch", default=True, help="Measure 16-bit types and accelerators with PyTorch, if it is installed.")
@click.option("--keep/--no-keep", default=True, help="Add what was measured to the workspace's catalogue.")
@click.option("--json", "as_json", is_flag=True, help="Print plain JSON, in base units.")
@click.pass_obj
def probe(workspace: str | None, seconds: float, disk: Path | None, torch: bool, keep: bool, as_json: bool) -> None:
    """Measure this machine: matrix products by type, memory, disk, loopback; forecasts then know it as local-cpu, local-gpu-0."""
    from pickaxe.compute.planner.catalogue.probe import probe as measure

    machine = measure(disk, seconds=seconds, torch=torch, told=_tell if sys.stderr.isatty() else None)
    target = own_catalogue(workspace)
    if keep:
        _keep(machine, target)
    if as_json:
        click.echo(json.dumps(_plain(machine), indent=2, allow_nan=False))
        return
    _print(machine)
    if keep:
        click.echo(f"added to {target}: use --device {machine.devices[0].key}")


def _tell(reading: Reading) -> None:
    """On a terminal, while it lasts."""
    click.echo(f"{reading.name}: {reading.value}", err=True)


def _keep(machine: Machine, target: Path) -> None:
    """Write the measured devices over their older entries, beside what else the file has."""
    from pickaxe.compute.planner.catalogue.hardware import load_own
    from pickaxe.compute.planner.catalogue.probe import as_toml

    kept = {**load_own(target), **{device.key: device for device in machine.devices}}
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".new")
    fresh.write_text("\n".join(as_toml(device) for device in kept.values()), encoding="utf-8")
    fresh.replace(target)


def _plain(machine: Machine) -> dict[str, Any]:
    return {
        "readings": [
            {"name": item.name, "value": float(item.value), "text": str(item.value), "method": item.method}
            for item in machine.readings
        ],
        "devices": [_device(device) for device in machine.devices],
        "missing": list(machine.missing),
        "doubts": list(machine.doubts),
        "seconds": float(machine.taken),
    }


def _device(device: Accelerator) -> dict[str, Any]:
    return {
        "key": device.key,
        "name": device.name,
        "memory": float(device.memory),
        "bandwidth": float(device.bandwidth),
        "peak": {dtype: float(rate) for dtype, rate in device.peak.items()},
    }


def _print(machine: Machine) -> None:
    from pickaxe.cli.screen import print_table

    print_table(["measured", "best", "how"], [[item.name, str(item.value), item.method] for item in machine.readings], right={1})
    for device in machine.devices[1:]:
        rows = [
            ["memory", str(device.memory)],
            ["bandwidth", str(device.bandwidth)],
            *([f"matmul {k}", str(v)] for k, v in device.peak.items()),
        ]
        print_table([device.name, "best"], rows, right={1})
    for text in machine.missing:
        click.echo(f"not measured: {text}")
    for text in machine.doubts:
        click.echo(f"too low, perhaps: {text}")
