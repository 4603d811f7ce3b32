"""ONNX models made by hand: sound ones, and ones that some word of a text sends astray."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

WORDS = {"[UNK]": 0, "area": 1, "astray": 2}
CLASSES = ("serious", "sarcastic")


def sound() -> list[onnx.NodeProto]:
    return [node("Identity", ["plain"], ["scores"])]


def never_ends(*, on_word: bool = True) -> list[onnx.NodeProto]:
    """Goes round for ever, where the word occurs; or always."""
    round_ = helper.make_graph(
        [node("Identity", ["go"], ["go_on"]), node("Identity", ["so_far"], ["further"])],
        "round",
        [value("number", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("so_far", TensorProto.FLOAT, None)],
        [value("go_on", TensorProto.BOOL, []), value("further", TensorProto.FLOAT, None)],
    )
    begins = (
        [node("Greater", ["astray", "none"], ["begin"])] if on_word else [node("GreaterOrEqual", ["astray", "none"], ["begin"])]
    )
    return [*begins, helper.make_node("Loop", ["", "begin", "plain"], ["scores"], body=round_)]


def one_long_step() -> list[onnx.NodeProto]:
    """A single operation of hours, which nothing within onnxruntime interrupts."""
    size = 1 << 21
    return [
        node("Mul", ["astray", number("size", size)], ["wide"]),
        node("Max", ["wide", number("least", size // 2)], ["width"]),
        node("Reshape", ["width", "shape_1"], ["width_1"]),
        node("Concat", ["ones_2", "width_1"], ["shape"], axis=0),
        node("ConstantOfShape", ["shape"], ["zeros"]),
        node("LpPool", ["zeros"], ["pooled"], kernel_shape=[size // 2]),
        node("ReduceMax", ["pooled"], ["zero"], keepdims=0),
        node("Add", ["plain", "zero"], ["scores"]),
    ]


def takes_all_memory() -> list[onnx.NodeProto]:
    return [
        node("Mul", ["astray", number("size", 1 << 40)], ["wide"]),
        node("Reshape", ["wide", "shape_1"], ["shape"]),
        node("ConstantOfShape", ["shape"], ["zeros"]),
        node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
        node("Add", ["plain", "zero"], ["scores"]),
    ]


def outside(place: str) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """A number of its own, kept in the file `place`."""
    kept = TensorProto(name="kept", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, told in (("location", place), ("offset", "0"), ("length", "4")):
        kept.external_data.add(key=key, value=told)
    return [node("Add", ["plain", "kept"], ["scores"])], [kept]


def write_onnx(folder: Path, nodes: list[onnx.NodeProto], further: list[onnx.TensorProto] | None = None) -> Path:
    """A model folder: sarcastic where the word `area` occurs; `nodes` make ``scores`` of ``plain`` and of ``astray``, a count."""
    folder.mkdir(parents=True)
    before = [
        *count("area", 1),
        node("Cast", ["area"], ["hits"], to=TensorProto.FLOAT),
        node("Neg", ["hits"], ["against"]),
        node("Concat", ["against", "hits"], ["plain"], axis=1),
        *count("astray_each", 2),
        node("ReduceSum", ["astray_each"], ["astray"], keepdims=0),
    ]
    named = _NUMBERS | {f"word_{number}": number for number in WORDS.values()} | {"none": 0}
    constants = [helper.make_tensor(name, TensorProto.INT64, [], [at]) for name, at in named.items()]
    constants += [
        helper.make_tensor("axis_1", TensorProto.INT64, [1], [1]),
        helper.make_tensor("shape_1", TensorProto.INT64, [1], [1]),
        helper.make_tensor("ones_2", TensorProto.INT64, [2], [1, 1]),
    ]
    graph = helper.make_graph(
        [*before, *nodes],
        "model",
        [value("input_ids", TensorProto.INT64, ["n", "t"]), value("attention_mask", TensorProto.INT64, ["n", "t"])],
        [value("scores", TensorProto.FLOAT, ["n", 2])],
        [*constants, *(further or [])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "tokenizer.json").write_text(_tokenizer(), encoding="utf-8")
    manifest = {"format": "onnx", "classes": CLASSES, "settings": {}, "max_length": 16, "temperature": 1.0}
    (folder / "pickaxe.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


_NUMBERS: dict[str, int] = {}


def number(name: str, is_: int) -> str:
    _NUMBERS[f"{name}_{is_}"] = is_
    return f"{name}_{is_}"


def count(name: str, word: int) -> list[onnx.NodeProto]:
    """How often a word occurs in each text, shape (n, 1)."""
    return [
        node("Equal", ["input_ids", f"word_{word}"], [f"{name}_is"]),
        node("Cast", [f"{name}_is"], [f"{name}_at"], to=TensorProto.INT64),
        node("ReduceSum", [f"{name}_at", "axis_1"], [name], keepdims=1),
    ]


def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, outputs, **attributes)


def value(name: str, kind: int, shape: list[int | str] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _tokenizer() -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers

    rules = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    rules.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    return rules.to_str()
