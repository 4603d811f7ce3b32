"""Architectures read from files: a Hugging Face `config.json`, the header of a GGUF or of a safetensors file. No framework, no weights.

Files come from anywhere: sizes are bounded before anything is allocated, and only headers are read.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from pickaxe.compute.planner.catalogue.model_config import from_config
from pickaxe.compute.planner.catalogue.models import Architecture, find, from_mapping
from pickaxe.compute.planner.quantities.units import Parameters
from pickaxe.kernel.errors import BadInput

SUFFIXES = (".json", ".gguf", ".safetensors")
_MOST_HEADER = 100_000_000  # the safetensors format's own bound
_MOST_CONFIG = 10_000_000
# Types of tensors that hold several weights in one number; a weight of 8 bits by itself is I8 or F8.
_PACKED = ("I32", "U32", "U8")


def read_model(name: str) -> Architecture:
    """A preset by its name, or a file: `config.json`, a folder that holds one, `.gguf`, `.safetensors` (its config beside it).

    Raises `NotFound` for a name that is neither, `BadInput` for a file that cannot be read.
    """
    path = Path(name)
    if not path.exists():
        if path.suffix in SUFFIXES:
            raise BadInput(f"{name} does not exist", expected="a preset, or a file of a model", got=name)
        return find(name)
    if path.is_dir():
        path = path / "config.json"
        if not path.is_file():
            raise BadInput(f"{name} holds no config.json", expected="a folder of a Hugging Face model")
    readers: dict[str, Callable[[Path], Architecture]] = dict(
        zip(SUFFIXES, (from_config_file, from_gguf, from_safetensors), strict=True)
    )
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
    folder = path.resolve().parent.name
    return from_config(document, name=folder if path.name == "config.json" and folder else path.stem)


def from_safetensors(path: Path) -> Architecture:
    """The configuration beside a safetensors file, with the number of parameters counted in the file's header (all its shards).

    Packed weights (GPTQ, AWQ, MXFP4: several in one whole number) cannot be counted by their shapes: the configuration's count holds.
    """
    config = path.parent / "config.json"
    if not config.is_file():
        raise BadInput(f"{path.name} says how many weights it holds, not of what shape", remedy="put its config.json beside it")
    shape = from_config_file(config)
    shards = sorted(path.parent.glob("*.safetensors")) if re.search(r"-of-\d+", path.name) else [path]
    counted = [_weights(shard, shape.layers) for shard in shards]
    whole, packed = (sum(numbers) for numbers in zip(*counted, strict=True))
    if packed:
        return replace(shape, source=f"config.json; weights of {path.name} are packed")
    return replace(shape, total=Parameters(whole), source=f"config.json and header of {path.name}")


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


def _weights(path: Path, layers: int) -> tuple[int, int]:
    """How many numbers a file holds, and how many of them are words of packed weights.

    Layers beyond the model's own only guess tokens ahead (DeepSeek-V3's multi-token prediction): they are left out, as is what is no weight.
    """
    total = packed = 0
    for name, entry in safetensors_header(path).items():
        if name == "__metadata__":
            continue
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if not isinstance(shape, list) or not all(isinstance(size, int) and 0 <= size < 2**48 for size in shape):
            raise BadInput(f"{path.name}: tensor {name!r} has no shape", expected="a list of whole numbers")
        numbered = re.search(r"(?:^|\.)layers\.(\d+)\.", name)
        if numbered and int(numbered.group(1)) >= layers:
            continue
        total += math.prod(shape)
        if entry.get("dtype") in _PACKED and len(shape) > 1:
            packed += math.prod(shape)
    return total, packed


# GGUF value types: struct format of each fixed-size one (github.com/ggml-org/ggml, docs/gguf.md).
_GGUF = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_NO_STACK = ("t5", "t5encoder", "clip", "whisper", "mamba", "mamba2", "rwkv6", "rwkv7", "arwkv7", "wavtokenizer-dec")


class _Length(int):
    """How long an array is."""


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
        """A value; of arrays only the length is kept, as one of their own (a vocabulary's length is its size)."""
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
            return _Length(length)
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
    if not kind or kind in _NO_STACK or any(".ssm." in key or ".wkv." in key or ".shortconv." in key for key in values):
        raise BadInput(
            f"{path.name} holds no plain stack of attention and feed-forward layers",
            expected="a model of one stack, as Llama's are",
            got=f"general.architecture {kind!r}",
        )

    def of(*keys: str) -> Any:
        """The first of these keys that the file has. A list says that layers differ."""
        value = next((values[f"{kind}.{key}"] for key in keys if f"{kind}.{key}" in values), None)
        if isinstance(value, _Length):
            raise BadInput(
                f"{path.name}: layers differ in {keys[0]}", expected="one number for all layers", got=f"{value} numbers"
            )
        return value

    latent = of("attention.kv_lora_rank")
    keys = {
        "layers": of("block_count"), "hidden": of("embedding_length"), "heads": of("attention.head_count"),
        "kv_heads": of("attention.head_count_kv"), "ffn": of("feed_forward_length"), "max_length": of("context_length"),
        "head_dim": of("attention.key_length"), "experts": of("expert_count"), "experts_active": of("expert_used_count"),
        "expert_ffn": of("expert_feed_forward_length"), "shared_experts": of("expert_shared_count"),
        "dense_layers": of("leading_dense_block_count"), "vocab": of("vocab_size") or values.get("tokenizer.ggml.tokens"),
    }  # fmt: skip
    if latent:
        rotated, scored = of("rope.dimension_count") or 0, of("attention.key_length_mla", "attention.key_length")
        keys |= {
            "kv_rank": latent, "q_rank": of("attention.q_lora_rank"), "rope_dim": rotated, "kv_heads": keys["heads"],
            "head_dim": None if scored is None else max(0, scored - rotated), "v_dim": of("attention.value_length_mla", "attention.value_length"),
        }  # fmt: skip
    known = {key: int(value) if isinstance(value, _Length) else value for key, value in keys.items() if value is not None}
    known |= {
        "gated": any(name.endswith("ffn_gate.weight") or "ffn_gate_exps" in name for name in names),
        "tied": "output.weight" not in names,
        "kind": "encoder" if "bert" in kind else "decoder",
        "total": counted,
        "source": f"header of {path.name}",
    }
    return from_mapping(str(values.get("general.name") or path.stem), known)
