"""Was it worth choosing? The active arm beside the random arm, at the same number of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pickaxe.data.label.features import FastModel

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

POINTS = 6
RESAMPLES = 1000
FEWEST = 20


def learning_curves(
    sparse: csr_matrix,
    arms: Mapping[str, Sequence[tuple[int, str]]],
    truth: Sequence[tuple[int, str]],
    seed: int,
) -> dict[str, Any]:
    """Accuracy of the fast model, trained on the first c labels of one arm only, for growing c.

    Args:
        sparse: features of all texts, shape (n, words).
        arms: ``active`` and ``random``: places and labels, in the order in which they were given.
        truth: places and labels to measure on; none of them in the arms.

    Returns ``{"counts": [...], "active": {"accuracy", "low", "high"}, "random": {…}, "difference": {…}}``: lists, one value
    per count. Intervals are 95% percentile bootstrap intervals over the measured texts (1,000 resamples, the same for both arms);
    the chance of which texts an arm drew is not in them. A value is None while an arm has seen one class only.
    `counts` is empty when an arm has fewer than 20 labels or there is nothing to measure on.
    """
    import numpy as np

    most = min((len(arms.get(name, ())) for name in ("active", "random")), default=0)
    if most < FEWEST or not truth:
        return {"counts": [], "why": f"at least {FEWEST} labels in each arm and some texts to measure on are needed"}
    counts = [int(count) for count in np.unique(np.linspace(FEWEST, most, POINTS).round())]
    places = [at for at, _ in truth]
    labels = np.asarray([label for _, label in truth])
    samples = np.random.default_rng([seed, 1]).integers(len(truth), size=(RESAMPLES, len(truth)))
    right = {name: [_right(sparse, arms[name][:count], places, labels) for count in counts] for name in ("active", "random")}
    both = [None if a is None or r is None else a - r for a, r in zip(right["active"], right["random"], strict=True)]
    return {
        "counts": counts,
        "active": _intervals(right["active"], samples, "accuracy"),
        "random": _intervals(right["random"], samples, "accuracy"),
        "difference": _intervals(both, samples, "accuracy"),
        "measured_on": len(truth),
    }


def _right(sparse: csr_matrix, labelled: Sequence[tuple[int, str]], places: list[int], truth: np.ndarray) -> np.ndarray | None:
    """1.0 where the model trained on `labelled` is right, shape (len(truth),); None if it has nothing to learn from."""
    import numpy as np

    model = FastModel.fit(sparse[[at for at, _ in labelled]], [label for _, label in labelled])
    return None if model is None else (np.asarray(model.predict(sparse[places])) == truth).astype(np.float64)


def _intervals(values: Sequence[np.ndarray | None], samples: np.ndarray, name: str) -> dict[str, list[float | None]]:
    import numpy as np

    found: dict[str, list[float | None]] = {name: [], "low": [], "high": []}
    for value in values:
        if value is None:
            means, ends = None, (None, None)
        else:
            means = round(float(value.mean()), 6)
            ends = tuple(round(float(end), 6) for end in np.quantile(value[samples].mean(axis=1), [0.025, 0.975]))
        for key, number in zip(found, (means, *ends), strict=True):
            found[key].append(number)
    return found
