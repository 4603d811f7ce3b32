"""What a training keeps on each device: weights, gradients, optimiser states, activations, and the room that no tensor uses.

States after Rajbhandari et al. 2020 (arXiv:1910.02054), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from pickaxe.compute.planner.catalogue.models import Architecture
from pickaxe.compute.planner.quantities.checks import amount, named, one_of, share
from pickaxe.compute.planner.quantities.units import Bytes
from pickaxe.compute.planner.training.activations import activations
from pickaxe.compute.planner.training.layout import Layout
from pickaxe.compute.planner.training.work import Training


@dataclass(frozen=True, slots=True)
class Precision:
    """Bytes a parameter takes: the stored weight, the copy it is computed with, its gradient, its master copy, one optimiser state."""

    weight: float
    copy: float
    gradient: float
    master: float
    state: float


PRECISIONS: dict[str, Precision] = {
    "mixed": Precision(2, 0, 2, 4, 4),  # 16-bit weights and gradients, fp32 master: ZeRO's 16 bytes with Adam
    "mixed-fp32-grad": Precision(2, 0, 4, 4, 4),  # gradients summed in fp32: Megatron's 18 bytes
    "mixed-both-grads": Precision(2, 0, 6, 4, 4),  # 16-bit gradients beside their fp32 sum: DeepSpeed's BF16_Optimizer, 20 bytes
    "amp": Precision(4, 2, 4, 0, 4),  # fp32 weights, cast to 16 bits where they are used: 18 bytes
    "pure-bf16": Precision(2, 0, 2, 0, 2),  # everything in 16 bits: 8 bytes
    "fp32": Precision(4, 0, 4, 0, 4),
}
# Optimiser states a parameter: how many, and bytes of each where the optimiser itself decides that.
OPTIMISERS: dict[str, tuple[int, float | None]] = {
    "adamw": (2, None),
    "adamw-8bit": (2, 1.0),
    "lion": (1, None),
    "muon": (1, None),
    "momentum": (1, None),
    "sgd": (0, None),
    "adafactor": (0, None),  # one number a row and column: nothing beside the rest
}
# Bytes a frozen weight takes; 4-bit blocks of 64 with their constants quantised again cost 0.127 bits more (Dettmers et al. 2023).
FROZEN: dict[str, float] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "int8": 1.0,
    "nf4": (4 + 0.127) / 8,
    "int4": 4.25 / 8,
    "int2": 2.25 / 8,
}


@dataclass(frozen=True, slots=True)
class Keeping:
    """How a training keeps things. `base` is the type of frozen weights (LoRA, frozen layers); matrices only, the embedding and the
    output stay in 16 bits. `attention` "flash" never stores the scores. `offload` "optimiser" keeps states and master copies in host
    memory, "all" weights and gradients too. `fused` gated blocks compute the gate's activation again instead of keeping it. `margin` is what the allocator wastes, `context` what the runtime takes for itself.
    """

    precision: str = "mixed"
    optimiser: str = "adamw"
    base: str = "bf16"
    attention: str = "flash"
    dropout: bool = False
    offload: str = "none"
    fused: bool = True
    margin: float = 0.05
    context: Bytes = Bytes(1e9)  # noqa: RUF009  a Quantity is immutable

    def __post_init__(self) -> None:
        """Raises `BadInput` naming the field."""
        one_of("precision", self.precision, PRECISIONS)
        one_of("optimiser", self.optimiser, OPTIMISERS)
        one_of("base", self.base, FROZEN)
        one_of("attention", self.attention, ("standard", "flash"))
        one_of("offload", self.offload, ("none", "optimiser", "all"))
        share("margin", self.margin, high=0.5)
        amount("context", self.context, Bytes, low="0 B")


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak of the fullest device by part, and what lies in host memory for it. `margin` is already in `overhead`."""

    weights: Bytes
    gradients: Bytes
    optimiser: Bytes
    activations: Bytes
    working: Bytes
    overhead: Bytes
    host: Bytes

    @property
    def total(self) -> Bytes:
        kept = float(self.weights) + float(self.gradients) + float(self.optimiser)
        return Bytes(kept + float(self.activations) + float(self.working) + float(self.overhead))

    def as_dict(self) -> dict[str, float]:
        names = ("weights", "gradients", "optimiser", "activations", "working", "overhead", "total", "host")
        return {name: float(getattr(self, name)) for name in names}


def memory(job: Training, layout: Layout, keeping: Keeping | None = None) -> Memory:
    """Peak memory of the fullest device. Raises `BadInput` where the layout contradicts the job."""
    keep = keeping or Keeping()
    layout.check(job.model, job.sequence)
    weights, gradients, states, host = _held(job, layout, keep)
    kept, working = activations(job, layout, keep)
    if layout.zero == 3:
        working += _passing(job, layout)
    tensors = weights + gradients + states + kept + working
    overhead = _with_room(tensors, keep) - tensors
    return Memory(*map(Bytes, (weights, gradients, states, kept, working, overhead, host)))


def memory_at_least(job: Training, layout: Layout, keep: Keeping) -> float:
    """Bytes that the fullest device keeps whatever the micro-batches and recomputation: no less than `memory`."""
    weights, gradients, states, _ = _held(job, layout, keep)
    return _with_room(weights + gradients + states, keep)


def _held(job: Training, layout: Layout, keep: Keeping) -> tuple[float, float, float, float]:
    """Bytes of weights, gradients and optimiser states on one device, and of those that lie in host memory for it."""
    weights, gradients, states = _states(job, weights_held(job.model, layout), layout, keep)
    if keep.offload == "all":
        return _passing(job, layout), _passing(job, layout), 0.0, weights + gradients + states
    if keep.offload == "optimiser":
        return weights, gradients, 0.0, states
    return weights, gradients, states, 0.0


def _passing(job: Training, layout: Layout) -> float:
    """Where weights are elsewhere, the layer at work and the next one are here whole, in 16 bits."""
    return 2 * 2.0 * job.model.layer_weights / job.model.layers / layout.tensor / layout.expert


def _with_room(tensors: float, keep: Keeping) -> float:
    """What the allocator wastes and the runtime takes comes on top."""
    return float(keep.context) + tensors / (1 - keep.margin)


def weights_held(shape: Architecture, layout: Layout) -> tuple[float, float]:
    """Parameters of the fullest pipeline stage on one device before ZeRO: (shared by all replicas, experts)."""
    stage = ceil(shape.layers / layout.pipeline) / shape.layers
    experts = shape.moe_layers * shape.experts * shape.expert * stage / layout.tensor / layout.expert
    dense = (shape.layer_weights - shape.moe_layers * shape.experts * shape.expert) * stage / layout.tensor
    tables = shape.embeddings if layout.pipeline == 1 else max(shape.head_weights, shape.embeddings - shape.head_weights)
    rest = max(0.0, float(shape.parameters) - float(shape.counted)) * stage
    return dense + (tables + rest) / layout.tensor + shape.vectors * stage, experts


def zero_states(parameters: float, shards: int, zero: int, *, precision: str = "mixed", optimiser: str = "adamw") -> Bytes:
    """Weights, gradients and states of `parameters` on one of `shards` devices: figure 1 and table 1 of the ZeRO paper."""
    recipe, states = named("precision", precision, PRECISIONS), named("optimiser", optimiser, OPTIMISERS)
    weight, gradient, state = _bytes(recipe, states)
    over = [1.0 if zero < level else 1.0 / shards for level in (3, 2, 1)]
    return Bytes(parameters * (weight * over[0] + gradient * over[1] + state * over[2]))


def _bytes(recipe: Precision, optimiser: tuple[int, float | None]) -> tuple[float, float, float]:
    """Bytes a trained parameter: weight with its copy, gradient, optimiser states with the master copy."""
    states, width = optimiser
    return recipe.weight + recipe.copy, recipe.gradient, recipe.master + states * (recipe.state if width is None else width)


def _states(job: Training, held: tuple[float, float], layout: Layout, keep: Keeping) -> tuple[float, float, float]:
    """Bytes of weights, gradients and optimiser states on one device. Experts are sharded over the replicas that hold the same ones."""
    weight, gradient, state = _bytes(PRECISIONS[keep.precision], OPTIMISERS[keep.optimiser])
    dense, experts = held
    shards = layout.shards, max(1, layout.shards // layout.expert)
    sums = [0.0, 0.0, 0.0]
    learning = min(1.0, float(job.trained) / float(job.model.parameters)) if job.method != "lora" else 0.0
    for parameters, over in ((dense, shards[0]), (experts, shards[1])):
        trained = parameters * learning
        for index, (size, level) in enumerate(((weight, 3), (gradient, 2), (state, 1))):
            sums[index] += trained * size / (over if layout.zero >= level else 1)
        frozen = parameters - trained
        if frozen > 0:
            sums[0] += frozen * _frozen_bytes(job.model, keep.base) / (over if layout.zero >= 3 else 1)
    if job.method == "lora":
        # Adapters learn in fp32, whatever the base is kept in: 4 + 4 bytes and the optimiser's states.
        count_, width = OPTIMISERS[keep.optimiser]
        adapters = float(job.adapters) / layout.tensor / layout.pipeline
        for index, (size, level) in enumerate(((4.0, 3), (4.0, 2), (count_ * (4.0 if width is None else width), 1))):
            sums[index] += adapters * size / (layout.shards if layout.zero >= level else 1)
    return sums[0], sums[1], sums[2]


def _frozen_bytes(shape: Architecture, base: str) -> float:
    """Mean bytes of a frozen parameter: matrices of the layers in `base`, tables and vectors in 16 bits where `base` is smaller."""
    matrices = shape.layer_weights / float(shape.counted)
    return FROZEN[base] * matrices + max(FROZEN[base], 2.0) * (1 - matrices)
