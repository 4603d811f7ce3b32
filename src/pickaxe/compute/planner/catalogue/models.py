"""The shape of a model: what its parameters, FLOP and memory are computed from. Presets, and counting by parts.

`config.json` is read by `model_config`, files by `model_files`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from pickaxe.compute.planner.quantities.checks import count, named, one_of, only_keys
from pickaxe.compute.planner.quantities.units import Parameters
from pickaxe.compute.planner.words import Note, note
from pickaxe.kernel.errors import BadInput


@dataclass(frozen=True)
class Architecture:
    """A transformer stack. Counts that a model lacks are 0 (no experts, no latent attention, no learned positions).

    `hidden` is the width, `ffn` the inner width of a dense layer, `gated` whether its feed-forward block has three matrices
    (SwiGLU) rather than two. With `experts`, each of the layers after the first `dense_layers` has that many feed-forward blocks of
    inner width `expert_ffn`, of which a token passes `experts_active`, plus `shared_experts` that every token passes. `q_rank` and
    `kv_rank` describe DeepSeek's latent attention. Of the layers, `windowed_layers` look back over `window` tokens at most. `total` is the
    exact number of parameters where a file or paper states it. `unchecked` names the type of a configuration whose count nobody checked.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    ffn: int
    vocab: int
    head_dim: int = 0
    gated: bool = True
    tied: bool = False
    bias: bool = False
    kind: str = "decoder"
    positions: int = 0
    max_length: int = 0
    experts: int = 0
    experts_active: int = 0
    expert_ffn: int = 0
    shared_experts: int = 0
    dense_layers: int = 0
    q_rank: int = 0
    kv_rank: int = 0
    rope_dim: int = 0
    v_dim: int = 0
    window: int = 0
    windowed_layers: int = 0
    total: Parameters | None = None
    source: str = ""
    unchecked: str = ""

    def __post_init__(self) -> None:
        """Raises `BadInput` for a shape that no model has."""
        for field in ("layers", "hidden", "heads", "kv_heads", "vocab"):
            count(f"{self.name}.{field}", getattr(self, field), high=10**8)
        for field in ("ffn", "experts", "experts_active", "expert_ffn", "shared_experts", "dense_layers", "positions"):
            count(f"{self.name}.{field}", getattr(self, field), low=0, high=10**8)
        one_of(f"{self.name}.kind", self.kind, ("decoder", "encoder"))
        if self.heads % self.kv_heads:
            raise BadInput(
                f"{self.name}: kv_heads does not divide heads", expected=f"a divisor of {self.heads}", got=str(self.kv_heads)
            )
        if self.experts and not 1 <= self.experts_active <= self.experts:
            raise BadInput(
                f"{self.name}.experts_active is out of range", expected=f"1 to {self.experts}", got=str(self.experts_active)
            )
        for field in ("dense_layers", "windowed_layers"):
            if (given := getattr(self, field)) > self.layers:
                raise BadInput(f"{self.name}.{field} is out of range", expected=f"0 to {self.layers}", got=str(given))
        if self.windowed_layers and self.window < 1:
            raise BadInput(
                f"{self.name}.window is out of range", expected="at least 1 with windowed_layers", got=str(self.window)
            )

    @cached_property
    def width_of_head(self) -> int:
        return self.head_dim or self.hidden // self.heads

    @cached_property
    def width_of_value(self) -> int:
        return self.v_dim or self.width_of_head

    @cached_property
    def width_of_score(self) -> int:
        """Width over which a query meets a key; latent attention adds the rotated part."""
        return self.width_of_head + (self.rope_dim if self.kv_rank else 0)

    @cached_property
    def moe_layers(self) -> int:
        return self.layers - self.dense_layers if self.experts else 0

    @cached_property
    def attention_layer(self) -> int:
        """Weights of one layer's attention matrices."""
        if not self.kv_rank:
            query, value = self.heads * self.width_of_head, self.kv_heads * self.width_of_head
            return 2 * self.hidden * query + 2 * self.hidden * value
        down = self.hidden * (self.q_rank + self.kv_rank + self.rope_dim)
        query = (self.q_rank or self.hidden) * self.heads * self.width_of_score
        keys_values = self.kv_rank * self.heads * (self.width_of_head + self.width_of_value)
        return down + query + keys_values + self.heads * self.width_of_value * self.hidden

    def _block(self, inner: int) -> int:
        return (3 if self.gated else 2) * self.hidden * inner

    @cached_property
    def expert(self) -> int:
        """Weights of one expert."""
        return self._block(self.expert_ffn or self.ffn)

    @cached_property
    def head_weights(self) -> int:
        """The output matrix over the vocabulary, which is computed with even when it is stored in the embedding."""
        return self.vocab * self.hidden

    @cached_property
    def layer_weights(self) -> int:
        """All matrices of all layers, every expert counted."""
        routed = self.moe_layers * (self.experts * self.expert + self.hidden * self.experts)
        return self._always + routed

    @cached_property
    def layer_weights_active(self) -> int:
        """The matrices that one token passes."""
        routed = self.moe_layers * (self.experts_active * self.expert + self.hidden * self.experts)
        return self._always + routed

    @cached_property
    def _always(self) -> int:
        dense = (self.layers - self.moe_layers) * self._block(self.ffn)
        return self.layers * self.attention_layer + dense + self.moe_layers * self.shared_experts * self.expert

    @cached_property
    def vectors(self) -> int:
        """Norms and biases: they take memory and no FLOP worth counting."""
        norms = (2 * self.layers + 1) * self.hidden * (2 if self.bias else 1)
        if not self.bias:
            return norms
        attention = self.heads * self.width_of_head + 2 * self.kv_heads * self.width_of_head + self.hidden
        return norms + self.layers * (attention + self.ffn * (2 if self.gated else 1) + self.hidden)

    @cached_property
    def embeddings(self) -> int:
        """Tables that are stored: tokens, learned positions, and the output matrix unless it is tied."""
        return self.head_weights * (1 if self.tied or self.kind == "encoder" else 2) + self.positions * self.hidden

    @cached_property
    def parameters(self) -> Parameters:
        """All parameters: as stated, else counted by parts."""
        return self.total or self.counted

    @cached_property
    def counted(self) -> Parameters:
        return Parameters(self.layer_weights + self.vectors + self.embeddings)

    @cached_property
    def active(self) -> Parameters:
        """Parameters that work on one token (all, without experts)."""
        return Parameters(self.parameters - Parameters(self.layer_weights - self.layer_weights_active))

    @cached_property
    def matmul_active(self) -> Parameters:
        """Weights that one token is multiplied with: layers and output matrix, not the embedding, which is looked up.

        What a stated total leaves over the count is taken to be matrices as well.
        """
        rest = self.parameters - self.counted
        return Parameters(self.layer_weights_active + (0 if self.kind == "encoder" else self.head_weights)) + rest

    @cached_property
    def kv_per_token(self) -> int:
        """Numbers that the key-value cache keeps for one token, all layers together."""
        if self.kv_rank:
            return self.layers * (self.kv_rank + self.rope_dim)
        return 2 * self.layers * self.kv_heads * self.width_of_head

    def seen(self, length: float) -> float:
        """Tokens that the last of `length` looks back on, mean of all layers; so many does the key-value cache keep."""
        inside = min(length, self.window) if self.windowed_layers else length
        return length + (inside - length) * self.windowed_layers / self.layers

    def pairs(self, length: float) -> float:
        """Pairs of a token and one that it looks back on, among `length`, mean of all layers: half of the square without windows."""
        inside = min(length, self.window) if self.windowed_layers else length
        windowed = inside * (length - inside / 2)
        return length**2 / 2 + (windowed - length**2 / 2) * self.windowed_layers / self.layers


_KEYS = tuple(field.name for field in fields(Architecture))


def from_mapping(name: str, entry: Mapping[str, Any]) -> Architecture:
    """An architecture from a TOML table or JSON object with the fields of `Architecture`. Raises `BadInput` naming the field."""
    where = f"model {name}"
    entry = {key: value for key, value in entry.items() if value is not None}
    only_keys(where, entry, _KEYS)
    missing = [key for key in ("layers", "hidden", "heads", "vocab") if key not in entry]
    if missing:
        raise BadInput(f"{where} has no {' and no '.join(missing)}", expected="layers, hidden, heads and vocab at least")
    values: dict[str, Any] = {
        "kv_heads": entry["heads"],
        "ffn": 4 * count(f"{where}.hidden", entry["hidden"], high=10**8),
        **entry,
        "name": entry.get("name", name),
    }
    for key, value in values.items():
        if key == "total":
            values[key] = Parameters.parse(value, field=f"{where}.total")
        elif key in ("gated", "tied", "bias"):
            if not isinstance(value, bool):
                raise BadInput(f"{where}.{key} is not a yes or no", expected="true or false", got=repr(value))
        elif key not in ("name", "kind", "source", "unchecked"):
            values[key] = count(f"{where}.{key}", value, low=0)
    return Architecture(**values)


@cache
def presets() -> dict[str, Architecture]:
    """The models that ship with Pickaxe, by name."""
    text = files("pickaxe.compute.planner").joinpath("data/models.toml").read_text(encoding="utf-8")
    return {name: from_mapping(name, entry) for name, entry in tomllib.loads(text).items()}


def doubts(model: Architecture) -> list[Note]:
    """What has to be said where a model was read from a configuration of a type that nobody checked."""
    if not model.unchecked:
        return []
    return [note("type_unchecked", model=model.name, type=model.unchecked, parameters=f"{float(model.parameters):,.0f}")]


def find(name: str) -> Architecture:
    """A preset by its name. Raises `NotFound` with the nearest names."""
    return named("model preset", name, presets())
