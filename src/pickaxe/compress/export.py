"""Export a fine-tuned encoder to ONNX, in fp32 or with weights in 8 bits.

What comes out is the teacher itself with all its layers: dropping layers without training the rest again ruins it.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.compress.backends.folder import write_manifest
from pickaxe.compress.config import OnnxSettings
from pickaxe.kernel.errors import BadInput, Unavailable
from pickaxe.kernel.predictors import MANIFEST

if TYPE_CHECKING:
    from torch import nn

FORMAT = "onnx"
MODEL = "model.onnx"


def export(teacher: Path, folder: Path, scratch: Path, settings: OnnxSettings) -> None:
    """Write the model in `teacher` (format "encoder") to `folder` (format "onnx").

    Raises `BadInput` when the teacher is no fine-tuned encoder, `Unavailable` when the exporter is not installed.
    """
    manifest = _read_teacher(teacher)
    plain = scratch / "plain.onnx"
    _export_fp32(_whole_network(teacher, manifest), plain)
    folder.mkdir(parents=True, exist_ok=True)
    if settings.precision == "int8":
        _quantise(plain, folder / MODEL, scratch)
    else:
        shutil.copyfile(plain, folder / MODEL)
    shutil.copyfile(teacher / "tokenizer.json", folder / "tokenizer.json")
    write_manifest(folder, FORMAT, settings, manifest["classes"])
    described = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    described |= {"max_length": manifest["max_length"], "temperature": manifest["temperature"]}
    (folder / MANIFEST).write_text(json.dumps(described, indent=1, sort_keys=True), encoding="utf-8")


def _read_teacher(teacher: Path) -> dict[str, Any]:
    manifest = json.loads((teacher / MANIFEST).read_text(encoding="utf-8"))
    if manifest.get("format") != "encoder":
        raise BadInput(
            f"a model of format {manifest.get('format')!r} cannot be exported to ONNX",
            expected="a fine-tuned encoder (format 'encoder')",
            remedy="hand over the teacher, or leave the family onnx out of the search",
        )
    return manifest


def _whole_network(teacher: Path, manifest: dict[str, Any]) -> nn.Module:
    """Encoder, pooling and head as one module from (input_ids, attention_mask) to scores."""
    import torch
    from safetensors.torch import load_file
    from torch import nn

    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import AutoModel, logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(
                teacher, trust_remote_code=False, use_safetensors=True, local_files_only=True, attn_implementation="eager"
            ).float()
            weights = load_file(teacher / "head.safetensors")
            outputs, inputs = weights["weight"].shape
            self.head = nn.Linear(inputs, outputs)
            self.head.load_state_dict(weights)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            if manifest["pooling"] == "first":
                return self.head(hidden[:, 0])
            there = attention_mask.unsqueeze(-1).to(hidden.dtype)
            return self.head((hidden * there).sum(dim=1) / there.sum(dim=1).clamp(min=1))

    return Whole().eval()


def _export_fp32(network: nn.Module, path: Path) -> None:
    import torch

    try:
        import onnxscript  # noqa: F401 - the exporter needs it
    except ImportError as error:
        raise Unavailable("exporting to ONNX needs onnxscript", remedy='pip install "pickaxe[train]"') from error
    # Two tensors, not one twice: the exporter would take both inputs for the same.
    tokens, mask = torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long)
    dynamic = {0: torch.export.Dim("texts", min=1, max=4096), 1: torch.export.Dim("tokens", min=1, max=8192)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (tokens, mask),
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["scores"],
            dynamo=True,
            dynamic_shapes={"input_ids": dynamic, "attention_mask": dynamic},
            external_data=False,
            verbose=False,
        )
    _strip(path)


def _strip(path: Path) -> None:
    """Drop what the exporter notes about the source code: it names paths of this machine and is no part of the model."""
    import onnx

    model = onnx.load(path)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:], model.graph.metadata_props[:]
    for function in model.functions:
        for node in function.node:
            del node.metadata_props[:]
    onnx.save(model, path)


def _quantise(plain: Path, path: Path, scratch: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(plain)
    # The shapes that the exporter noted contradict what the quantiser inserts.
    del model.graph.value_info[:]
    bare = scratch / "bare.onnx"
    onnx.save(model, bare)
    quantize_dynamic(bare, path, per_channel=True, weight_type=QuantType.QInt8)
