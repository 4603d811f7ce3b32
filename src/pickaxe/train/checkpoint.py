"""A training's state in one file that is either there whole or not at all; safetensors and JSON, no pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.train.network import Network

if TYPE_CHECKING:
    import torch

_FILE = "training.safetensors"


@dataclass
class Position:
    """Where a training is. Random numbers are drawn from (seed, step), so the step is all that must be remembered of them.

    Attributes:
        epoch, batch: the next batch to learn from.
        best: epoch whose weights are kept, its validation accuracy in `best_accuracy`; `below` epochs since were worse.
        history: per epoch its number, training loss and validation loss and accuracy.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    kept: int | None = None
    best_accuracy: float = -1.0
    below: int = 0
    history: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def save(folder: Path, network: Network, optimiser: torch.optim.Optimizer, position: Position) -> None:
    tensors = {f"weight.{name}": tensor.detach() for name, tensor in trained(network).items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in state.items()}
    _write(folder / _FILE, tensors, position)
    for kept in folder.glob("kept-*.safetensors"):
        if kept != kept_file(folder, position.kept):
            kept.unlink()


def load(folder: Path, network: Network, optimiser: torch.optim.Optimizer) -> Position:
    """Put network and optimiser where the last checkpoint left them; the start when there is none."""
    import torch
    from safetensors import safe_open

    path = folder / _FILE
    if not path.exists():
        return Position()
    with safe_open(path, framework="pt") as stored, torch.no_grad():
        position = Position(**json.loads(stored.metadata()["position"]))
        for name, parameter in trained(network).items():
            parameter.copy_(stored.get_tensor(f"weight.{name}"))
        states: dict[int, dict[str, torch.Tensor]] = {}
        for key in stored.keys():  # noqa: SIM118 - not a dictionary
            kind, _, rest = key.partition(".")
            if kind == "optimiser":
                index, _, name = rest.partition(".")
                states.setdefault(int(index), {})[name] = stored.get_tensor(key)
    optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
    return position


def keep(folder: Path, network: Network, epoch: int) -> None:
    """Set the present weights aside as the best so far."""
    path = kept_file(folder, epoch)
    assert path is not None
    _write(path, {name: tensor.detach() for name, tensor in trained(network).items()}, None)


def restore(folder: Path, network: Network, epoch: int) -> None:
    """Put back the weights set aside after `epoch`."""
    import torch
    from safetensors.torch import load_file

    path = kept_file(folder, epoch)
    assert path is not None
    stored = load_file(path)
    with torch.no_grad():
        for name, parameter in trained(network).items():
            parameter.copy_(stored[name])


def kept_file(folder: Path, epoch: int | None) -> Path | None:
    return None if epoch is None else folder / f"kept-{epoch}.safetensors"


def trained(network: Network) -> dict[str, torch.Tensor]:
    return {
        f"{part}.{name}": parameter
        for part, module in network.modules().items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def _write(path: Path, tensors: dict[str, torch.Tensor], position: Position | None) -> None:
    from safetensors.torch import save_file

    half = path.with_suffix(".half")
    metadata = {"position": json.dumps(asdict(position))} if position else None
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, half, metadata=metadata)
    half.replace(path)
