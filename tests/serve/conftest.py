from __future__ import annotations

from pathlib import Path

import pytest

from pickaxe.kernel.nouns import Route
from tests.serve.fakes import MemoryStore, write_model


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    """A store with one endpoint, `headlines`, over one model."""
    store = MemoryStore()
    artifact = store.add_model(write_model(tmp_path / "model-1"))
    store.publish("headlines", [Route(artifact.id)])
    return store
