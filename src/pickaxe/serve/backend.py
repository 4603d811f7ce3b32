"""What serving needs from a workspace, and a model made ready to answer.

`ServingStore` is the slice of the kernel's `Workspace` that serving uses; a test passes a small fake. `Model` is a stored
predictor with its cost measured when it is loaded, so that the choice between the event loop and a thread, and for or against
batching, rests on a number.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from pickaxe.kernel.nouns import Artifact, Endpoint, Event
from pickaxe.kernel.predictors import MANIFEST, PROGRAMS, Predictor, format_of, load_predictor
from pickaxe.serve.apart import Apart
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.errors import ModelFailed, TimedOut

if TYPE_CHECKING:
    import numpy as np


class ServingStore(Protocol):
    """The part of a workspace that serving reads and writes: one tenant's view, and the way to the others'.

    Called from several threads.
    """

    def for_tenant(self, tenant_id: str, /) -> Self:
        """The same stores as that tenant sees them."""
        ...

    def every_endpoint(self) -> Sequence[tuple[str, Endpoint]]:
        """The endpoints of all tenants, each with the id of its tenant."""
        ...

    def endpoint(self, name: str) -> Endpoint:
        """Raises `NotFound`."""
        ...

    def endpoints(self) -> Sequence[Endpoint]: ...

    def artifact(self, ref: str, /) -> Artifact:
        """Raises `NotFound`."""
        ...

    def files(self, artifact: Artifact, /) -> Path:
        """A read-only folder. Raises `Corrupted`."""
        ...

    def emit_many(self, facts: Sequence[Mapping[str, Any]], /) -> None:
        """Append events in one transaction; they survive a killed process once this returns."""
        ...

    def events(
        self,
        *,
        kind: str,
        subject: str | None = None,
        name: str | None = None,
        after_seq: int = 0,
        limit: int = 1000,
        newest_first: bool = False,
    ) -> list[Event]:
        """A page in order; with `newest_first`, `after_seq` (when not 0) means: older than that."""
        ...


_PROBE = "The quick brown fox reads a line of news, says that it is false, and jumps over the lazy dog again."
_BATCH = 16


@dataclass(frozen=True)
class Model:
    """A predictor with its place in the catalog and its measured cost."""

    artifact: Artifact
    classes: tuple[str, ...]
    predictor: Predictor
    call_ms: float
    """One call with one short text."""
    char_ms: float
    """Each further character in the same call."""
    batch_gain: float
    """Texts per second in a call of 16, over texts per second one by one."""

    @classmethod
    def load(cls, store: ServingStore, artifact_id: str, config: ServeConfig | None = None) -> Model:
        """Load the artifact's folder and time it.

        Raises `BadInput` on a folder that is no model, `NotFound` on an unknown id, `TimedOut` and `ModelFailed` as its first calls do.
        """
        artifact = store.artifact(artifact_id)
        return cls.of(artifact, predictor_of(store, artifact, config or ServeConfig()))

    @classmethod
    def of(cls, artifact: Artifact, predictor: Predictor) -> Model:
        if isinstance(predictor, Apart):
            predictor.load()
        classes = tuple(str(name) for name in predictor.classes)
        one = _best_ms(predictor, [_PROBE])
        many = _best_ms(predictor, [_PROBE] * _BATCH)
        char_ms = max(0.0, many - one) / (len(_PROBE) * (_BATCH - 1))
        return cls(artifact, classes, predictor, call_ms=one, char_ms=char_ms, batch_gain=one * _BATCH / max(many, 1e-6))

    @property
    def apart(self) -> bool:
        """Whether it runs in a process of its own."""
        return isinstance(self.predictor, Apart)

    def close(self) -> None:
        """End its process, if it has one. Calls under way fail."""
        if isinstance(self.predictor, Apart):
            self.predictor.close()

    def expected_ms(self, texts: Sequence[str]) -> float:
        """Forecast of one call: what the probe took, and every character beyond the probe's."""
        return self.call_ms + max(0, sum(map(len, texts)) - len(_PROBE)) * self.char_ms

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (len(texts), len(classes)). Raises `ModelFailed` when the predictor raises or breaks its promise, `TimedOut` when it was ended."""
        import numpy as np

        try:
            probs = np.asarray(self.predictor.predict_proba(texts))
        except (ModelFailed, TimedOut):
            raise
        except Exception as error:
            raise ModelFailed(f"model {self.artifact.ref} raised {type(error).__name__}", got=str(error)[:200]) from error
        expected = (len(texts), len(self.classes))
        if probs.shape != expected or not np.isfinite(probs).all():
            raise ModelFailed(
                f"model {self.artifact.ref} gave no probability per class",
                expected=f"finite numbers of shape {expected}",
                got=f"shape {probs.shape}",
            )
        return probs


def predictor_of(store: ServingStore, artifact: Artifact, config: ServeConfig) -> Predictor:
    """The stored model; not loaded yet where it runs apart. Raises `BadInput` on a folder that is no model."""
    folder = store.files(artifact)
    if format_of(folder) in PROGRAMS:
        return Apart(artifact.ref, lambda: store.files(artifact), config)
    return load_predictor(folder)


def stored_classes(store: ServingStore, artifact_id: str) -> tuple[str, ...]:
    """The classes of a model that need not be loaded, from its manifest."""
    manifest = json.loads((store.files(store.artifact(artifact_id)) / MANIFEST).read_text(encoding="utf-8"))
    return tuple(str(name) for name in manifest["classes"])


def _best_ms(predictor: Predictor, texts: list[str], *, tries: int = 5, patience_s: float = 1.0) -> float:
    """Milliseconds of the fastest of a few calls, after one that warms up: other processes can only slow a call down."""
    predictor.predict_proba(texts)
    best = float("inf")
    began = time.perf_counter()
    for _ in range(tries):
        start = time.perf_counter()
        predictor.predict_proba(texts)
        best = min(best, (time.perf_counter() - start) * 1000)
        if time.perf_counter() - began > patience_s:
            break
    return best
