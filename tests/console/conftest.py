from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import pickaxe
from pickaxe.kernel.workspace import Workspace
from tests.console.site import application


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Workspace]:
    with pickaxe.open(tmp_path / "empty") as workspace:
        yield workspace


@pytest.fixture
def client(empty: Workspace) -> Iterator[TestClient]:
    """A browser without scripts in front of an empty workspace."""
    with TestClient(application(empty), base_url="http://localhost") as client:
        yield client
