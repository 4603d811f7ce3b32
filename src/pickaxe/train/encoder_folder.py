"""Folders with a pretrained encoder: what must be in them, and where a named one comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pickaxe.kernel.errors import BadInput, Unavailable

NEEDED = ("config.json", "model.safetensors", "tokenizer.json")
_PICKLED = ("pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "pytorch_model.pt")


def check_encoder(folder: Path) -> dict[str, Any]:
    """The encoder's configuration; raises `BadInput` when the folder lacks files, holds pickles only, or is no plain encoder."""
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    pickled = [name for name in _PICKLED if (folder / name).exists()]
    if "model.safetensors" in missing and pickled:
        raise BadInput(
            f"the encoder {folder.name} has pickled weights only",
            expected="model.safetensors",
            got=", ".join(pickled),
            remedy="convert it once where you trust it: AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)",
        )
    if missing:
        raise BadInput(
            f"{folder.name} is not a complete encoder folder",
            expected=", ".join(NEEDED),
            got=f"without {', '.join(missing)}",
            remedy="name a folder written by save_pretrained of a model and of its fast tokenizer",
        )
    return _read_config(folder / "config.json")


def find_encoder(name: str) -> Path:
    """The folder that `name` means: a local folder, or a model on the Hugging Face Hub, which is fetched into its cache.

    Only JSON, vocabulary and safetensors files are fetched. Raises `BadInput` or `Unavailable` with the remedy.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _from_hub(name)
    check_encoder(folder)
    return folder


def _from_hub(name: str) -> Path:
    if name.count("/") > 1 or name.startswith((".", "/", "~")):
        raise BadInput(f"there is no folder {name}", expected="a folder with an encoder, or OWNER/MODEL of the Hugging Face Hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "vocab.*", "merges.txt", "model.safetensors"]))
    except HFValidationError as error:
        raise BadInput(f"{name!r} is neither a folder nor a model's name", remedy="name a folder or OWNER/MODEL") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise Unavailable(
            f"the model {name} could not be fetched: {str(error).splitlines()[0][:200]}",
            remedy="check the name and the network, or download the model elsewhere and name its folder",
        ) from error


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"the encoder's config.json is not JSON: {error}", remedy="fetch or save the model again") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise BadInput("the encoder's config.json names no model_type", remedy="name a folder written by save_pretrained")
    if config.get("is_encoder_decoder"):
        raise BadInput(
            f"a {config['model_type']} has an encoder and a decoder", expected="an encoder", remedy="choose a BERT-like model"
        )
    if config.get("auto_map"):
        raise BadInput(
            "this model brings code of its own, which is never run",
            expected="an architecture that transformers knows",
            remedy="choose another model",
        )
    return config
