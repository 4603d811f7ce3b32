"""The format "static": averaged token vectors with a small network on top; numpy and a tokenizer are all it needs.

The folder holds pickaxe.json (classes, settings), weights.safetensors (`StaticWeights`) and tokenizer.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.compress.backends.folder import read_folder, write_folder
from pickaxe.compress.calibrate import probabilities
from pickaxe.compress.config import StaticSettings
from pickaxe.compress.static import StaticWeights
from pickaxe.compress.tokens import encode, read_tokenizer
from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

FORMAT = "static"
_TEXTS_AT_ONCE = 1024


class StaticPredictor:
    """A static student, ready to answer."""

    def __init__(
        self, weights: StaticWeights, tokenizer: str, settings: StaticSettings, classes: Sequence[str], temperature: float = 1.0
    ) -> None:
        self.classes = tuple(classes)
        self._temperature = temperature
        self._weights, self._settings, self._rules = weights, settings, read_tokenizer(tokenizer)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Class probabilities, shape (len(texts), len(classes)), float32."""
        import numpy as np

        scores = np.empty((len(texts), len(self.classes)), dtype=np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            some = texts[start : start + _TEXTS_AT_ONCE]
            flat, starts = encode(self._rules, some, self._settings.max_tokens)
            scores[start : start + len(some)] = self._weights.scores(self._weights.embed(flat, starts))
        return probabilities(scores, self._temperature)


def load(path: Path) -> StaticPredictor:
    """The student in the folder `path`; raises `BadInput` when its files do not belong together."""
    manifest, arrays = read_folder(path, FORMAT, StaticWeights.__annotations__)
    try:
        tokenizer = (path / "tokenizer.json").read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path.name} has no tokenizer.json", remedy="train the student again") from error
    settings = StaticSettings.parse(manifest["settings"], where="settings")
    return StaticPredictor(StaticWeights(**arrays), tokenizer, settings, manifest["classes"], manifest["temperature"])


def save(folder: Path, weights: StaticWeights, tokenizer: str, settings: StaticSettings, classes: Sequence[str]) -> None:
    """Write the model folder; the same weights give the same bytes."""
    write_folder(folder, FORMAT, weights.arrays(), settings, classes)
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
