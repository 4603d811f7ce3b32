"""A workspace of two cores for the kernel's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pickaxe.kernel.settings import Settings
from pickaxe.kernel.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "workspace", settings=Settings(cores=2)) as opened:
        yield opened
