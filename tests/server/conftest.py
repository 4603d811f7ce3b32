from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pickaxe.kernel.nouns import Route
from pickaxe.server.app import create_app
from tests.serve.fakes import MemoryStore, write_model


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    """A store with one endpoint, `headlines`, over one model."""
    store = MemoryStore()
    store.publish("headlines", [Route(store.add_model(write_model(tmp_path / "model-1")).id)])
    return store


@pytest.fixture
def client(store: MemoryStore) -> Iterator[TestClient]:
    """The application over `store`; an unexpected error is answered, as it would be by the server, and not raised."""
    with TestClient(create_app(store, workspace="demo"), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client
