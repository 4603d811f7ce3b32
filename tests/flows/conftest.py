"""The toy line, run once for every test that only looks at what it made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pickaxe
from pickaxe.kernel.workspace import Workspace
from tests.flows.tiny import Files, Finished, finished_line, shared_files


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return shared_files(tmp_path_factory)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finished_line(tmp_path_factory)


@pytest.fixture
def made(finished: Finished) -> Iterator[Workspace]:
    """The finished workspace, to read."""
    with pickaxe.open(finished.workspace, mode="r") as opened:
        yield opened


@pytest.fixture
def again(finished: Finished, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of the finished workspace, to write."""
    with pickaxe.open(finished.copied(tmp_path / "again")) as opened:
        yield opened
