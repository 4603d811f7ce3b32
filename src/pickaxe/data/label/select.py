"""Which texts to ask about next.

*margin* takes the texts between whose two likeliest classes the fast model hesitates most (Scheffer, Decomain and Wrobel,
*Active hidden Markov models*, 2001), ten times as many as needed, and spreads the choice among them. *badge* spreads the choice
over the gradients that the more hesitant half of the texts would cause (Ash et al., *Deep batch active learning by diverse,
uncertain gradient lower bounds*, ICLR 2020). Both spread by k-means++ (Arthur and Vassilvitskii, 2007). Until two classes are
known, only the spread counts.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from pickaxe.data.label.config import Strategy
from pickaxe.data.label.features import FastModel, Features
from pickaxe.data.label.rows import AnnotationRow, arms, latest

if TYPE_CHECKING:
    import numpy as np

CANDIDATES = 50_000
_WIDER = 10


class Chosen(NamedTuple):
    row_key: str
    arm: str


class Wanted(NamedTuple):
    """How many items of each arm."""

    audit: int = 0
    active: int = 0
    random: int = 0


@dataclass
class Selector:
    """Chooses batches from a pool. Features are computed once, on first use.

    Args:
        pool: row_key -> text of what may be asked about; of more than 50,000 texts a uniform sample of that size is considered
            by the active arm.
        extra: row_key -> text of annotated texts outside the pool (feedback), which teach but are never asked about.
        reserved: keys that are never asked about (held aside to measure on).
    """

    pool: Mapping[str, str]
    strategy: Strategy = "margin"
    seed: int = 0
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
    reserved: Collection[str] = ()

    def __call__(
        self, annotations: Sequence[AnnotationRow], round_: int, wanted: Wanted, exclude: Collection[str] = ()
    ) -> list[Chosen]:
        """The next batch, audit first; fewer items when the pool runs out. The same arguments give the same batch.

        Audit and random items are drawn uniformly from what is left. Audit answers are never looked at.
        """
        gone = {row.row_key for row in annotations} | set(exclude) | set(self.reserved)
        audit = self._uniform(gone, wanted.audit, f"audit:{round_}")
        gone |= set(audit)
        random = self._uniform(gone, wanted.random, f"random:{round_}")
        gone |= set(random)
        active = self._active(annotations, gone, wanted.active, round_)
        return (
            [Chosen(key, "audit") for key in audit]
            + [Chosen(key, "random") for key in random]
            + [Chosen(key, "active") for key in active]
        )

    @cached_property
    def features(self) -> Features:
        return Features.of(list(self._texts.values()), self.seed)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each row_key is in the features."""
        return {key: at for at, key in enumerate(self._texts)}

    @cached_property
    def _texts(self) -> dict[str, str]:
        keys = self.pool if len(self.pool) <= CANDIDATES else sorted(uniform(self.pool, CANDIDATES, f"{self.seed}:candidates"))
        return {**self.extra, **{key: self.pool[key] for key in keys}, **{key: self.pool[key] for key in self.reserved}}

    def _uniform(self, gone: Collection[str], count: int, salt: str) -> list[str]:
        return uniform((key for key in self.pool if key not in gone), count, f"{self.seed}:{salt}")

    def _active(self, annotations: Sequence[AnnotationRow], gone: Collection[str], count: int, round_: int) -> list[str]:
        import numpy as np

        if count <= 0:
            return []
        if self.strategy == "random":
            return self._uniform(gone, count, f"active:{round_}")
        keys = [key for key in self.places if key in self.pool and key not in gone]
        if len(keys) <= count:
            return keys
        rows = np.asarray([self.places[key] for key in keys])
        known, labels = self._known(annotations)
        generator = np.random.default_rng([self.seed, round_])
        model = FastModel.fit(self.features.sparse[known], labels) if known else None
        if model is None:
            chosen = spread(self.features.dense[rows], count, generator, seen=self.features.dense[known])
        else:
            chosen = self._uncertain(model.probabilities(self.features.sparse[rows]), rows, count, generator)
        return [keys[at] for at in chosen]

    def _uncertain(self, probabilities: np.ndarray, rows: np.ndarray, count: int, generator: np.random.Generator) -> list[int]:
        import numpy as np

        dense = self.features.dense[rows]
        best = np.sort(probabilities, axis=1)
        if self.strategy == "badge":
            half = np.argsort(best[:, -1] - best[:, -2], kind="stable")[: max(count, len(rows) // 2)]
            slopes = probabilities[half]
            slopes[np.arange(len(slopes)), slopes.argmax(axis=1)] -= 1.0
            return [int(half[at]) for at in spread(dense[half], count, generator, slopes=slopes)]
        hesitant = np.argsort(best[:, -1] - best[:, -2], kind="stable")[: _WIDER * count]
        return [int(hesitant[at]) for at in spread(dense[hesitant], count, generator)]

    def _known(self, annotations: Sequence[AnnotationRow]) -> tuple[list[int], list[str]]:
        """Places and majority labels of what was answered, the audit left out."""
        arm = arms(annotations)
        answers: dict[str, Counter[str]] = {}
        for row in latest(annotations):
            if arm[row.row_key] not in ("audit", "test") and row.row_key in self.places:
                answers.setdefault(row.row_key, Counter())[row.label] += 1
        labels = [min(votes, key=lambda label: (-votes[label], label)) for votes in answers.values()]
        return [self.places[key] for key in answers], labels


def uniform(keys: Iterable[str], count: int, salt: str) -> list[str]:
    """`count` of the keys drawn uniformly: those whose hash with the salt is smallest, so that added keys change little."""
    import heapq

    def rank(key: str) -> tuple[bytes, str]:
        return hashlib.blake2b(f"{salt}:{key}".encode(), digest_size=8).digest(), key

    return heapq.nsmallest(count, keys, key=rank)


def spread(
    points: np.ndarray,
    count: int,
    generator: np.random.Generator,
    *,
    seen: np.ndarray | None = None,
    slopes: np.ndarray | None = None,
) -> list[int]:
    """`count` different points far from each other and from those seen, by k-means++ sampling.

    Args:
        points: shape (n, d), n >= count.
        seen: points that were chosen before, shape (m, d).
        slopes: shape (n, classes); given, the distance is that of the outer products slope x point (the gradients of BADGE),
            computed without forming them.
    """
    import numpy as np

    points = points.astype(np.float64)
    factor = np.ones((len(points), 1)) if slopes is None else slopes.astype(np.float64)
    norms = (points**2).sum(axis=1) * (factor**2).sum(axis=1)

    def distance(at: int) -> np.ndarray:
        return np.maximum(norms + norms[at] - 2.0 * (factor @ factor[at]) * (points @ points[at]), 0.0)

    chosen: list[int] = []
    if seen is not None and len(seen):
        nearest = np.full(len(points), np.inf)
        for start in range(0, len(seen), 256):
            block = seen[start : start + 256].astype(np.float64)
            squares = norms[:, None] + (block**2).sum(axis=1) - 2.0 * points @ block.T
            nearest = np.minimum(nearest, np.maximum(squares.min(axis=1), 0.0))
    else:
        chosen = [int(norms.argmax()) if slopes is not None else int(generator.integers(len(points)))]
        nearest = distance(chosen[0])
    free = np.ones(len(points), dtype=bool)
    free[chosen] = False
    while len(chosen) < count:
        weights = np.where(free, nearest, 0.0)
        total = weights.sum()
        if total > 1e-12:
            at = int(np.searchsorted(np.cumsum(weights), generator.random() * total, side="right"))
            at = at if at < len(points) and free[at] else int(weights.argmax())
        else:
            at = int(np.flatnonzero(free)[generator.integers(int(free.sum()))])
        chosen.append(at)
        free[at] = False
        nearest = np.minimum(nearest, distance(at))
    return chosen
