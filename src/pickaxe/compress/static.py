"""The static family: the teacher's token vectors, averaged, with a small network on top.

As in model2vec (Tulkens and van Dongen 2024, MinishLab): token vectors are taken out of the transformer once, reduced by principal
components and weighted by rarity, here the smooth inverse frequency of Arora, Liang and Ma (ICLR 2017). The vectors are
the teacher's input embeddings: running each token through the whole teacher was tried and did worse. Only the head learns,
from soft targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pickaxe.compress.config import StaticSettings
from pickaxe.compress.targets import Targets
from pickaxe.compress.tokens import encode, read_token_vectors, read_tokenizer
from pickaxe.kernel.ledger.tokens import count_tokens

if TYPE_CHECKING:
    import numpy as np

_SIF = 1e-3
_BATCH = 64
_LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class StaticWeights:
    """What a static student consists of.

    Attributes:
        rows: int64, shape (vocabulary,): the row of a token in `vectors`; row 0, all zeros, is for what was never seen.
        vectors: float32, shape (tokens, width + 1): weighted vectors; the last column is the squared weight.
        hidden, hidden_bias: float32, shapes (width, units) and (units,); 0 units for a linear head.
        out, out_bias: float32, shapes (units or width, classes) and (classes,).
    """

    rows: np.ndarray
    vectors: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    out: np.ndarray
    out_bias: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        return dict(vars(self))

    def embed(self, flat: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Text vectors, float32, shape (len(starts), width), from token ids and the places where texts start."""
        import numpy as np

        count_tokens(int((flat >= 0).sum()))
        known = np.where((flat >= 0) & (flat < len(self.rows)), self.rows[np.clip(flat, 0, len(self.rows) - 1)], 0)
        summed = np.add.reduceat(self.vectors[known], starts, axis=0)
        return summed[:, :-1] / np.sqrt(np.maximum(summed[:, -1:], 1e-12))

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Scores before the softmax, float32, shape (texts, classes)."""
        import numpy as np

        if self.hidden.shape[1]:
            vectors = np.maximum(vectors @ self.hidden + self.hidden_bias, 0)
        return vectors @ self.out + self.out_bias


def fit_static(
    targets: Targets, teacher: Path, settings: StaticSettings, seed: int, tell: Callable[[int], None] | None = None
) -> StaticWeights:
    """Learn a head over the token vectors of the encoder in the folder `teacher`."""
    import numpy as np

    rules = read_tokenizer((teacher / "tokenizer.json").read_text(encoding="utf-8"))
    flat, starts = encode(rules, targets.texts, settings.max_tokens)
    classes = targets.probs.shape[1]
    empty = np.zeros((settings.width, 0), dtype=np.float32), np.zeros(0, dtype=np.float32)
    head = np.zeros((settings.width, classes), dtype=np.float32), np.zeros(classes, dtype=np.float32)
    bare = StaticWeights(*_token_table(read_token_vectors(teacher), flat, settings.width), *empty, *head)
    return _train_head(bare, bare.embed(flat, starts), targets, settings, seed, tell)


def _token_table(vectors: np.ndarray, flat: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers per token and the weighted principal components of the tokens that occur."""
    import numpy as np

    used, counts = np.unique(flat[(flat >= 0) & (flat < len(vectors))], return_counts=True)
    own = vectors[used].astype(np.float64)
    own -= own.mean(axis=0) if len(own) else 0
    values, axes = np.linalg.eigh(own.T @ own)
    # The sign of a principal axis is arbitrary; the largest entry decides, so that every library agrees.
    axes = axes[:, np.argsort(-values)][:, :width]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    reduced = np.zeros((len(own), width))
    reduced[:, : axes.shape[1]] = own @ axes
    reduced /= np.sqrt(max((reduced**2).sum(axis=1).mean(), 1e-12)) if len(reduced) else 1
    weight = _SIF / (_SIF + counts / max(1, counts.sum()))
    rows = np.zeros(len(vectors), dtype=np.int64)
    rows[used] = np.arange(1, len(used) + 1)
    table = np.zeros((len(used) + 1, width + 1), dtype=np.float32)
    table[1:, :-1], table[1:, -1] = reduced * weight[:, None], weight**2
    return rows, table


def _train_head(
    bare: StaticWeights,
    vectors: np.ndarray,
    targets: Targets,
    settings: StaticSettings,
    seed: int,
    tell: Callable[[int], None] | None,
) -> StaticWeights:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019) on the weighted cross-entropy, rate falling to 0."""
    import numpy as np

    random, classes = np.random.default_rng(seed), targets.probs.shape[1]
    units, width = settings.hidden, settings.width
    values = [
        (random.standard_normal((width, units)) * np.sqrt(2 / width)).astype(np.float32),
        np.zeros(units, dtype=np.float32),
        (random.standard_normal((units or width, classes)) * np.sqrt(1 / (units or width))).astype(np.float32),
        np.zeros(classes, dtype=np.float32),
    ]
    first, second = [np.zeros_like(value) for value in values], [np.zeros_like(value) for value in values]
    probs, weights = targets.probs.astype(np.float32), (targets.weights / targets.weights.mean()).astype(np.float32)
    batches = -(-len(vectors) // _BATCH)
    steps, step = settings.epochs * batches, 0
    for epoch in range(settings.epochs):
        order = random.permutation(len(vectors))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            slopes = _slopes(values, vectors[rows], probs[rows], weights[rows])
            rate = _LEARNING_RATE * (1 - step / steps)
            step += 1
            for place, slope in enumerate(slopes):
                first[place] = 0.9 * first[place] + 0.1 * slope
                second[place] = 0.999 * second[place] + 0.001 * slope * slope
                push = (first[place] / (1 - 0.9**step)) / (np.sqrt(second[place] / (1 - 0.999**step)) + 1e-8)
                values[place] = (values[place] - rate * push - rate * settings.l2 * values[place]).astype(np.float32)
        if tell:
            tell(epoch + 1)
    return StaticWeights(bare.rows, bare.vectors, *values)


def _slopes(values: Sequence[np.ndarray], vectors: np.ndarray, probs: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    import numpy as np
    from scipy.special import softmax

    hidden, hidden_bias, out, out_bias = values
    inner = np.maximum(vectors @ hidden + hidden_bias, 0) if hidden.shape[1] else vectors
    pull = (softmax(inner @ out + out_bias, axis=1) - probs) * (weights / len(vectors))[:, None]
    if not hidden.shape[1]:
        return [np.zeros_like(hidden), np.zeros_like(hidden_bias), inner.T @ pull, pull.sum(axis=0)]
    back = (pull @ out.T) * (inner > 0)
    return [vectors.T @ back, back.sum(axis=0), inner.T @ pull, pull.sum(axis=0)]
