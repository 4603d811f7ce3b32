"""Small models on disk: pickaxe.json and one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.predictors import MANIFEST

if TYPE_CHECKING:
    import numpy as np

WEIGHTS = "weights.safetensors"


def write_folder(folder: Path, form: str, arrays: dict[str, np.ndarray], settings: Config, classes: Sequence[str]) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / WEIGHTS)
    write_manifest(folder, form, settings, classes)


def write_manifest(folder: Path, form: str, settings: Config, classes: Sequence[str]) -> None:
    manifest = {"format": form, "classes": list(classes), "settings": settings.model_dump(mode="json"), "temperature": 1.0}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")


def read_manifest(path: Path, form: str) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        found, classes, settings = manifest["format"], manifest["classes"], manifest["settings"]
        manifest["temperature"] = float(manifest["temperature"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path.name} is not a model folder: {error!r:.200}",
            expected=f"a {MANIFEST} with format, classes, settings and temperature",
            remedy="hand over a student, unchanged",
        ) from error
    if found != form or not isinstance(settings, dict) or not isinstance(classes, list) or len(classes) < 2:
        raise BadInput(f"{path.name} holds no {form} model", expected=f"format {form!r} and two classes or more", got=repr(found))
    return manifest


def read_folder(path: Path, form: str, needed: Iterable[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Manifest and arrays; raises `BadInput` when a file is missing, torn, or lacks an array."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    manifest = read_manifest(path, form)
    try:
        arrays = load_file(path / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise BadInput(f"the weights of {path.name} cannot be read: {error}", remedy="train the student again") from error
    missing = sorted(set(needed) - set(arrays))
    if missing:
        raise BadInput(f"the weights of {path.name} lack {', '.join(missing)}", remedy="train the student again")
    return manifest, {name: arrays[name] for name in needed}
