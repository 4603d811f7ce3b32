"""An architecture from a parsed Hugging Face `config.json`.

A configuration says less than it seems: that a block has two matrices, that tables are tied or layers have biases is known to the
model's class alone. `data/model_types.toml` says it for the types that were counted against their classes. Any other type is read as
one of Llama's form and marked (`Architecture.unchecked`), so that a forecast says so; one whose layers are no attention is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from pickaxe.compute.planner.catalogue.models import Architecture, from_mapping
from pickaxe.compute.planner.quantities.checks import count
from pickaxe.compute.planner.quantities.units import Parameters
from pickaxe.kernel.errors import BadInput

_BOTH = ("t5", "mt5", "umt5", "bart", "mbart", "pegasus", "marian", "whisper")
# The names under which configurations keep each field, the usual one first.
_NAMES: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model", "dim", "n_embed"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads"),
    "ffn": ("intermediate_size_mlp", "intermediate_size", "n_inner", "ffn_dim", "hidden_dim", "ffn_hidden_size"),
    "vocab": ("vocab_size",),
    "head_dim": ("head_dim", "qk_nope_head_dim", "kv_channels"),
    "max_length": ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"),
    "experts": ("num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts"),
    "experts_active": ("num_experts_per_tok", "moe_topk", "moe_top_k", "moe_k"),
    "expert_ffn": ("moe_intermediate_size",),
    "shared_experts": ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"),
    "dense_layers": ("first_k_dense_replace", "moe_layer_start_index"),
    "q_rank": ("q_lora_rank",),
    "kv_rank": ("kv_lora_rank",),
    "rope_dim": ("qk_rope_head_dim",),
    "v_dim": ("v_head_dim",),
}
_OF_EXPERTS = ("experts", "experts_active", "expert_ffn", "shared_experts", "dense_layers")
_NEEDED = ("layers", "hidden", "heads", "vocab")
# Layers of attention, by the names that `layer_types` has for them; all others are something else.
_WHOLE, _WINDOWED = ("full_attention", "attention", "indexed_attention"), ("sliding_attention", "chunked_attention")
# What only configurations of state-space and linear layers have.
_NO_ATTENTION = (
    "state_size", "ssm_cfg", "ssm_state_size", "mamba_d_state", "mamba_num_heads", "attn_layer_period", "hybrid_override_pattern",
    "layers_block_type", "linear_num_value_heads", "linear_attn_config", "block_configs",
)  # fmt: skip


def from_config(document: Any, *, name: str) -> Architecture:
    """An architecture from a parsed `config.json`; a multimodal one gives its text model. Raises `BadInput` naming what is missing."""
    if not isinstance(document, Mapping):
        raise BadInput("config.json is not an object", expected="a JSON object", got=type(document).__name__)
    config = dict(document)
    for part in ("text_config", "language_config", "llm_config"):  # of models that also see or hear
        if isinstance(nested := document.get(part), Mapping):
            config |= nested
    for part in ("attn_config", "ffn_config"):  # MPT's and DBRX's
        if isinstance(nested := document.get(part), Mapping):
            config = {**nested, **config}
    kind = str(config.get("model_type", ""))
    _refuse_others(config, kind, name)
    found = _figures(config, kind)
    missing = [f"{field} ({' or '.join(_NAMES[field][:2])})" for field in _NEEDED if field not in found]
    if missing:
        raise BadInput(
            f"the configuration of {name} has no {', no '.join(missing)}",
            expected="a transformer's config.json",
            got=f"model_type {kind!r}" if kind else "no model_type",
        )
    traits = _traits(kind)
    if "positions" in traits and "max_length" in found:
        kinds = count("type_vocab_size", config.get("type_vocab_size") or 0, low=0)
        found["positions"] = count("max_position_embeddings", found["max_length"]) + kinds
    tied = config.get("tie_word_embeddings")
    shape = from_mapping(
        name,
        {
            **found,
            **_experts(config, found, kind),
            **_windows(config, found, traits),
            "gated": "plain" not in traits,
            "bias": "bias" in traits,
            "tied": "tied" in traits if tied is None else bool(tied),
            "kind": "encoder" if "encoder" in traits else "decoder",
            "unchecked": "" if _is_known(kind) else kind or "unnamed",
            "source": "config.json",
        },
    )
    return _narrowed(shape, config, kind)


def _refuse_others(config: Mapping[str, Any], kind: str, name: str) -> None:
    if config.get("is_encoder_decoder") or kind.lower() in _BOTH:
        raise BadInput(f"{name} has an encoder and a decoder", expected="a model of one stack", got=kind or "is_encoder_decoder")
    why = _types()["other"].get(kind.lower())
    types = config.get("layer_types")
    if why is None and isinstance(types, list) and (strange := [each for each in types if each not in (*_WHOLE, *_WINDOWED)]):
        why = f"its layer_types hold {str(strange[0])[:40]!r}"
    if why is None and (sign := next((key for key in _NO_ATTENTION if config.get(key)), None)):
        why = f"its configuration has {sign}, which layers of attention have not"
    if why is not None:
        raise BadInput(
            f"{name} cannot be counted: {why}",
            expected="layers of attention and a feed-forward block, each with weights of its own",
            got=f"model_type {kind!r}" if kind else "no model_type",
            remedy="for a rough plan give a table: model = { layers, hidden, heads, kv_heads, ffn, vocab, total }",
        )


def _figures(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What the configuration says of a dense stack, under the planner's names."""
    found: dict[str, Any] = {}
    for field, keys in _NAMES.items():
        value = next((config[key] for key in keys if config.get(key) is not None), None)
        if value is not None and field not in _OF_EXPERTS:
            found[field] = value
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        found["kv_heads"] = 1
    if config.get("multi_query_attention"):
        found["kv_heads"] = config.get("multi_query_group_num", 1)
    if "kv_rank" in found:
        found["head_dim"] = config.get("qk_nope_head_dim", found.get("head_dim", 0))
    if "ffn" not in found and (wider := config.get("expansion_ratio")):
        found["ffn"] = count("expansion_ratio", wider) * count("d_model", found.get("hidden", 0), low=0)
    if kind == "qwen" and "ffn" in found:
        found["ffn"] = count("intermediate_size", found["ffn"], low=2) // 2  # of both input matrices together
    return found


def _experts(config: Mapping[str, Any], found: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Experts, how many layers have none, and how wide the shared ones are."""
    said = {field: next((config[key] for key in _NAMES[field] if config.get(key) is not None), None) for field in _OF_EXPERTS}
    if not said["experts"]:
        return {}
    layers = count("num_hidden_layers", found["layers"])
    said["dense_layers"] = _dense_layers(config, layers, count("first_k_dense_replace", said["dense_layers"] or 0, low=0))
    if isinstance(wide := said["expert_ffn"], list) and wide:
        said["expert_ffn"] = wide[0]  # ERNIE's: of text, of pictures
    if shared := config.get("shared_expert_intermediate_size"):
        shared = count("shared_expert_intermediate_size", shared)
        said["shared_experts"] = max(1, round(shared / count("moe_intermediate_size", said["expert_ffn"] or shared)))
    if kind == "llama4_text":
        said |= {"expert_ffn": config.get("intermediate_size"), "shared_experts": 1}
    return {field: value for field, value in said.items() if value is not None}


def _dense_layers(config: Mapping[str, Any], layers: int, first: int) -> int:
    """How many layers have no experts: as listed, the first ones, or all but each n-th."""
    for key in ("mlp_layer_types", "moe_layer_freq"):
        listed = config.get(key)
        if isinstance(listed, list) and listed:
            return sum(each in ("dense", 0) for each in listed)
    step = next(
        (config[key] for key in ("decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval") if config.get(key)), 1
    )
    dense = layers - (layers - first) // count("decoder_sparse_step", step)
    only = config.get("mlp_only_layers")
    return dense + len(only) if isinstance(only, list) else dense


def _windows(config: Mapping[str, Any], found: Mapping[str, Any], traits: frozenset[str]) -> dict[str, Any]:
    """How far layers look back that do not see everything, and how many they are."""
    window = next((config[key] for key in ("sliding_window", "attention_chunk_size", "local_attention") if config.get(key)), None)
    if window is None or config.get("use_sliding_window") is False:
        return {}
    layers = count("num_hidden_layers", found["layers"])
    types = config.get("layer_types")
    whole_each = next(
        (
            config[key]
            for key in ("sliding_window_pattern", "global_attn_every_n_layers", "no_rope_layer_interval")
            if config.get(key)
        ),
        None,
    )
    if isinstance(types, list) and types:
        windowed = sum(each in _WINDOWED for each in types)
    elif whole_each is not None:
        windowed = layers - layers // count("sliding_window_pattern", whole_each)
    elif (whole_first := config.get("max_window_layers")) is not None:
        windowed = max(0, layers - count("max_window_layers", whole_first, low=0))
    else:
        windowed = layers // 2 if "alternating" in traits else layers
    return {"window": window, "windowed_layers": min(windowed, layers)}


def _narrowed(shape: Architecture, config: Mapping[str, Any], kind: str) -> Architecture:
    """An embedding that is narrower than the layers, and the matrices that widen it (ELECTRA) and narrow it again (OPT)."""
    narrow = count("embedding_size", config.get("embedding_size") or config.get("word_embed_proj_dim") or shape.hidden)
    if narrow == shape.hidden:
        return shape
    rows, matrices = (shape.vocab, 2) if kind == "opt" else (shape.vocab + shape.positions, 1)
    fewer = rows * (shape.hidden - narrow) - matrices * narrow * shape.hidden
    return replace(shape, total=Parameters(shape.counted - Parameters(fewer)))


def _traits(kind: str) -> frozenset[str]:
    return frozenset(_types()["known"].get(kind, "").split())


def _is_known(kind: str) -> bool:
    return kind in _types()["known"]


@cache
def _types() -> dict[str, dict[str, str]]:
    text = files("pickaxe.compute.planner").joinpath("data/model_types.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
