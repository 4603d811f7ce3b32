"""Softmax regression on soft targets: the linear model that distillation trains (Hinton, Vinyals and Dean 2015)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def fit_softmax(
    features: Any,
    targets: np.ndarray,
    weights: np.ndarray,
    *,
    l2: float,
    max_iterations: int = 100,
    tolerance: float = 1e-5,
    tell: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise the weighted cross-entropy to soft targets plus ``l2 / 2 * |W|^2`` with L-BFGS (Liu and Nocedal 1989).

    Args:
        features: array or sparse matrix, shape (n, d).
        targets: probabilities, shape (n, classes).
        weights: shape (n,).
        tolerance: relative gain of a step below which it stops; 1e-7 takes twice as long and is no more accurate on new texts.

    Returns:
        W, float64 of shape (d, classes), and the bias, shape (classes,).
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    classes, total = targets.shape[1], float(weights.sum())
    # Two classes need one direction only; the regularised optimum is the same and costs half.
    basis = np.array([[-0.5, 0.5]]) if classes == 2 else np.eye(classes)
    penalty = l2 / total * (0.5 if classes == 2 else 1.0)
    width, transposed = features.shape[1], features.T.tocsr() if hasattr(features, "tocsr") else features.T
    iterations = 0

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        slopes, bias = _parts(flat, width, basis)
        # The products in the features' own precision, the rest in double: they are what takes the time.
        scores = (features @ slopes.astype(features.dtype)).astype(np.float64) + bias
        log_probs = log_softmax(scores @ basis, axis=1)
        loss = -float((weights[:, None] * targets * log_probs).sum()) / total + penalty / 2 * float((slopes * slopes).sum())
        pull = (np.exp(log_probs) - targets) * (weights / total)[:, None] @ basis.T
        return loss, np.concatenate([(transposed @ pull.astype(features.dtype) + penalty * slopes).ravel(), pull.sum(axis=0)])

    def count(_: np.ndarray) -> None:
        nonlocal iterations
        iterations += 1
        if tell:
            tell(iterations)

    start = np.zeros((width + 1) * len(basis))
    options = {"maxiter": max_iterations, "ftol": tolerance, "gtol": 1e-6, "maxcor": 6}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options, callback=count)
    slopes, bias = _parts(found.x, width, basis)
    return slopes @ basis, bias @ basis


def _parts(flat: np.ndarray, width: int, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    directions = len(basis)
    return flat[: width * directions].reshape(width, directions), flat[width * directions :]
