"""Real configurations of many architectures, as their makers publish them: counted as published, or refused with a reason."""

from __future__ import annotations

import pytest

from pickaxe.compute.planner.catalogue.model_config import from_config
from pickaxe.compute.planner.scenario import plan
from pickaxe.kernel.errors import BadInput


def _llama(hidden: int, ffn: int, layers: int, heads: int, kv_heads: int, vocab: int, **more: object) -> dict[str, object]:
    """A configuration under the names that most have."""
    return {
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "vocab_size": vocab, "tie_word_embeddings": False, **more,
    }  # fmt: skip


def _latent(hidden: int, ffn: int, layers: int, heads: int, vocab: int, rank: int | None, **more: object) -> dict[str, object]:
    """DeepSeek's attention."""
    return _llama(
        hidden, ffn, layers, heads, heads, vocab, q_lora_rank=rank, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128, **more
    )  # fmt: skip


def _moe(kind: str, experts: int, active: int, inner: int, **more: object) -> dict[str, object]:
    return {
        "model_type": kind,
        "n_routed_experts": experts,
        "num_experts_per_tok": active,
        "moe_intermediate_size": inner,
        **more,
    }


GPT2_XL = {"model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25, "vocab_size": 50257, "n_positions": 1024}
NEOX = {
    "model_type": "gpt_neox", "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44, "num_attention_heads": 64,
    "vocab_size": 50432, "tie_word_embeddings": False,
}  # fmt: skip
OPT = {
    "model_type": "opt", "hidden_size": 1024, "ffn_dim": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "vocab_size": 50272,
    "max_position_embeddings": 2048, "word_embed_proj_dim": 512,
}  # fmt: skip
BERT = {
    "model_type": "bert", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2,
}  # fmt: skip
FALCON_40B = {"hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128, "num_kv_heads": 8, "vocab_size": 65024}
DBRX = {
    "model_type": "dbrx", "d_model": 6144, "n_layers": 40, "n_heads": 48, "vocab_size": 100352, "tie_word_embeddings": False,
    "attn_config": {"kv_n_heads": 8}, "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4},
}  # fmt: skip
CHATGLM = {
    "model_type": "chatglm", "hidden_size": 4096, "ffn_hidden_size": 13696, "num_layers": 40, "num_attention_heads": 32,
    "multi_query_attention": True, "multi_query_group_num": 2, "kv_channels": 128, "vocab_size": 151552, "tie_word_embeddings": False,
}  # fmt: skip
MPT = {"model_type": "mpt", "d_model": 4096, "n_layers": 32, "n_heads": 32, "expansion_ratio": 4, "vocab_size": 50432}


def _llama4(experts: int, step: int) -> dict[str, object]:
    text = _llama(
        5120, 8192, 48, 40, 8, 202048, model_type="llama4_text", intermediate_size_mlp=16384, head_dim=128, num_local_experts=experts,
        num_experts_per_tok=1, interleave_moe_layer_step=step,
    )  # fmt: skip
    return {"model_type": "llama4", "text_config": text}


PUBLISHED: dict[str, tuple[dict[str, object], float, float]] = {
    "Llama 2 7B": (_llama(4096, 11008, 32, 32, 32, 32000), 6_738_415_616, 0),
    "Llama 3.1 8B": (_llama(4096, 14336, 32, 32, 8, 128256), 8_030_261_248, 0),
    "Llama 3.2 1B": (_llama(2048, 8192, 16, 32, 8, 128256, head_dim=64, tie_word_embeddings=True), 1_235_814_400, 0),
    "Llama 4 Scout": (_llama4(16, 1), 107_769_861_120, 1e-4),
    "Llama 4 Maverick": (_llama4(128, 2), 400_711_848_960, 0.002),
    "Mistral Nemo 12B": (_llama(5120, 14336, 40, 32, 8, 131072, model_type="mistral", head_dim=128), 12_247_782_400, 0),
    "Mixtral 8x7B": (
        _llama(4096, 14336, 32, 32, 8, 32000, model_type="mixtral", num_local_experts=8, num_experts_per_tok=2),
        46_702_792_704, 0,
    ),
    "Qwen 7B": (_llama(4096, 22016, 32, 32, 32, 151936, model_type="qwen", kv_channels=128), 7_721_324_544, 1e-4),
    "Qwen2 7B": (_llama(3584, 18944, 28, 28, 4, 152064, model_type="qwen2"), 7_615_616_512, 1e-4),
    "Qwen1.5 MoE": (
        _llama(2048, 5632, 24, 16, 16, 151936) | _moe("qwen2_moe", 60, 4, 1408, shared_expert_intermediate_size=5632),
        14_315_784_192, 1e-4,
    ),
    "Qwen3 8B": (_llama(4096, 12288, 36, 32, 8, 151936, model_type="qwen3", head_dim=128), 8_190_735_360, 1e-4),
    "Qwen3 30B A3B": (
        _llama(2048, 6144, 48, 32, 4, 151936, head_dim=128) | _moe("qwen3_moe", 128, 8, 768, decoder_sparse_step=1, mlp_only_layers=[]),
        30_532_122_624, 1e-4,
    ),
    "DeepSeek MoE 16B": (
        _llama(2048, 10944, 28, 16, 16, 102400) | _moe("deepseek", 64, 6, 1408, n_shared_experts=2, first_k_dense_replace=1, moe_layer_freq=1),
        16_375_728_128, 0,
    ),
    "DeepSeek V2": (
        _latent(5120, 12288, 60, 128, 102400, 1536) | _moe("deepseek_v2", 160, 6, 1536, n_shared_experts=2, first_k_dense_replace=1),
        235_741_434_880, 1e-6,
    ),
    "DeepSeek V2 Lite": (
        _latent(2048, 10944, 27, 16, 102400, None) | _moe("deepseek_v2", 64, 6, 1408, n_shared_experts=2, first_k_dense_replace=1),
        15_706_484_224, 1e-5,
    ),
    "DeepSeek V3": (
        _latent(7168, 18432, 61, 128, 129280, 1536) | _moe("deepseek_v3", 256, 8, 2048, n_shared_experts=1, first_k_dense_replace=3),
        671_026_419_200, 1e-6,
    ),
    "Kimi K2": (
        _latent(7168, 18432, 61, 64, 163840, 1536) | _moe("kimi_k2", 384, 8, 2048, n_shared_experts=1, first_k_dense_replace=1),
        1_026_408_232_448, 1e-6,
    ),
    "Gemma 2 9B": (
        {key: value for key, value in _llama(3584, 14336, 42, 16, 8, 256000, model_type="gemma2", head_dim=256).items() if key != "tie_word_embeddings"},
        9_241_705_984, 1e-4,
    ),
    "Gemma 3 27B, text": (
        {"model_type": "gemma3", "text_config": _llama(5376, 21504, 62, 32, 16, 262208, model_type="gemma3_text", head_dim=128, tie_word_embeddings=None)},
        27_009_346_304, 1e-4,
    ),
    "Phi-2": (_llama(2560, 10240, 32, 32, 32, 51200, model_type="phi"), 2_779_683_840, 1e-4),
    "Phi-3 mini": (_llama(3072, 8192, 32, 32, 32, 32064, model_type="phi3"), 3_821_079_552, 0),
    "GPT-2 XL": (GPT2_XL, 1_557_611_200, 0),
    "GPT-NeoX 20B": (NEOX, 20_554_567_680, 0),
    "GPT-J 6B": ({**GPT2_XL, "model_type": "gptj", "n_embd": 4096, "n_layer": 28, "n_head": 16, "vocab_size": 50400, "tie_word_embeddings": False}, 6_050_882_784, 2e-4),
    "OPT 350M": (OPT, 331_196_416, 1e-4),
    "BLOOM 7B": ({"model_type": "bloom", "hidden_size": 4096, "n_layer": 30, "n_head": 32, "vocab_size": 250880}, 7_069_016_064, 1e-5),
    "Falcon 40B": ({**FALCON_40B, "model_type": "falcon", "multi_query": True, "new_decoder_architecture": True}, 41_303_293_952, 1e-4),
    "Falcon 40B of 2023": ({**FALCON_40B, "model_type": "RefinedWeb"}, 41_303_293_952, 1e-4),
    "MPT 7B": (MPT, 6_649_286_656, 3e-4),
    "DBRX": (DBRX, 131_596_523_520, 1e-4),
    "BERT base": (BERT, 109_482_240, 0.006),
    "DeBERTa v3 base": ({**BERT, "model_type": "deberta-v2", "vocab_size": 128100, "type_vocab_size": 0}, 183_831_552, 0.003),
    "ModernBERT base": ({**BERT, "model_type": "modernbert", "intermediate_size": 1152, "num_hidden_layers": 22, "vocab_size": 50368}, 149_014_272, 0),
    "gpt-oss 20B": (
        _llama(2880, 2880, 24, 64, 8, 201088, model_type="gpt_oss", head_dim=64, num_local_experts=32, num_experts_per_tok=4),
        20_914_757_184, 1e-3,
    ),
    "GLM-4 9B": (_llama(4096, 13696, 40, 32, 2, 151552, model_type="glm", head_dim=128), 9_399_951_360, 1e-4),
    "GLM-4 9B of 2024": (CHATGLM, 9_399_951_360, 1e-4),
    "GLM-4.5 Air": (
        _llama(4096, 10944, 46, 96, 8, 151552, head_dim=128) | _moe("glm4_moe", 128, 8, 1408, n_shared_experts=1, first_k_dense_replace=1),
        106_852_251_264, 1e-5,
    ),
    "Command R": (
        {key: value for key, value in _llama(8192, 22528, 40, 64, 64, 256000, model_type="cohere").items() if key != "tie_word_embeddings"},
        34_980_831_232, 1e-4,
    ),
    "StarCoder 2 3B": (_llama(3072, 12288, 30, 24, 2, 49152, model_type="starcoder2", tie_word_embeddings=True), 3_030_371_328, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_configuration_counts_as_published(name: str) -> None:
    config, parameters, tolerance = PUBLISHED[name]
    shape = from_config(config, name=name)
    assert float(shape.parameters) == pytest.approx(parameters, rel=tolerance, abs=0.5)
    assert not shape.unchecked


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"model_type": "mamba", "hidden_size": 2560, "num_hidden_layers": 64, "vocab_size": 50280}, "state-space"),
        (_llama(4096, 14336, 32, 32, 8, 65536, model_type="jamba", attn_layer_period=8), "state-space"),
        (_llama(4096, 14336, 32, 32, 8, 65536, model_type="new", mamba_d_state=16), "mamba_d_state"),
        (_llama(4096, 14336, 32, 32, 8, 65536, model_type="new", layer_types=["full_attention", "linear_attention"]), "linear_attention"),
        (_llama(2048, 5120, 48, 16, 2, 151936, model_type="qwen3_next"), "linear attention"),
        ({"model_type": "t5", "d_model": 512, "num_layers": 6, "num_heads": 8, "vocab_size": 32128}, "an encoder and a decoder"),
        ({**BERT, "model_type": "albert"}, "share their weights"),
    ],
    ids=lambda value: value.get("model_type") if isinstance(value, dict) else value,
)  # fmt: skip
def test_what_is_no_plain_stack_is_refused_with_its_reason(config: dict[str, object], why: str) -> None:
    with pytest.raises(BadInput) as caught:
        from_config(config, name="m")
    assert why in caught.value.message
    assert caught.value.got


def test_a_type_that_nobody_checked_is_counted_and_said() -> None:
    shape = from_config(_llama(4096, 14336, 32, 32, 8, 32000, model_type="brand_new"), name="fresh")
    assert (shape.unchecked, int(shape.parameters)) == ("brand_new", 7_241_732_096)
    table = {
        "layers": 32,
        "hidden": 4096,
        "heads": 32,
        "kv_heads": 8,
        "ffn": 14336,
        "vocab": 32000,
        "unchecked": "brand_new",
        "name": "fresh",
    }
    for kind, more in (("train", {"tokens": "1B", "devices": 8}), ("serve", {"tokens_in": 100, "tokens_out": 100})):
        found = plan(kind, {"model": table, "device": "H100", "on": "2025-09-01", **more})["cases"][kind]
        assert any("brand_new" in note and "7,241,732,096" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("more", "window", "layers"),
    [
        ({"model_type": "mistral", "sliding_window": 4096}, 4096, 32),
        ({"model_type": "mistral", "sliding_window": None}, 0, 0),
        ({"model_type": "qwen2", "sliding_window": 131072, "use_sliding_window": False}, 0, 0),
        ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 20}, 4096, 12),
        ({"model_type": "gemma2", "sliding_window": 4096}, 4096, 16),
        ({"model_type": "gemma3_text", "sliding_window": 1024, "sliding_window_pattern": 6}, 1024, 27),
        ({"model_type": "cohere2", "sliding_window": 4096, "layer_types": ["sliding_attention"] * 24 + ["full_attention"] * 8}, 4096, 24),
    ],
    ids=str,
)  # fmt: skip
def test_windows_are_read(more: dict[str, object], window: int, layers: int) -> None:
    shape = from_config(_llama(4096, 14336, 32, 32, 8, 32000, **more), name="m")
    assert (shape.window, shape.windowed_layers) == (window, layers)


def test_a_window_bounds_what_is_kept_and_computed() -> None:
    """Gemma 3 keeps a sixth of its layers whole: at 100,000 tokens its cache is little more than a sixth of a stack without windows."""
    plain = from_config(_llama(4096, 14336, 30, 32, 8, 32000), name="plain")
    windowed = from_config(
        _llama(4096, 14336, 30, 32, 8, 32000, model_type="gemma3_text", sliding_window=1000, sliding_window_pattern=6), name="w"
    )
    assert plain.seen(100_000) == 100_000
    assert windowed.seen(100_000) == pytest.approx((5 * 100_000 + 25 * 1000) / 30)
    assert windowed.seen(900) == 900
    assert plain.pairs(2000) == 2000**2 / 2
    assert windowed.pairs(2000) == pytest.approx((5 * 2_000_000 + 25 * 1_500_000) / 30)  # each of the later 1,000 sees 1,000
    assert windowed.pairs(1000) == plain.pairs(1000)
