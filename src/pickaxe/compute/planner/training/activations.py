"""What a training keeps of its forward pass for the backward pass, and what passes by at its peak.

After Korthikanti et al. 2022 (arXiv:2205.05198), table 2 and equations 1 to 6, term by term, so that gated blocks, grouped queries, experts
and missing dropout count as they are.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from pickaxe.compute.planner.catalogue.models import Architecture
from pickaxe.compute.planner.quantities.units import Bytes
from pickaxe.compute.planner.training.layout import Layout
from pickaxe.compute.planner.training.work import Training

if TYPE_CHECKING:
    from pickaxe.compute.planner.training.memory import Keeping


def layer_activations(
    shape: Architecture,
    tokens: float,
    sequence: int,
    *,
    tensor: int = 1,
    sequence_parallel: bool = False,
    recompute: str = "none",
    attention: str = "standard",
    dropout: bool = True,
    fused: bool = True,
) -> Bytes:
    """What one layer keeps for its backward pass, for `tokens` = micro-batch x length on this device, in 16 bits.

    For a GPT layer this is Korthikanti's s b h (10 + 24/t + 5 a s / (h t)), every row of table 2.
    """
    width = shape.hidden
    stored = shape.heads if shape.kv_rank else shape.kv_heads  # latent keys and values are widened before they meet the queries
    query, attended = shape.heads * shape.width_of_score, shape.heads * shape.width_of_value
    keys, values = stored * shape.width_of_score, stored * shape.width_of_value
    if recompute == "full":
        return Bytes(2.0 * width * tokens / (tensor if sequence_parallel else 1))
    inner = shape.ffn
    if shape.experts:
        inner = (shape.expert_ffn or shape.ffn) * (shape.experts_active + shape.shared_experts)
    # Kept whole without sequence parallelism: inputs of both blocks and both norms, and the dropout masks behind both blocks.
    whole = (4 + 4 + (2 if dropout else 0)) * width
    # Split by tensor parallelism: queries, keys, values, the input of the output matrix, and the feed-forward block's inside
    # (what goes into the activation, and what goes into the last matrix; a gated block has two inputs, and its gate unless fused).
    block = (6 if fused else 8) if shape.gated else 4
    split = 2 * (query + keys + values + attended) + block * inner
    scores = 0.0
    if attention == "standard" and recompute == "none":
        scores = (5 if dropout else 2) * shape.heads * sequence
    elif attention == "flash":
        scores = 4.0 * shape.heads
    return Bytes(tokens * (whole / (tensor if sequence_parallel else 1) + (split + scores) / tensor))


def activations(job: Training, layout: Layout, keep: Keeping) -> tuple[float, float]:
    """Bytes kept by all layers of the first stage, and the passing peak: a layer computed again, or the gradient of the scores."""
    shape = job.model
    tokens = layout.micro_batch * job.sequence / layout.context
    kept_layers = ceil(shape.layers / layout.pipeline)
    split = layout.tensor if layout.sequence_parallel else 1

    def layer(recompute: str) -> float:
        return float(
            layer_activations(
                shape, tokens, job.sequence, tensor=layout.tensor, sequence_parallel=layout.sequence_parallel,
                recompute=recompute, attention=keep.attention, dropout=keep.dropout, fused=keep.fused,
            )
        )  # fmt: skip

    if job.method == "frozen":
        kept_layers = min(kept_layers, job.trained_layers)
    layers = layer(job.recompute) * kept_layers
    embedding = tokens * shape.hidden / split if keep.dropout else 0.0
    first = (layers + embedding) * layout.in_flight
    working = layer("none") if job.recompute == "full" else 0.0
    if shape.kind == "encoder":
        return first, working
    # Equation 6: the last norm and the output matrix keep their inputs, the loss its scores in fp32, all for one micro-batch.
    scores = 4.0 * tokens * shape.vocab / layout.tensor * (job.masked if job.objective == "masked" else 1.0)
    head = 4.0 * tokens * shape.hidden / split + scores
    if layout.pipeline == 1:
        return first + head, max(working, scores)
    # The first stage holds most micro-batches, the last one the scores and their gradient.
    return max(first, layers + head + scores), working
