"""How a stored model becomes something that answers, whichever room trained it.

A model artifact is a folder whose ``pickaxe.json`` names a *format*; the registry maps the format to a loader. Weights are
safetensors, ONNX or NPZ without objects: no pickle is ever read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.registry import PREDICTORS, load_named

if TYPE_CHECKING:
    import numpy as np

MANIFEST = "pickaxe.json"
PROGRAMS = frozenset({"onnx"})
"""Formats whose files say what is computed, loops included. Where others wait for its answers, such a model runs in a process of its own."""


@runtime_checkable
class Predictor(Protocol):
    """A text classifier, ready to answer."""

    classes: Sequence[str]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Class probabilities, shape (len(texts), len(classes)), float32, rows sum to 1."""
        ...


def load_predictor(folder: Path) -> Predictor:
    """Load the model in `folder` with the loader registered for its format.

    Raises `BadInput` when the manifest is missing or names an unknown format.
    """
    return load_named(PREDICTORS, format_of(folder), what="model format")(folder)


def format_of(folder: Path) -> str | None:
    """The format that the manifest of the model in `folder` names; raises `BadInput` when there is no manifest."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise BadInput(f"{folder.name} is not a model folder", expected=f"a file {MANIFEST} in it", got="none")
    return json.loads(manifest.read_text(encoding="utf-8")).get("format")
