"""A workspace of two cores for the kernel's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pickaxe.kernel.settings import Settings
from pickaxe.kernel.workspace import Workspace
from tests.postgres import lay_out, shared_server


@pytest.fixture(params=["sqlite", "postgres"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a workspace is to be. Each test that asks for it runs on both databases."""
    place = tmp_path / "workspace"
    return lay_out(place, shared_server().fresh_url()) if request.param == "postgres" else place


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    with Workspace(folder, settings=Settings(cores=2)) as opened:
        yield opened
