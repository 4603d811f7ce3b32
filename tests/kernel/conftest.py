"""A workspace of two cores for the kernel's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pickaxe.kernel.settings import Settings
from pickaxe.kernel.workspace import Workspace
from tests.postgres import lay_out, shared_server


@pytest.fixture(params=["sqlite", "postgres"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """Each test that asks for it runs on both databases."""
    if request.param == "postgres":
        lay_out(tmp_path / "workspace", shared_server().fresh_url())
    with Workspace(tmp_path / "workspace", settings=Settings(cores=2)) as opened:
        yield opened
