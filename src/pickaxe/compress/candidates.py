"""What a student can be: families with settings, how each is trained, and what one answer of it costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.compress import export, linear, static
from pickaxe.compress.backends import linear as linear_format
from pickaxe.compress.backends import static as static_format
from pickaxe.compress.config import Family, LinearSettings, OnnxSettings, StaticSettings
from pickaxe.compress.hashing import split_words
from pickaxe.compress.linear import Counted
from pickaxe.compress.targets import Targets
from pickaxe.compress.tokens import encode, read_tokenizer
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.predictors import MANIFEST

if TYPE_CHECKING:
    import numpy as np

    from pickaxe.kernel.step import StepContext

CHEAPEST_FIRST: tuple[Family, ...] = ("linear", "static", "onnx")
SETTINGS = {"linear": LinearSettings, "static": StaticSettings, "onnx": OnnxSettings}

_OVERHEAD_MS = {"linear": 0.05, "static": 0.1, "onnx": 0.3}
"""Fixed time of one call, measured on a 2-core machine in November 2026 and rounded up."""


@dataclass(frozen=True)
class Candidate:
    """A student that might be: a family and its settings."""

    family: Family
    settings: LinearSettings | StaticSettings | OnnxSettings

    @property
    def name(self) -> str:
        told = {
            key: value for key, value in self.settings.model_dump(mode="json").items() if key in self.settings.model_fields_set
        }
        return self.family + (f" {json.dumps(told, sort_keys=True)}" if told else "")


@dataclass
class Workshop:
    """Trains candidates on the same rows; counts n-grams once for all linear candidates that share them.

    Attributes:
        teacher: folder of the encoder that static and onnx students come from, None when there is none.
    """

    ctx: StepContext
    targets: Targets
    teacher: Path | None
    _counted: dict[str, Counted] = field(default_factory=dict[str, Counted])

    def make(self, candidate: Candidate, rows: np.ndarray, classes: Sequence[str], folder: Path) -> Path:
        """Train on `rows` of the targets and write the model folder."""
        settings = candidate.settings
        if isinstance(settings, LinearSettings):
            weights = linear.fit_linear(
                _rows_of(self._count(settings), rows), self.targets.probs[rows], self.targets.weights[rows], settings
            )
            linear_format.save(folder, weights, settings, classes)
            return folder
        teacher = self.teacher
        if teacher is None:
            raise BadInput(
                f"a student of the family {candidate.family} comes from a teacher",
                expected="an input `teacher`",
                got="none",
                remedy="hand over the teacher or choose the family linear",
            )
        if isinstance(settings, StaticSettings):
            weights = static.fit_static(_taken(self.targets, rows), teacher, settings, self.ctx.seed)
            tokenizer = (teacher / "tokenizer.json").read_text(encoding="utf-8")
            static_format.save(folder, weights, tokenizer, settings, classes)
        else:
            export.export(teacher, folder, _made(self.ctx.scratch / "export"), settings)
        return folder

    def _count(self, settings: LinearSettings) -> Counted:
        key = settings.model_copy(update={"l2": 1.0}).model_dump_json()
        if key not in self._counted:
            self._counted[key] = linear.count_ngrams(self.targets.texts, settings)
        return self._counted[key]


def estimate_ms(candidate: Candidate, texts: Sequence[str], classes: int, teacher: Path | None, gflops: float) -> float:
    """Time of one answer in ms, estimated from its multiply-adds at `gflops` and the family's fixed overhead.

    An estimate, not a measurement, so that the same inputs always lead to the same choice.
    """
    settings = candidate.settings
    if isinstance(settings, LinearSettings):
        work = 3 * (classes + 1) * _mean([len(split_words(text, settings.max_words)) for text in texts])
    else:
        assert teacher is not None
        rules = read_tokenizer((teacher / "tokenizer.json").read_text(encoding="utf-8"))
        longest = settings.max_tokens if isinstance(settings, StaticSettings) else _max_length(teacher)
        flat, starts = encode(rules, texts, longest)
        tokens = len(flat) / max(1, len(starts)) + 2
        if isinstance(settings, StaticSettings):
            work = settings.width * (tokens + (settings.hidden or classes))
        else:
            work = tokens * _weights_per_token(teacher) * (0.5 if settings.precision == "int8" else 1.0)
    return round(_OVERHEAD_MS[candidate.family] + work / gflops / 1e6, 3)


def _weights_per_token(teacher: Path) -> float:
    """Weights that each token meets: all of them but the embedding tables."""
    from safetensors import safe_open

    with safe_open(teacher / "model.safetensors", framework="numpy") as stored:
        shapes = [stored.get_slice(name).get_shape() for name in stored.keys() if "embed" not in name]  # noqa: SIM118
    return float(sum(shape[0] * shape[1] for shape in shapes if len(shape) == 2))


def _max_length(teacher: Path) -> int:
    return int(json.loads((teacher / MANIFEST).read_text(encoding="utf-8")).get("max_length", 512))


def _rows_of(counted: Counted, rows: np.ndarray) -> Counted:
    return Counted(counted.words[rows], None if counted.chars is None else counted.chars[rows])


def _taken(targets: Targets, rows: np.ndarray) -> Targets:
    return Targets([targets.texts[row] for row in rows], targets.probs[rows], targets.weights[rows])


def _mean(values: list[int]) -> float:
    return sum(values) / max(1, len(values))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
