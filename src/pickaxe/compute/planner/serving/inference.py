"""Serving a language model: the roofline of prefill and decode, what fits, and how fast one replica goes.

Prefill is bound by arithmetic: 2 FLOP for each weight and token, and attention. Decode is bound by memory: each step reads the weights once for the
whole batch and every sequence's keys and values. Matrices and attention run one after the other, so each takes the longer of its two times (Williams
et al. 2009; for transformers Pope et al. 2022, arXiv:2211.05102). With continuous batching (Yu et al. 2022, Orca) a replica that holds B sequences
gives, in the time in which each of them gets its O tokens, B prefills and O steps. The cache is paged (Kwon et al. 2023, arXiv:2309.06180), so it
holds what is used. `published_serving` holds all this against measurements.

Inside this file numbers are floats in base units (second, byte, FLOP, token), for speed; names say which.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from pickaxe.compute.planner.catalogue.hardware import Accelerator
from pickaxe.compute.planner.catalogue.models import Architecture

WEIGHT_BYTES = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0 + 2 / 128,  # a 16-bit scale for 128 weights
    "q8_0": 34 / 32,  # GGUF: 32 weights and a 16-bit scale
    "int4": 0.5 + 2.5 / 128,  # a 16-bit scale and a 4-bit zero for 128 weights (GPTQ, AWQ)
    "q4_0": 18 / 32,
    "q4_1": 20 / 32,
    "fp4": 0.5 + 1 / 16,  # NVFP4: an 8-bit scale for 16 weights
}
"""Bytes of one stored weight, scales included."""

KV_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0}
SPREADS = ("tensor", "experts")
"""How a model lies on a replica's devices: every matrix split over all of them; or the experts spread, all else on each, calls divided."""

_NATIVE = {"fp8": "fp8", "fp4": "fp4", "fp32": "fp32"}
FOUR_BIT_REACH = 0.55
"""Arithmetic in 4 bits, of what is reached of its peak in 8 and 16: as published throughputs on B200 imply (`published_serving.derived_reach`)."""
_REDUCES_PER_LAYER = 2
_LINK_LATENCY, _NETWORK_LATENCY = 20e-6, 40e-6
"""Seconds of a small all-reduce within a fast domain and beyond it; measured values lie between half and twice these. Within: Llama 2 7B
loses 18 to 29 us an all-reduce against an even split over 2 to 8 A100 at batch 1 (pytorch-labs/gpt-fast, README at 0f925b5)."""
_MAX_BATCH = 4096
_PASS_TOKENS = 8192
"""Prompt tokens that pass together at most: TensorRT-LLM's 'Max Runtime Tokens' (perf-overview.md at 258c754)."""


@dataclass(frozen=True)
class Replica:
    """A model on `devices` accelerators, spread over them in one of two ways (`SPREADS`)."""

    model: Architecture
    device: Accelerator
    devices: int
    weights: str = "bf16"
    kv: str = "bf16"
    spread: str = "tensor"

    @property
    def by_experts(self) -> bool:
        return self.spread == "experts"

    @cached_property
    def weight_bytes(self) -> float:
        """All weights as stored. GGUF quantises the embeddings too, the other formats leave them, norms and biases in 16 bits."""
        per_weight = WEIGHT_BYTES[self.weights]
        kept = self.model.embeddings + self.model.vectors
        matrices = float(self.model.parameters) - kept
        return matrices * per_weight + kept * (per_weight if self.weights.startswith("q") else max(per_weight, 2.0))

    @cached_property
    def held_bytes(self) -> float:
        """Weights on all devices together: with experts spread, what is no expert lies on each of them."""
        copies = self.devices - 1 if self.by_experts else 0
        return self.weight_bytes * (1 + copies * (1 - self._routed_share))

    @cached_property
    def kv_bytes(self) -> float:
        """Keys and values of one token on all devices together: kept twice where there are twice as many devices as key-value heads.

        Latent attention has nothing to split by heads; its sequences are spread over the devices instead (DeepSeek-V3, section 3.4), as
        all are where experts are spread.
        """
        copies = 1 if self.model.kv_rank or self.by_experts else math.ceil(self.devices / self.model.kv_heads)
        return self.model.kv_per_token * KV_BYTES[self.kv] * copies

    @cached_property
    def memory(self) -> float:
        return float(self.device.memory) * self.devices

    @cached_property
    def peak(self) -> float:
        """FLOP/s of all devices in the type that is computed in: the stored one where the device has it, else 16 bits."""
        native = _NATIVE.get(self.weights, "bf16")
        names = [native, "bf16", "fp16", "fp32"] if native != "fp32" else ["fp32"]
        computed = next((name for name in names if name in self.device.peak), names[0])
        reached = FOUR_BIT_REACH if computed == "fp4" else 1.0
        return float(self.device.flops(computed)) * self.devices * reached

    @cached_property
    def bandwidth(self) -> float:
        return float(self.device.bandwidth) * self.devices

    def read_bytes(self, tokens: float) -> float:
        """Weights that a step reads when `tokens` tokens pass together: of experts, those that some token is sent to."""
        if not self.model.experts:
            return self.weight_bytes
        untouched = (1 - self.model.experts_active / self.model.experts) ** tokens
        return self.held_bytes - self.weight_bytes * self._routed_share * untouched

    @cached_property
    def _routed_share(self) -> float:
        return self.model.moe_layers * self.model.experts * self.model.expert / float(self.model.parameters)

    @cached_property
    def flop_per_token(self) -> float:
        """Without attention."""
        return 2 * float(self.model.matmul_active)

    @cached_property
    def flop_beside_experts(self) -> float:
        """Of a token: what the device does that holds its call."""
        return self.flop_per_token - 2 * self.model.moe_layers * self.model.experts_active * self.model.expert

    def crowding(self, calls: float) -> float:
        """With experts spread, a call lies on one device: fewer calls than devices leave the rest without."""
        return max(1.0, self.devices / calls) if self.by_experts else 1.0

    @cached_property
    def attention_width(self) -> float:
        """Over all layers and heads: width of the scores and of the values."""
        return float(self.model.layers * self.model.heads * (self.model.width_of_score + self.model.width_of_value))


@dataclass(frozen=True, slots=True)
class Speed:
    """Shares that the engine reaches of arithmetic, memory and links, seconds that a step costs besides, share of memory kept free."""

    prefill: float
    decode: float
    overhead: float
    reserve: float
    link: float = 1.0


@dataclass(frozen=True, slots=True)
class Draft:
    """Speculative decoding: a small model proposes `length` tokens, each accepted with probability `accepted`; its step costs
    `cost` of a step of the large model. `length` 0: none."""

    length: int = 0
    accepted: float = 0.0
    cost: float = 0.0

    @property
    def tokens_per_step(self) -> float:
        """Expected tokens of one verified step, (1 - a^(g+1)) / (1 - a): Leviathan et al. 2023, arXiv:2211.17192, equation 1."""
        if self.accepted >= 1:
            return self.length + 1.0
        return (1 - self.accepted ** (self.length + 1)) / (1 - self.accepted)


@dataclass(frozen=True, slots=True)
class Request:
    """One call: tokens in and out, and the share of the tokens in whose keys and values are in the cache already."""

    tokens_in: float
    tokens_out: float
    prefix_hit: float = 0.0

    @property
    def fresh(self) -> float:
        """Tokens in that have to be computed."""
        return self.tokens_in * (1 - self.prefix_hit)

    @property
    def context(self) -> float:
        """Tokens in the cache half-way through the answer."""
        return self.tokens_in + self.tokens_out / 2


@dataclass(frozen=True, slots=True)
class Steady:
    """One replica with `batch` sequences at a time, in its steady state. Seconds and tokens per second; money is added later.

    `prefill_s` is a prompt's share of the pass that it shares with others.
    """

    batch: int
    prefill_s: float
    step_s: float
    first_token_s: float
    token_s: float
    requests_per_s: float
    prefill_share: float


def prefill_seconds(replica: Replica, speed: Speed, request: Request, prompts: float = 1.0) -> float:
    """Time in which the tokens of `prompts` prompts pass together, those in the prefix cache left out."""
    cached = request.tokens_in - request.fresh
    pairs = replica.model.pairs(request.tokens_in) - replica.model.pairs(cached)
    scores = 2 * prompts * replica.attention_width * pairs
    return _pass_seconds(replica, speed, prompts * request.fresh, scores, 0.0, prompts)


def step_seconds(replica: Replica, speed: Speed, batch: int, context: float, *, tokens: int = 1) -> float:
    """Time of one decode step for `batch` sequences of `context` tokens; `tokens` of each are checked at once (speculation)."""
    seen = replica.model.seen(context)
    scores = 2 * batch * tokens * replica.attention_width * seen
    return _pass_seconds(replica, speed, batch * tokens, scores, batch * seen * replica.kv_bytes, batch)


def _pass_seconds(replica: Replica, speed: Speed, tokens: float, scores: float, cache: float, calls: float) -> float:
    """Time in which `tokens` tokens of `calls` calls pass, with `scores` FLOP of attention over `cache` bytes of keys and values."""
    arithmetic, memory, crowding = replica.peak * speed.prefill, replica.bandwidth * speed.decode, replica.crowding(calls)
    flop = tokens * (replica.flop_per_token + (crowding - 1) * replica.flop_beside_experts)
    matrices = max(flop / arithmetic, replica.read_bytes(tokens) / memory)
    attention = max(scores / arithmetic, cache / memory) * crowding
    if replica.by_experts:
        routing = _routing_seconds(replica, speed, tokens * crowding)
        # Two halves of the calls take turns, one computes while the other's tokens travel (deepseek-ai/open-infra-index, day 6).
        halved = calls >= 2 * replica.devices
        return (max(matrices + attention, routing) if halved else matrices + attention + routing) + speed.overhead
    return matrices + attention + _exchange_seconds(replica, speed, tokens) + speed.overhead


def most_sequences(replica: Replica, speed: Speed, request: Request) -> int:
    """Sequences whose cache fits beside the weights, at the length they end with; 0 when not even one does."""
    free = replica.memory * (1 - speed.reserve) - replica.held_bytes
    whole = replica.model.seen(request.tokens_in + request.tokens_out) * replica.kv_bytes
    groups = replica.devices if replica.by_experts else 1
    # A device holds whole calls where they are divided.
    return max(0, min(_MAX_BATCH * groups, math.floor(free / groups / whole) * groups))


def steady(replica: Replica, speed: Speed, request: Request, batch: int, draft: Draft = Draft()) -> Steady:
    """Continuous batching with `batch` sequences: each gets its tokens while the others' prompts pass in between.

    Where several sequences end in a step, the prompts that take their places pass together. The wait for a first token is that of a
    queue with a fixed service time (M/D/1) for the pass, and a step that is under way.
    """
    steps = request.tokens_out / draft.tokens_per_step
    groups = replica.devices if replica.by_experts else 1
    together = max(1.0, min(batch / steps, _PASS_TOKENS * groups / request.fresh))
    passing = prefill_seconds(replica, speed, request, together)
    # Where calls are divided, the other devices go on with theirs while one takes a prompt.
    abreast = max(together, min(groups, batch))
    prefill = prefill_seconds(replica, speed, request, abreast) / abreast
    step = step_seconds(replica, speed, batch, request.context, tokens=draft.length + 1)
    if draft.length:
        step += draft.length * draft.cost * step_seconds(replica, speed, batch, request.context)
    cycle = steps * step + batch * prefill
    busy = batch * prefill / cycle
    wait = passing * busy / (2 * (1 - busy)) + step if batch > 1 else 0.0
    return Steady(batch, prefill, step, passing + wait, cycle / request.tokens_out, batch / cycle, busy)


def fastest_within(
    replica: Replica,
    speed: Speed,
    request: Request,
    *,
    first_token_s: float,
    token_s: float,
    draft: Draft = Draft(),
) -> Steady | None:
    """The largest batch that fits and keeps both promises (first token, each next token); None when one sequence alone breaks one."""
    low, high = 0, most_sequences(replica, speed, request)
    best: Steady | None = None
    while low < high:
        middle = (low + high + 1) // 2
        at = steady(replica, speed, request, middle, draft)
        if at.first_token_s <= first_token_s and at.token_s <= token_s:
            low, best = middle, at
        else:
            high = middle - 1
    return best


def _exchange_seconds(replica: Replica, speed: Speed, tokens: float) -> float:
    """All-reduces of a tensor-parallel pass: two per layer, in a ring, in 16 bits."""
    if replica.devices == 1:
        return 0.0
    rate, latency = _link(replica, speed)
    size = tokens * replica.model.hidden * 2.0
    around = 2 * (replica.devices - 1) / replica.devices * size / rate
    return replica.model.layers * _REDUCES_PER_LAYER * (around + latency)


def _routing_seconds(replica: Replica, speed: Speed, tokens: float) -> float:
    """All-to-all of a pass with experts spread: each token goes to its experts in 8 bits where weights have them, and comes back in 16."""
    if replica.devices == 1:
        return 0.0
    rate, latency = _link(replica, speed)
    there = 1.0 if WEIGHT_BYTES[replica.weights] < 2 else 2.0
    away = (replica.devices - 1) / replica.devices
    size = tokens / replica.devices * replica.model.experts_active * replica.model.hidden * (there + 2.0) * away
    return replica.model.moe_layers * (size / rate + 2 * latency)


def _link(replica: Replica, speed: Speed) -> tuple[float, float]:
    """Bytes a second that a device sends to the others of its replica, and seconds until the first arrives."""
    if replica.devices <= replica.device.domain:
        return float(replica.device.link_one_way) * speed.link, _LINK_LATENCY
    return float(replica.device.network) * speed.link, _NETWORK_LATENCY
