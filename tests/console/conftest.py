from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import pickaxe
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread
from tests.console.browser import Browser
from tests.console.site import application, looked_at


@pytest.fixture
def workspace(empty: Workspace) -> Workspace:
    """Empty at first: for a test that fills it."""
    return empty


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Workspace]:
    with pickaxe.open(tmp_path / "empty") as workspace:
        yield workspace


@pytest.fixture
def client(empty: Workspace) -> Iterator[TestClient]:
    """A browser without scripts in front of an empty workspace."""
    with TestClient(application(empty), base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="module")
def _looked_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with looked_at(tmp_path_factory.mktemp("looked-at") / "empty", lambda workspace: workspace) as client:
        yield client


@pytest.fixture
def reader(_looked_at: TestClient) -> TestClient:
    """As `client`, for a test that changes nothing: its module's tests share the workspace."""
    _looked_at.cookies.clear()
    return _looked_at


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    """An empty workspace and the address of the whole server in front of it, for all tests of a module."""
    with (
        pickaxe.open(tmp_path_factory.mktemp("served") / "workspace") as workspace,
        ServerThread(workspace, whole=True) as server,
    ):
        yield workspace, server.url


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """The system's Chromium, headless; without one these tests say so and are skipped.

    Closed with each module: Playwright keeps an event loop running in this thread, where no other test could run its own.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium on this machine: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def browser(chromium: object) -> Iterator[Browser]:
    opened = Browser(chromium)
    yield opened
    opened.close()
