"""The work of training: FLOP by parts, and the time, money and energy that follow.

"6 N D" is right for a dense model whose every weight is trained, on short sequences, embeddings aside. This module counts what it
leaves out: attention by sequence length, the embedding that is looked up, experts that a token does not pass, weights that are
frozen or have adapters, activations computed again, a masked language model's head, and what reinforcement learning generates.

Conventions (Chowdhery et al. 2022, appendix B): a multiply-add is two FLOP; the backward pass costs twice the forward pass;
*model* FLOP leave recomputation out, *hardware* FLOP count it; MFU = model FLOP / (time x peak). Attention is counted in full
unless `causal_half` says that the masked half is not computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.catalogue.models import Architecture
from pickaxe.compute.planner.quantities.checks import amount, count, one_of, share
from pickaxe.compute.planner.quantities.units import (
    DevicePrice,
    Devices,
    DeviceTime,
    Flop,
    Joules,
    Money,
    Number,
    Parameters,
    Seconds,
    Tokens,
    Watts,
)
from pickaxe.kernel.errors import BadInput

METHODS = ("full", "lora", "frozen")
RECOMPUTE = ("none", "selective", "full")
OBJECTIVES = ("causal", "masked")


@dataclass(frozen=True, slots=True)
class Training:
    """What is trained, on how much.

    `method`: "full", "lora" (adapters of `rank` beside every matrix of the layers) or "frozen" (only the last `trained_layers` and
    the head learn). `recompute`: activations kept, only attention's computed again ("selective"), or whole layers ("full").
    `objective` "masked" computes the head for `masked` of the tokens and attends both ways.

    Raises `BadInput` naming the field.
    """

    model: Architecture
    tokens: Tokens
    sequence: int = 2048
    method: str = "full"
    rank: int = 16
    trained_layers: int = 0
    recompute: str = "none"
    objective: str = "causal"
    masked: float = 0.15
    causal_half: bool = False

    def __post_init__(self) -> None:
        amount("tokens", self.tokens, Tokens)
        count("sequence", self.sequence, high=100_000_000)
        one_of("method", self.method, METHODS)
        one_of("recompute", self.recompute, RECOMPUTE)
        one_of("objective", self.objective, OBJECTIVES)
        count("rank", self.rank, high=self.model.hidden)
        count("trained_layers", self.trained_layers, low=0, high=self.model.layers)
        share("masked", self.masked, open_low=True)
        if self.method == "frozen" and self.trained_layers == 0:
            raise BadInput("trained_layers is needed with method 'frozen'", expected=f"1 to {self.model.layers}")

    @property
    def adapters(self) -> Parameters:
        """Weights of the adapters: rank x (in + out) for each matrix of each layer, zero without LoRA (Hu et al. 2021)."""
        if self.method != "lora":
            return Parameters(0)
        shape = self.model
        query, value = shape.heads * shape.width_of_head, shape.kv_heads * shape.width_of_head
        attention = 2 * (shape.hidden + query) + 2 * (shape.hidden + value)
        inner = shape.ffn if not shape.experts else shape.expert_ffn or shape.ffn
        block = (3 if shape.gated else 2) * (shape.hidden + inner) * max(1, shape.experts + shape.shared_experts)
        return Parameters(self.rank * shape.layers * (attention + block))

    @property
    def trained(self) -> Parameters:
        """Weights that learn, which have gradients and optimiser states."""
        if self.method == "lora":
            return self.adapters
        if self.method == "frozen":
            layers = self.model.layer_weights * self.trained_layers / self.model.layers
            return Parameters(layers + self.model.head_weights)
        return self.model.parameters


@dataclass(frozen=True, slots=True)
class Work:
    """FLOP of the whole run by part. `recomputed` is hardware work that MFU does not count."""

    layers: Flop
    attention: Flop
    head: Flop
    recomputed: Flop

    @property
    def model(self) -> Flop:
        return self.layers + self.attention + self.head

    @property
    def hardware(self) -> Flop:
        return self.model + self.recomputed


def work(job: Training) -> Work:
    """FLOP of training by part."""
    shape, tokens = job.model, float(job.tokens)
    layers = 2.0 * (float(shape.matmul_active) - (0 if shape.kind == "encoder" else shape.head_weights))
    attention = attention_forward(shape, job.sequence, causal_half=job.causal_half)
    head = 2.0 * shape.head_weights * (job.masked if job.objective == "masked" else 1.0)
    trained_share = job.trained_layers / shape.layers if job.method == "frozen" else 1.0
    # Forward 1, gradient of the inputs 1, gradient of the weights 1. Attention's scores have no weights: forward 1, backward 2.
    passes = {"full": 3.0, "lora": 2.0, "frozen": 1.0 + 2.0 * trained_share}[job.method]
    scores = {"full": 3.0, "lora": 3.0, "frozen": 1.0 + 2.0 * trained_share}[job.method]
    again = {"none": 0.0, "selective": attention, "full": layers + attention}[job.recompute] * trained_share
    adapters = 6.0 * float(job.adapters) * (shape.experts_active / shape.experts if shape.experts else 1.0)
    return Work(
        layers=Flop(tokens * (passes * layers + adapters)),
        attention=Flop(tokens * scores * attention),
        head=Flop(tokens * (2.0 if job.method == "lora" else 3.0) * head),
        recomputed=Flop(tokens * again),
    )


def attention_forward(shape: Architecture, sequence: int, *, causal_half: bool = False) -> float:
    """FLOP of scores and weighted values for one token of a sequence, all layers, forward: 2 x heads x (key + value width) x length.

    A layer with a window computes no more than that, whatever the convention.
    """
    length = shape.seen((sequence + 1) / 2 if causal_half else float(sequence))
    return 2.0 * shape.layers * shape.heads * (shape.width_of_score + shape.width_of_value) * length


def six_n_d(model: Architecture, tokens: Tokens) -> Flop:
    """The rule of thumb, for comparison: 6 x active parameters x tokens."""
    return Flop(6.0 * float(model.active) * float(tokens))


@dataclass(frozen=True, slots=True)
class Rollouts:
    """What reinforcement learning adds to each trained token: answers generated, and passes of models that only judge.

    `generated` is the share of the trained tokens that the policy wrote itself; `waste` how many are generated for one that is
    trained on (dropped or filtered answers); `judges` the parameters of reference, reward and value models, each read forward
    over all tokens. Generation runs at `generation_mfu` of the peak, which is far below training's (it is bound by bandwidth).
    """

    generated: float = 0.8
    waste: float = 1.0
    judges: Parameters = field(default_factory=Parameters)
    generation_mfu: float = 0.05

    def __post_init__(self) -> None:
        share("generated", self.generated)
        amount("waste", self.waste, Number, low=1, high=1000)
        share("generation_mfu", self.generation_mfu, open_low=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run takes. `device_time` is what is paid for; `generating` is the part of it that only generates answers."""

    work: Work
    device_time: DeviceTime
    generating: DeviceTime
    time: Seconds
    money: Money | None
    energy: Joules | None


def cost(
    job: Training,
    accelerator: Accelerator,
    devices: Devices,
    *,
    mfu: float,
    dtype: str = "bf16",
    goodput: float = 1.0,
    price: DevicePrice | None = None,
    pue: float = 1.0,
    load: float = 1.0,
    rollouts: Rollouts | None = None,
) -> Cost:
    """Time = FLOP / (devices x peak x MFU x goodput).

    `goodput` is the share of held time that advances the training; `pue` the data centre's power over the devices'; `load` the
    mean share of the board's power limit that is drawn. Money needs a price, energy a device with a known power.
    Raises `BadInput` for shares outside (0, 1], a `pue` below 1 and devices below one.
    """
    share("mfu", mfu, open_low=True)
    share("goodput", goodput, open_low=True)
    share("load", load, open_low=True)
    amount("pue", pue, Number, low=1, high=5)
    amount("devices", devices, Devices)
    done = work(job)
    peak = accelerator.flops(dtype)
    one = Devices(1)
    training = DeviceTime(done.model / (peak * mfu * goodput) * one)
    generating, judging = Flop(0), Flop(0)
    if rollouts is not None:
        forward = 2.0 * float(job.model.matmul_active) + attention_forward(job.model, job.sequence, causal_half=True)
        generating = Flop(float(job.tokens) * rollouts.generated * rollouts.waste * forward)
        judging = Flop(float(job.tokens) * 2.0 * float(rollouts.judges))
    writing = DeviceTime(generating / (peak * (rollouts.generation_mfu if rollouts else 1.0) * goodput) * one)
    held = training + DeviceTime(judging / (peak * mfu * goodput) * one) + writing
    return Cost(
        work=done,
        device_time=held,
        generating=writing,
        time=Seconds(held / devices),
        money=None if price is None else Money(price * held),
        energy=None if accelerator.power is None else Joules(_power(accelerator.power) * held * load * pue),
    )


def _power(limit: Watts) -> float:
    """Watts of one device, per device held."""
    return limit / Devices(1)
