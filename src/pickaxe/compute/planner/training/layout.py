"""One way to spread a training over devices: the degrees of each kind of parallelism, and when they contradict each other."""

from __future__ import annotations

from dataclasses import dataclass

from pickaxe.compute.planner.catalogue.models import Architecture
from pickaxe.compute.planner.quantities.checks import count
from pickaxe.compute.planner.words import Note, note
from pickaxe.kernel.errors import BadInput


@dataclass(frozen=True, slots=True)
class Layout:
    """Degrees; devices = data x tensor x pipeline x context. `expert` divides `data`: experts are spread over data replicas.

    `zero` 0 to 3 shards nothing, optimiser states, gradients too, weights too over data x context (Rajbhandari et al. 2020; FSDP's
    full sharding is 3). A replica takes `micro_batches` of `micro_batch` sequences a step, one after the other. `interleave` is
    the number of model chunks a pipeline stage holds (Narayanan et al. 2021); `sequence_parallel` shards what tensor parallelism
    alone leaves whole (Korthikanti et al. 2022).
    """

    data: int = 1
    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    expert: int = 1
    zero: int = 0
    micro_batch: int = 1
    micro_batches: int = 1
    interleave: int = 1
    sequence_parallel: bool = False

    def __post_init__(self) -> None:
        """Raises `BadInput` for degrees that are no whole numbers of at least one, or a ZeRO stage that does not exist."""
        for name in ("data", "tensor", "pipeline", "context", "expert", "micro_batch", "micro_batches", "interleave"):
            count(name, getattr(self, name), high=10_000_000)
        count("zero", self.zero, low=0, high=3)

    @property
    def devices(self) -> int:
        return self.data * self.tensor * self.pipeline * self.context

    @property
    def shards(self) -> int:
        """Over how many devices ZeRO spreads what it shards."""
        return self.data * self.context

    @property
    def batch(self) -> int:
        """Sequences a step, all replicas together."""
        return self.data * self.micro_batch * self.micro_batches

    @property
    def in_flight(self) -> float:
        """Micro-batches' worth of activations that the first stage holds at once (one forward, one backward schedule)."""
        kept = min(self.pipeline, self.micro_batches)
        if self.interleave > 1:
            return kept * (1 + (self.pipeline - 1) / (self.pipeline * self.interleave))
        return float(kept)

    @property
    def bubble(self) -> float:
        """Share of the step in which a pipeline stage waits: (p - 1) / (interleave x micro-batches + p - 1)."""
        return (self.pipeline - 1) / (self.interleave * self.micro_batches + self.pipeline - 1)

    def contradiction(self, shape: Architecture, sequence: int) -> Note | None:
        """What contradicts the model, the sequence or each other; None when the degrees fit."""
        for what, degree, whole in (
            ("tensor", self.tensor, shape.heads),
            ("context", self.context, sequence),
            ("expert", self.expert, self.data),
        ):
            if whole % degree:
                return note(f"odd_{what}", degree=degree, whole=whole)
        if self.pipeline * self.interleave > shape.layers:
            return note("odd_layers", degree=self.pipeline * self.interleave, whole=shape.layers)
        if self.interleave > 1 and (self.pipeline == 1 or self.micro_batches % self.pipeline):
            return note("odd_interleave")
        if self.expert > 1 and (not shape.experts or shape.experts % self.expert):
            return note("odd_experts", degree=self.expert, whole=shape.experts)
        if self.sequence_parallel and self.tensor == 1:
            return note("odd_sequence_parallel")
        if self.zero >= 2 and self.pipeline > 1:
            return note("odd_zero", degree=self.zero)
        return None

    def check(self, shape: Architecture, sequence: int) -> None:
        """Raise `BadInput` for a `contradiction`."""
        if found := self.contradiction(shape, sequence):
            raise BadInput(str(found), expected="degrees that fit the model, the sequence and each other", got=str(self))

    def __str__(self) -> str:
        parts = [
            f"{letter}{degree}"
            for letter, degree in (
                ("DP", self.data), ("TP", self.tensor), ("PP", self.pipeline), ("CP", self.context), ("EP", self.expert),
            )
            if degree > 1 or letter == "DP"
        ]  # fmt: skip
        if self.zero:
            parts.append(f"ZeRO-{self.zero}")
        if self.sequence_parallel:
            parts.append("SP")
        return " ".join(parts) + f", {self.micro_batches} x {self.micro_batch}"
