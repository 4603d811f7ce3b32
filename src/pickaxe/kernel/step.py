"""What a step sees: its inputs, a place for its outputs, and somebody to tell how it goes.

A step is a module-level function ``step(ctx: StepContext, config: SomeConfig) -> None``. It runs in a worker process of its
own, reads inputs and saves outputs through `ctx` only, and never meters itself: the engine does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pickaxe.kernel.nouns import Artifact

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.predictors import Predictor


class Input(Protocol):
    """One input artifact, read on demand and verified against its digest."""

    @property
    def artifact(self) -> Artifact: ...

    def table(self) -> pa.Table:
        """The rows, in the order they were saved (table artifacts)."""
        ...

    def path(self) -> Path:
        """A read-only local file or folder (file artifacts)."""
        ...

    def json(self) -> Any:
        """The document (JSON artifacts)."""
        ...

    def predictor(self) -> Predictor:
        """The model, loaded by its declared format (model artifacts)."""
        ...


class StepContext(Protocol):
    """A step's whole world."""

    @property
    def inputs(self) -> Mapping[str, Input]: ...

    @property
    def scratch(self) -> Path:
        """Empty folder, gone when the attempt ends."""
        ...

    @property
    def checkpoint(self) -> Path:
        """Folder that survives a killed attempt of the same run key; removed when the run succeeds."""
        ...

    @property
    def seed(self) -> int:
        """32-bit seed derived from the run's key: the same run draws the same numbers."""
        ...

    def save_table(self, name: str, table: pa.Table, *, kind: str = "dataset", meta: dict[str, Any] | None = None) -> None: ...

    def save_files(self, name: str, path: Path, *, kind: str = "model", meta: dict[str, Any] | None = None) -> None:
        """Save a file or a folder. `meta` must be deterministic: it is part of what is cached."""
        ...

    def save_json(self, name: str, document: Any, *, kind: str = "report", meta: dict[str, Any] | None = None) -> None: ...

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Say how far it is; cheap, call it as often as you like (the engine thins it out)."""
        ...

    def metric(self, name: str, value: float, step: int | None = None) -> None: ...

    def log(self, message: str, *, level: str = "info") -> None: ...
