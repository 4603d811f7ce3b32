"""A workspace in memory and models that are a few lines of JSON."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.nouns import Artifact, Endpoint, Event, Route
from pickaxe.kernel.workspace import Workspace

CLASSES = ("serious", "sarcastic")
_THEN = datetime(2026, 1, 1, tzinfo=UTC)


class WordsPredictor:
    """Sarcastic in proportion to how often `word` occurs. Can be slow, and can break."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / "pickaxe.json").read_text(encoding="utf-8"))
        self.classes = tuple(manifest["classes"])
        self._word, self._sleep = manifest.get("word", "area"), manifest.get("sleep", 0.0)
        self._text_sleep, self._breaks_on = manifest.get("text_sleep", 0.0), manifest.get("breaks_on")
        self.calls: list[int] = []
        self._busy = threading.Lock()

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        assert self._busy.acquire(blocking=False), "two threads in one predictor"
        try:
            self.calls.append(len(texts))
            time.sleep(self._sleep + self._text_sleep * len(texts))
            if self._breaks_on and any(self._breaks_on in text for text in texts):
                raise RuntimeError(f"cannot read {self._breaks_on}")
            hits = np.array([text.lower().count(self._word) for text in texts], dtype=np.float32)
            first = 1 / (1 + hits * 4)
            rest = (1 - first) / (len(self.classes) - 1)
            return np.column_stack([first, *[rest] * (len(self.classes) - 1)])
        finally:
            self._busy.release()


def write_model(folder: Path, **options: Any) -> Path:
    """A model folder in the format ``fake-words`` (registered as a plug-in, `tests/plugins`)."""
    folder.mkdir(parents=True)
    manifest = {"format": "fake-words", "classes": list(CLASSES), **options}
    (folder / "pickaxe.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


class MemoryStore:
    """Implements `ServingStore` in memory; `emit_delay` seconds per commit, `commits` counts them."""

    def __init__(self) -> None:
        self._tenants: dict[str, MemoryStore] = {LOCAL_TENANT: self}
        self.emit_delay = 0.0
        self.emit_error: Exception | None = None
        self.commits: list[int] = []
        self._artifacts: dict[str, tuple[Artifact, Path]] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._events: list[Event] = []
        self._seq = itertools.count(1)
        self._lock = threading.Lock()

    def for_tenant(self, tenant_id: str, /) -> MemoryStore:
        if tenant_id not in self._tenants:
            self._tenants[tenant_id] = MemoryStore()
        return self._tenants[tenant_id]

    def every_endpoint(self) -> list[tuple[str, Endpoint]]:
        return [(tenant_id, each) for tenant_id, store in self._tenants.items() for each in store.endpoints()]

    def add_model(self, folder: Path, name: str = "headlines/student") -> Artifact:
        version = 1 + sum(artifact.name == name for artifact, _ in self._artifacts.values())
        artifact = Artifact(f"art-{name}-{version}", name, version, "model", "sha256:0", "files", 0, _THEN)
        self._artifacts[artifact.id] = (artifact, folder)
        return artifact

    def publish(
        self, name: str, routes: Sequence[Route], meta: Mapping[str, Any] | None = None, state: str = "serving"
    ) -> Endpoint:
        self._endpoints[name] = Endpoint(f"endpoint-{name}", name, tuple(routes), state, _THEN, dict(meta or {}))
        return self._endpoints[name]

    def endpoint(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            raise NotFound(f"no endpoint {name!r}", expected=f"one of: {', '.join(self._endpoints)}")
        return self._endpoints[name]

    def endpoints(self) -> list[Endpoint]:
        return list(self._endpoints.values())

    def artifact(self, ref: str, /) -> Artifact:
        if ref not in self._artifacts:
            raise NotFound(f"no artifact {ref!r}")
        return self._artifacts[ref][0]

    def files(self, artifact: Artifact, /) -> Path:
        return self._artifacts[artifact.id][1]

    def emit_many(self, facts: Sequence[Mapping[str, Any]], /) -> None:
        time.sleep(self.emit_delay)
        if self.emit_error is not None:
            raise self.emit_error
        with self._lock:
            self.commits.append(len(facts))
            for fact in facts:
                kept = json.loads(json.dumps(fact))
                self._events.append(
                    Event(
                        next(self._seq),
                        _THEN,
                        kept["kind"],
                        kept["subject"],
                        kept.get("name", ""),
                        kept.get("value"),
                        None,
                        kept["body"],
                    )
                )

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
        found = [
            event
            for event in self._events
            if event.kind == kind and subject in (None, event.subject) and name in (None, event.name)
        ]
        if newest_first:
            return [event for event in reversed(found) if not after_seq or event.seq < after_seq][:limit]
        return [event for event in found if event.seq > after_seq][:limit]


def answer(workspace: Workspace, ms: float, times: int) -> None:
    """Traces of so many answers of the endpoint `headlines`, each in `ms`."""
    body = {"endpoint": "headlines", "texts": ["a text"], "labels": ["a"], "probs": [[1.0]], "ms": ms, "status": 200}
    workspace.emit_many([{"kind": "trace", "subject": "0" * 32, "name": "headlines", "value": ms, "body": body}] * times)
