"""A fake step context that ships: try a step on plain tables and folders, without a workspace or a worker.

>>> bench = StepBench({"rows": table})            # doctest: +SKIP
>>> curate(bench, CurateConfig(language="en"))    # doctest: +SKIP
>>> bench.saved["pool"].num_rows                  # doctest: +SKIP
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.nouns import Artifact

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.predictors import Predictor


@dataclass
class FakeInput:
    """An input that is simply there: a table, a path or a document."""

    name: str
    value: Any

    @property
    def artifact(self) -> Artifact:
        stored = "files" if isinstance(self.value, Path) else "json" if isinstance(self.value, (dict, list)) else "table"
        return Artifact(
            id=f"fake-{self.name}",
            name=f"fake/{self.name}",
            version=1,
            kind="fake",
            digest="sha256:fake",
            stored=stored,
            size=0,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )

    def table(self) -> pa.Table:
        return self.value

    def path(self) -> Path:
        return self.value

    def json(self) -> Any:
        return self.value

    def predictor(self) -> Predictor:
        from pickaxe.kernel.predictors import load_predictor

        return load_predictor(self.value)


@dataclass
class StepBench:
    """Implements `StepContext` in memory. `saved` holds what the step saved, `metrics` and `logs` what it told."""

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seed: int = 7
    saved: dict[str, Any] = field(default_factory=dict[str, Any])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    metas: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    metrics: list[tuple[str, float, int | None]] = field(default_factory=list[tuple[str, float, int | None]])
    logs: list[str] = field(default_factory=list[str])
    _home: tempfile.TemporaryDirectory[str] = field(default_factory=lambda: tempfile.TemporaryDirectory(prefix="pickaxe-bench-"))

    @property
    def folder(self) -> Path:
        """Holds scratch, checkpoint and saved files; gone with the bench."""
        return Path(self._home.name)

    @property
    def inputs(self) -> dict[str, FakeInput]:
        return {name: FakeInput(name, value) for name, value in self.values.items()}

    @property
    def scratch(self) -> Path:
        return _made(self.folder / "scratch")

    @property
    def checkpoint(self) -> Path:
        return _made(self.folder / "checkpoint")

    def save_table(self, name: str, table: pa.Table, *, kind: str = "dataset", meta: dict[str, Any] | None = None) -> None:
        self._save(name, table, kind, meta)

    def save_files(self, name: str, path: Path, *, kind: str = "model", meta: dict[str, Any] | None = None) -> None:
        kept = self.folder / "saved" / name
        if path.is_dir():
            shutil.copytree(path, kept)
        else:
            _made(kept.parent)
            shutil.copy2(path, kept)
        self._save(name, kept, kind, meta)

    def save_json(self, name: str, document: Any, *, kind: str = "report", meta: dict[str, Any] | None = None) -> None:
        self._save(name, document, kind, meta)

    def progress(self, done: float, total: float, note: str = "") -> None:
        pass

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        self.metrics.append((name, value, step))

    def log(self, message: str, *, level: str = "info") -> None:
        self.logs.append(f"{level}: {message}")

    def _save(self, name: str, value: Any, kind: str, meta: dict[str, Any] | None) -> None:
        if name in self.saved:
            raise ValueError(f"output {name!r} was saved twice")
        self.saved[name], self.kinds[name], self.metas[name] = value, kind, meta or {}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
