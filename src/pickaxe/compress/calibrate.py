"""A student's confidence, brought in line with how often it is right: temperature scaling (Guo et al., ICML 2017).

A student that learned from a teacher's softened probabilities is less sure than it should be. One number, fitted on people's labels
that the student did not learn from, divides its scores; which class wins does not change.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.kernel.predictors import MANIFEST

if TYPE_CHECKING:
    import numpy as np

FEWEST_ROWS = 50
_RANGE = (0.2, 5.0)


def temperature(probs: np.ndarray, labels: np.ndarray) -> float:
    """The divisor of the log-probabilities, shape (n, classes), that minimises the log-loss; 1 for fewer than 50 rows."""
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    if len(labels) < FEWEST_ROWS:
        return 1.0
    scores, rows = np.log(np.maximum(probs.astype(np.float64), 1e-12)), np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(scores / np.exp(log_temperature), axis=1)[rows, labels].mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(_RANGE)), method="bounded", options={"xatol": 1e-4})
    return round(float(np.exp(found.x)), 4)


def probabilities(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of scores, shape (n, classes), divided by the temperature; the scores are overwritten."""
    import numpy as np

    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores / temperature, out=scores)
    return scores / scores.sum(axis=1, keepdims=True)


def set_temperature(folder: Path, value: float) -> None:
    """Write it into the manifest of a model folder, on top of a temperature that is there already."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["temperature"] = round(manifest.get("temperature", 1.0) * value, 6)
    path.write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
