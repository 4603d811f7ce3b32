"""Architectures read from files: a Hugging Face `config.json`, the header of a GGUF or of a safetensors file. No framework, no weights.

Files come from anywhere: sizes are bounded before anything is allocated, and only headers are read.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from pickaxe.compute.planner.catalogue.models import Architecture, find, from_mapping
from pickaxe.compute.planner.quantities.checks import count
from pickaxe.compute.planner.quantities.units import Parameters
from pickaxe.kernel.errors import BadInput

_MOST_HEADER = 100_000_000  # the safetensors format's own bound
_MOST_CONFIG = 10_000_000

# Feed-forward blocks of two matrices and layers with biases; every other type that is known has gated blocks without biases.
_PLAIN = frozenset(
    ["bert", "biogpt", "bloom", "camembert", "codegen", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "mpt", "opt", "phi", "roberta", "starcoder2", "xlm-roberta"]
)  # fmt: skip
_ENCODERS = frozenset(
    [
        "bert",
        "camembert",
        "deberta",
        "deberta-v2",
        "distilbert",
        "electra",
        "ernie",
        "modernbert",
        "nomic_bert",
        "roberta",
        "xlm-roberta",
    ]
)
_TIED = frozenset(["bert", "bloom", "camembert", "distilbert", "electra", "falcon", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_bigcode", "gpt_neo", "mpt", "opt", "roberta", "starcoder2", "xlm-roberta"])  # fmt: skip
_BOTH = ("t5", "mt5", "bart", "mbart", "pegasus", "marian", "whisper")
# The names under which configurations keep each field, the usual one first.
_NAMES: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model", "dim", "n_embed"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv"),
    "ffn": ("intermediate_size", "n_inner", "ffn_dim", "hidden_dim", "ffn_hidden_size"),
    "vocab": ("vocab_size",),
    "head_dim": ("head_dim", "qk_nope_head_dim"),
    "max_length": ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"),
    "experts": ("num_local_experts", "n_routed_experts", "num_experts"),
    "experts_active": ("num_experts_per_tok", "moe_topk"),
    "expert_ffn": ("moe_intermediate_size",),
    "shared_experts": ("n_shared_experts",),
    "dense_layers": ("first_k_dense_replace",),
    "q_rank": ("q_lora_rank",),
    "kv_rank": ("kv_lora_rank",),
    "rope_dim": ("qk_rope_head_dim",),
    "v_dim": ("v_head_dim",),
}


def read_model(name: str) -> Architecture:
    """A preset by its name, or a file: `config.json`, a folder that holds one, `.gguf`, `.safetensors` (its config beside it).

    Raises `NotFound` for a name that is neither, `BadInput` for a file that cannot be read.
    """
    path = Path(name)
    if not path.exists():
        if path.suffix in (".json", ".gguf", ".safetensors"):
            raise BadInput(f"{name} does not exist", expected="a preset, or a file of a model", got=name)
        return find(name)
    if path.is_dir():
        path = path / "config.json"
        if not path.is_file():
            raise BadInput(f"{name} holds no config.json", expected="a folder of a Hugging Face model")
    readers: dict[str, Callable[[Path], Architecture]] = {
        ".json": from_config_file,
        ".gguf": from_gguf,
        ".safetensors": from_safetensors,
    }
    if path.suffix not in readers:
        raise BadInput(f"{path.name} is no model file", expected=", ".join(readers), got=path.suffix or "no extension")
    return readers[path.suffix](path)


def from_config_file(path: Path) -> Architecture:
    """An architecture from `config.json`. Raises `BadInput`."""
    if path.stat().st_size > _MOST_CONFIG:
        raise BadInput(f"{path.name} is too large for a configuration", expected=f"at most {_MOST_CONFIG} bytes")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path.name} cannot be read: {error}", expected="JSON") from None
    return from_config(document, name=path.resolve().parent.name or path.stem)


def from_config(document: Any, *, name: str) -> Architecture:
    """An architecture from a parsed `config.json`; a multimodal one gives its text model. Raises `BadInput` naming what is missing."""
    if not isinstance(document, Mapping):
        raise BadInput("config.json is not an object", expected="a JSON object", got=type(document).__name__)
    text = document.get("text_config")
    config = {**document, **text} if isinstance(text, Mapping) else dict(document)
    model = str(config.get("model_type", "")).lower()
    if config.get("is_encoder_decoder") or model in _BOTH:
        raise BadInput(f"{name} has an encoder and a decoder", expected="a model of one stack", got=model or "is_encoder_decoder")
    if model == "albert":
        raise BadInput(
            f"{name} shares the weights of its layers", expected="a model whose layers have weights of their own", got=model
        )
    found: dict[str, Any] = {}
    for field, keys in _NAMES.items():
        value = next((config[key] for key in keys if config.get(key) is not None), None)
        if value is not None:
            found[field] = value
    missing = [
        f"{field} ({' or '.join(_NAMES[field][:2])})" for field in ("layers", "hidden", "heads", "vocab") if field not in found
    ]
    if missing:
        raise BadInput(f"the configuration of {name} has no {', no '.join(missing)}", expected="a transformer's config.json")
    if config.get("multi_query") and not config.get("new_decoder_architecture"):
        found["kv_heads"] = 1
    if "kv_rank" in found:
        found["head_dim"] = config.get("qk_nope_head_dim", found.get("head_dim", 0))
    if not found.get("experts"):
        found = {
            key: value for key, value in found.items() if key not in ("experts", "experts_active", "expert_ffn", "dense_layers")
        }
    elif shared := config.get("shared_expert_intermediate_size"):
        shared = count("shared_expert_intermediate_size", shared)
        found["shared_experts"] = max(1, round(shared / count("moe_intermediate_size", found.get("expert_ffn", shared))))
    plain = model in _PLAIN
    encoder = model in _ENCODERS
    learned = model in (
        "bert",
        "roberta",
        "gpt2",
        "opt",
        "distilbert",
        "electra",
        "xlm-roberta",
        "camembert",
        "gpt_neo",
        "gpt_bigcode",
    )
    if learned and "max_length" in found:
        kinds = count("type_vocab_size", config.get("type_vocab_size") or 0, low=0)
        found["positions"] = count("max_position_embeddings", found["max_length"]) + kinds
    shape = from_mapping(
        name,
        {
            **found,
            "gated": not plain,
            "bias": plain and model not in ("falcon",),
            "tied": bool(config.get("tie_word_embeddings", model in _TIED)),
            "kind": "encoder" if encoder else "decoder",
            "source": "config.json",
        },
    )
    narrow = count("embedding_size", config.get("embedding_size") or shape.hidden)
    if narrow == shape.hidden:
        return shape
    # A narrow embedding that a matrix widens (ELECTRA).
    fewer = (shape.vocab + shape.positions) * (shape.hidden - narrow) - narrow * shape.hidden
    return replace(shape, total=Parameters(shape.counted - Parameters(fewer)))


def from_safetensors(path: Path) -> Architecture:
    """The configuration beside a safetensors file, with the number of parameters counted in the file's header (all its shards)."""
    config = path.parent / "config.json"
    if not config.is_file():
        raise BadInput(f"{path.name} says how many weights it holds, not of what shape", remedy="put its config.json beside it")
    shards = sorted(path.parent.glob("*.safetensors")) if re.search(r"-of-\d+", path.name) else [path]
    counted = sum(_weights(shard) for shard in shards)
    return replace(from_config_file(config), total=Parameters(counted), source=f"config.json and header of {path.name}")


def safetensors_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: 8 bytes of length, then JSON. Raises `BadInput` for anything else."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else -1
            if not 2 <= length <= _MOST_HEADER:
                raise BadInput(
                    f"{path.name} is no safetensors file", expected=f"a header of 2 to {_MOST_HEADER} bytes", got=str(length)
                )
            document = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path.name} cannot be read: {error}", expected="a safetensors file") from None
    if not isinstance(document, dict):
        raise BadInput(f"{path.name} is no safetensors file", expected="a JSON object as header")
    return document


def _weights(path: Path) -> int:
    total = 0
    for name, entry in safetensors_header(path).items():
        if name == "__metadata__":
            continue
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if not isinstance(shape, list) or not all(isinstance(size, int) and 0 <= size < 2**48 for size in shape):
            raise BadInput(f"{path.name}: tensor {name!r} has no shape", expected="a list of whole numbers")
        total += math.prod(shape)
    return total


# GGUF value types: struct format of each fixed-size one (github.com/ggml-org/ggml, docs/gguf.md).
_GGUF = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


class _Gguf:
    """Reads a GGUF header value by value, never more than the bound in all."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name, self.left = file, name, _MOST_HEADER

    def take(self, size: int) -> bytes:
        self.left -= size
        data = self.file.read(size) if size >= 0 and self.left >= 0 else b""
        if len(data) != size:
            raise BadInput(f"{self.name} is cut off or no GGUF file", expected=f"a header of at most {_MOST_HEADER} bytes")
        return data

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def string(self) -> str:
        return self.take(self.number("<Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """A value; of arrays only the length is kept (a vocabulary's length is its size)."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            inner, length = self.number("<I"), self.number("<Q")
            if inner in _GGUF:
                self.take(struct.calcsize(_GGUF[inner]) * length)
            elif inner == _STRING:
                for _ in range(length):
                    self.take(self.number("<Q"))
            else:
                raise BadInput(f"{self.name}: arrays of type {inner} are not known", expected="GGUF version 2 or 3")
            return length
        if kind not in _GGUF:
            raise BadInput(f"{self.name}: values of type {kind} are not known", expected="GGUF version 2 or 3")
        return self.number(_GGUF[kind])


def from_gguf(path: Path) -> Architecture:
    """An architecture from the header of a GGUF file, its parameters counted over the tensors. Raises `BadInput`."""
    with path.open("rb") as file:
        reader = _Gguf(file, path.name)
        if reader.take(4) != b"GGUF" or reader.number("<I") not in (2, 3):
            raise BadInput(f"{path.name} is no GGUF file", expected="GGUF version 2 or 3")
        tensors, pairs = reader.number("<Q"), reader.number("<Q")
        values = {reader.string(): reader.value(reader.number("<I")) for _ in range(pairs)}
        counted, names = 0, set[str]()
        for _ in range(tensors):
            names.add(reader.string())
            shape = [reader.number("<Q") for _ in range(reader.number("<I"))]
            counted += math.prod(shape)
            reader.take(12)
    kind = str(values.get("general.architecture", ""))

    def of(key: str, default: Any = None) -> Any:
        return values.get(f"{kind}.{key}", default)

    keys = {
        "layers": of("block_count"), "hidden": of("embedding_length"), "heads": of("attention.head_count"),
        "kv_heads": of("attention.head_count_kv"), "ffn": of("feed_forward_length"), "max_length": of("context_length"),
        "head_dim": of("attention.key_length"), "experts": of("expert_count"), "experts_active": of("expert_used_count"),
        "expert_ffn": of("expert_feed_forward_length"), "shared_experts": of("expert_shared_count"),
        "dense_layers": of("leading_dense_block_count"), "vocab": of("vocab_size") or values.get("tokenizer.ggml.tokens"),
    }  # fmt: skip
    known = {key: value for key, value in keys.items() if value is not None}
    known |= {
        "gated": any(name.endswith("ffn_gate.weight") or "ffn_gate_exps" in name for name in names),
        "tied": "output.weight" not in names,
        "kind": "encoder" if "bert" in kind else "decoder",
        "total": counted,
        "source": f"header of {path.name}",
    }
    return from_mapping(str(values.get("general.name") or path.stem), known)
