"""Time of one training step under a layout: roofline compute, what each kind of parallelism sends, and what cannot hide.

Collectives run as rings: an all-reduce over n devices moves 2 (n - 1) / n of the data through each device's port, a gather or a
scatter half of that (Patarasuk & Yuan 2009), plus a latency a hop. Devices are numbered tensor first, then context, data, pipeline
(Narayanan et al. 2021), so a group lies within the fast domain when its stride times its size does.
"""

from __future__ import annotations

from dataclasses import dataclass

from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.quantities.checks import amount, share
from pickaxe.compute.planner.quantities.units import Bandwidth, Number, Seconds
from pickaxe.compute.planner.training.layout import Layout
from pickaxe.compute.planner.training.memory import weights_held
from pickaxe.compute.planner.training.work import Training, work


@dataclass(frozen=True, slots=True)
class Network:
    """What a step reaches of the rated figures, and what a hop costs. Chosen by hand; the tests hold them against measured steps.

    `kernels` is the share of the peak that large matrix products reach with everything in place; `wire` the share of a port's
    bandwidth that a collective reaches; `hidden` the share of the backward pass that gradients can be sent behind, `hidden_experts`
    that of a micro-batch's compute behind which tokens travel to their experts (0 without a schedule made for it, such as DualPipe).
    `between` overrides the reference system's network, one direction a device.
    """

    kernels: float = 0.64
    wire: float = 0.75
    hidden: float = 0.8
    hidden_experts: float = 0.0
    hop_inside: Seconds = Seconds(3e-6)  # noqa: RUF009  a Quantity is immutable
    hop_outside: Seconds = Seconds(12e-6)  # noqa: RUF009
    between: Bandwidth | None = None

    def __post_init__(self) -> None:
        """Raises `BadInput` naming the field."""
        for name in ("kernels", "wire", "hidden"):
            share(name, getattr(self, name), open_low=True)
        share("hidden_experts", self.hidden_experts)
        for name in ("hop_inside", "hop_outside"):
            amount(name, getattr(self, name), Seconds, low="0 s", high="1 s")


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds of one optimiser step by what is waited for; each part is time in which nothing else of the step proceeds."""

    compute: Seconds
    tensor: Seconds
    context: Seconds
    expert: Seconds
    pipeline: Seconds
    bubble: Seconds
    data: Seconds
    update: Seconds

    @property
    def total(self) -> Seconds:
        parts = (self.compute, self.tensor, self.context, self.expert, self.pipeline, self.bubble, self.data, self.update)
        return Seconds(sum(map(float, parts)))

    def as_dict(self) -> dict[str, float]:
        names = ("compute", "tensor", "context", "expert", "pipeline", "bubble", "data", "update", "total")
        return {name: float(getattr(self, name)) for name in names}


def step(job: Training, layout: Layout, device: Accelerator, *, dtype: str = "bf16", network: Network | None = None) -> Step:
    """Time of one step of `layout.batch` sequences. Raises `BadInput` where the layout contradicts the job."""
    layout.check(job.model, job.sequence)
    net = network or Network()
    shape, many = job.model, layout.micro_batches
    tokens = layout.micro_batch * job.sequence / layout.context
    spread = layout.tensor * layout.pipeline * layout.context
    done = work(job)
    flop = float(done.hardware) / float(job.tokens) * layout.micro_batch * job.sequence / spread
    # A small micro-batch only waits for the weights: read in the forward pass, and twice in the backward pass.
    passed = float(shape.layer_weights_active) + (shape.layer_weights - shape.layer_weights_active) / layout.expert
    reading = 3 * 2.0 * passed / (layout.tensor * layout.pipeline) / float(device.bandwidth)
    compute = max(flop / (float(device.flops(dtype)) * net.kernels), reading)

    line = _Line(device, net)
    stage = shape.layers / layout.pipeline
    message = 2.0 * tokens * shape.hidden
    passes = 6 if job.recompute == "full" else 4
    tensor = stage * passes * line.ring(message, layout.tensor, 1, rounds=2)
    rotated = 2 * 2.0 * tokens * shape.kv_heads * shape.width_of_head
    ring = stage * 3 * line.ring(rotated * layout.context, layout.context, layout.tensor)
    attention = float(done.attention) / float(job.tokens) * layout.micro_batch * job.sequence / spread
    context = max(0.0, ring - attention / (float(device.flops(dtype)) * net.kernels))
    routed = message * max(1, shape.experts_active)
    moe = shape.moe_layers / layout.pipeline
    expert = max(0.0, moe * 4 * line.ring(routed, layout.expert, layout.tensor * layout.context) - net.hidden_experts * compute)
    between = 2 * layout.interleave * line.send(message / layout.tensor, layout) if layout.pipeline > 1 else 0.0

    micro = compute + tensor + context + expert + between
    busy = many * micro
    return Step(
        compute=Seconds(many * compute),
        tensor=Seconds(many * tensor),
        context=Seconds(many * context),
        expert=Seconds(many * expert),
        pipeline=Seconds(many * between),
        bubble=Seconds(busy * layout.bubble / (1 - layout.bubble)),
        data=Seconds(_exposed(job, layout, line, net, compute, many)),
        update=Seconds(_update(job, layout, device)),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """Times of collectives between devices of one kind."""

    device: Accelerator
    net: Network

    def _port(self, size: int, stride: int) -> tuple[float, float]:
        inside = size * stride <= self.device.domain
        outside = self.net.between or self.device.network
        rate = self.device.link_one_way if inside else min(outside, self.device.link_one_way)
        return float(rate) * self.net.wire, float(self.net.hop_inside if inside else self.net.hop_outside)

    def ring(self, data: float, size: int, stride: int, *, rounds: int = 1) -> float:
        """Seconds of a gather or scatter of `data` bytes over `size` devices; an all-reduce takes two rounds."""
        if size == 1:
            return 0.0
        rate, hop = self._port(size, stride)
        return rounds * ((size - 1) / size * data / rate + (size - 1) * hop)

    def send(self, data: float, layout: Layout) -> float:
        """Seconds of a message to the next pipeline stage."""
        rate, hop = self._port(2, layout.tensor * layout.context * layout.data)
        return data / rate + hop


def _exposed(job: Training, layout: Layout, line: _Line, net: Network, compute: float, many: int) -> float:
    """What gradients and gathered weights take beyond what the backward pass hides."""
    dense, experts = weights_held(job.model, layout)
    learning = min(1.0, float(job.trained / job.model.parameters))
    stride = layout.tensor
    reduced = line.ring(2.0 * dense * learning, layout.shards, stride, rounds=2)
    reduced += line.ring(2.0 * experts * learning, max(1, layout.shards // layout.expert), stride * layout.expert, rounds=2)
    if layout.zero < 3:
        return max(0.0, reduced - net.hidden * compute * 2 / 3)
    gathered = line.ring(2.0 * (dense + experts / layout.expert), layout.shards, stride)
    # Weights are gathered for every micro-batch, forward and backward; gradients are scattered once.
    return max(0.0, many * 2 * gathered + reduced / 2 - net.hidden * many * compute)


def _update(job: Training, layout: Layout, device: Accelerator) -> float:
    """The optimiser reads and writes its states once: 2 x 16 bytes a trained weight held here."""
    held = float(job.trained) / (layout.tensor * layout.pipeline) / (layout.shards if layout.zero else 1)
    return 2 * 16.0 * held / layout.expert / float(device.bandwidth)


def utilisation(job: Training, layout: Layout, device: Accelerator, taken: Step, *, dtype: str = "bf16") -> float:
    """MFU that a step time means."""
    useful = float(work(job).model) / float(job.tokens) * layout.batch * job.sequence
    return float(Number(useful / (float(device.flops(dtype)) * layout.devices * float(taken.total))))
