"""Cheap features and a fast model: good enough to tell which texts are worth asking about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_matrix

_WORDS = 30_000
_DIMENSIONS = 64


@dataclass(frozen=True)
class Features:
    """Of n texts: TF-IDF of words and word pairs, sparse (n, words), and its first 64 singular directions, (n, ≤ 64), unit rows."""

    sparse: csr_matrix
    dense: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], seed: int) -> Features:
        """Computed from the texts alone; about a second for 23,000 headlines."""
        import numpy as np
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from threadpoolctl import threadpool_limits

        pairs = TfidfVectorizer(
            ngram_range=(1, 2),
            min_df=2 if len(texts) > 1000 else 1,
            max_features=_WORDS,
            sublinear_tf=True,
            dtype=np.float32,
            token_pattern=r"(?u)\w+|[^\w\s]",  # words of any script; emoji and punctuation count as words
        )
        with threadpool_limits(limits=1):  # sums in one order: the same numbers every time
            sparse = pairs.fit_transform(texts)
            size = min(_DIMENSIONS, sparse.shape[1] - 1, sparse.shape[0] - 1)
            if size < 1:
                dense = np.ones((sparse.shape[0], 1), dtype=np.float32)
            else:
                dense = TruncatedSVD(size, n_iter=2, random_state=seed).fit_transform(sparse).astype(np.float32)
        norms = np.linalg.norm(dense, axis=1, keepdims=True)
        return cls(sparse, dense / np.maximum(norms, 1e-9))


@dataclass(frozen=True)
class FastModel:
    """Logistic regression on the sparse features, classes weighted so that rare ones are not drowned."""

    classes: list[str]
    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(cls, sparse: csr_matrix, labels: Sequence[str]) -> FastModel | None:
        """None when fewer than two classes have been seen: there is nothing to tell apart yet."""
        import warnings

        import numpy as np
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        if len(set(labels)) < 2:
            return None
        model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=60, tol=1e-3)
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a rough fit ranks as well
            model.fit(sparse, np.asarray(labels))
        weights, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:
            weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        return cls([str(label) for label in model.classes_], weights, bias)

    def probabilities(self, sparse: csr_matrix) -> np.ndarray:
        """Shape (n, classes), rows sum to 1."""
        import numpy as np

        scores = np.asarray(sparse @ self.weights.T) + self.bias
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, sparse: csr_matrix) -> list[str]:
        return [self.classes[at] for at in self.probabilities(sparse).argmax(axis=1)]
