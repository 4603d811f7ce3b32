"""The format "encoder": a fine-tuned transformer encoder with a linear head, run by PyTorch.

The folder is an ordinary Hugging Face encoder folder (config.json, model.safetensors, tokenizer.json) with two files more:
head.safetensors (weight, shape (classes, width), and bias) and pickaxe.json.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.predictors import MANIFEST
from pickaxe.train.network import Network, build

if TYPE_CHECKING:
    import numpy as np

FORMAT = "encoder"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


class EncoderPredictor:
    """A fine-tuned encoder, ready to answer."""

    def __init__(self, network: Network, classes: Sequence[str], temperature: float) -> None:
        self.classes = tuple(classes)
        self.temperature = temperature
        self._network = network

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Calibrated class probabilities, shape (len(texts), len(classes)), float32."""
        import numpy as np
        from scipy.special import softmax

        if not len(texts):
            return np.zeros((0, len(self.classes)), dtype=np.float32)
        scores = self._network.scores(self._network.tokenize(texts))
        return softmax(scores.astype(np.float64) / self.temperature, axis=1).astype(np.float32)


def load(path: Path) -> EncoderPredictor:
    """The model in the folder `path`; raises `BadInput` when its files do not belong together."""
    manifest = read_manifest(path)
    network = build(path, len(manifest["classes"]), pooling=manifest["pooling"], max_length=manifest["max_length"])
    _load_head(path, network)
    return EncoderPredictor(network, manifest["classes"], manifest["temperature"])


def load_network(path: Path, classes: Sequence[str], **options: Any) -> tuple[Network, bool]:
    """The stored model as a start for more training; its head too when it has the same classes (second value)."""
    manifest = read_manifest(path)
    network = build(path, len(classes), **options)
    same = tuple(manifest["classes"]) == tuple(classes)
    if same:
        _load_head(path, network)
    return network, same


def save(folder: Path, network: Network, source: Path, manifest: dict[str, Any]) -> None:
    """Write the model folder; the same network gives the same bytes. `source` has the tokenizer's files."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    network.encoder.save_pretrained(folder)
    _rewrite_config(folder / "config.json")
    save_file(
        {name: tensor.detach().contiguous() for name, tensor in network.head.state_dict().items()}, folder / "head.safetensors"
    )
    for name in _TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, **manifest}, indent=1, sort_keys=True), encoding="utf-8")


def read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path.name} is not a model folder: {error}", expected=f"a readable {MANIFEST}") from error
    missing = [key for key in ("classes", "pooling", "max_length", "temperature") if key not in manifest]
    if manifest.get("format") != FORMAT or missing:
        raise BadInput(
            f"{path.name} holds no fine-tuned encoder",
            expected=f"format {FORMAT!r} with classes, pooling, max_length and temperature",
            got=f"format {manifest.get('format')!r}" + (f" without {', '.join(missing)}" if missing else ""),
            remedy="hand over a model that train_teacher made",
        )
    return manifest


def _load_head(path: Path, network: Network) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network.head.load_state_dict(load_file(path / "head.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise BadInput(f"the head of {path.name} does not fit its manifest: {error}", remedy="train the model again") from error


def _rewrite_config(path: Path) -> None:
    # save_pretrained may note where the weights came from; a path is no part of a model.
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=1, sort_keys=True), encoding="utf-8")
