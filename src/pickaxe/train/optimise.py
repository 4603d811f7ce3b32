"""What is trained at which rate: AdamW with a learning rate per layer, warm-up and linear decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pickaxe.train.config import TeacherConfig
from pickaxe.train.network import Network

if TYPE_CHECKING:
    import torch
    from torch import nn


def optimiser(network: Network, config: TeacherConfig, learning_rate: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) over what is trained; layer-wise rates as in ULMFiT (Howard and Ruder 2018).

    Each group keeps its peak rate as ``peak``; `set_rates` scales it. Parameters that are not trained lose their gradient.
    """
    import torch

    layers = layer_stack(network.encoder)
    lowest = 0 if config.train_layers is None else max(0, len(layers) - config.train_layers)
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.encoder.named_parameters():
        place = _place(name, parameter, layers)
        trained = place >= lowest if place >= 0 else not config.freeze_embeddings and lowest == 0
        parameter.requires_grad_(trained)
        if trained:
            groups.setdefault(learning_rate * config.layer_decay ** (len(layers) - 1 - place), []).append(parameter)
    described = [{"params": own, "lr": rate, "peak": rate} for rate, own in sorted(groups.items())]
    head = {"params": list(network.head.parameters()), "lr": config.head_learning_rate, "peak": config.head_learning_rate}
    return torch.optim.AdamW([*described, head], weight_decay=config.weight_decay)


def set_rates(optimiser: torch.optim.Optimizer, step: int, steps: int, warmup: float) -> None:
    """Learning rates of step `step` of `steps`: up over the first `warmup` share of them, then linearly down to 0."""
    rising = max(1.0, warmup * steps)
    factor = min((step + 1) / rising, (steps - step) / max(1.0, steps - rising), 1.0)
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor


def layer_stack(encoder: nn.Module) -> list[nn.Module]:
    """The encoder's layers from the bottom up: its longest list of modules."""
    from torch import nn

    stacks = [list(module) for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    return max(stacks, key=len, default=[])


def _place(name: str, parameter: nn.Parameter, layers: list[nn.Module]) -> int:
    """Index of the layer that holds the parameter; -1 for embeddings; what follows the layers counts as the top one."""
    for index, layer in enumerate(layers):
        if any(own is parameter for own in layer.parameters()):
            return index
    return -1 if "embed" in name else len(layers) - 1
