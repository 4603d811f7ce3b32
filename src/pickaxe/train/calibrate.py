"""Temperature scaling: confidence that means what it says (Guo, Pleiss, Sun and Weinberger, ICML 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

FEWEST_ROWS = 30
_RANGE = (0.25, 8.0)


def temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The divisor of the logits, shape (n, classes), that minimises the loss on `targets`; 1 for fewer than 30 rows."""
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    if len(targets) < FEWEST_ROWS:
        return 1.0
    rows = np.arange(len(targets))

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        return float(-log_softmax(scaled, axis=1)[rows, targets].mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(_RANGE)), method="bounded", options={"xatol": 1e-4})
    return round(float(np.exp(found.x)), 4)
