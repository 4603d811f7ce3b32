"""Commands against a running server: by its address, and because it holds the folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pickaxe as library
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread
from tests.cli.conftest import Pickaxe
from tests.kernel.sample_steps import Count, count, double
from tests.serve.fakes import write_model

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _address_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICKAXE_URL", "")  # --url sets it; what was before comes back afterwards


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    """A workspace with something in it, held by a server, and the server's address."""
    base = tmp_path_factory.mktemp("held")
    with library.open(base / "shop") as workspace:
        counted = workspace.run(count, Count(upto=2), name="words/count", cores=1)
        workspace.run(double, library.Config(), name="words/double", inputs={"total": counted["total"]}, cores=1)
        model = workspace.import_files(write_model(base / "model"), "words/model", kind="model")
        workspace.publish("words", [Route(model.id)])
        with ServerThread(workspace, whole=True) as server:
            workspace.stores.announce(server.url)
            yield workspace, server.url


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("artifacts", "words/"), "words/model:1"),
        (("runs",), "words/double"),
        (("logs", "words/count"), "counted"),
        (("endpoints",), "words/model:1"),
        (("cost", "words/total"), "words/count"),
        (("bill",), "yes"),
        (("price", "cpu"), "$0.0400"),
        (("lineage", "words/total"), "words/total:1"),
        (("blast", "words/total:1"), "words/total:2"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_command_says_the_same_through_the_server(
    pickaxe: Pickaxe, held: tuple[Workspace, str], command: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, url = held
    here = pickaxe("-w", workspace.path, *command)
    assert here.code == 0, here.err
    assert said in here.out
    monkeypatch.setenv("PICKAXE_URL", url)
    there = pickaxe(*command)
    assert there.code == 0, there.err
    if command[0] != "bill":  # the open pool has grown meanwhile
        assert there.out == here.out


def test_a_held_folder_is_written_through_its_server(pickaxe: Pickaxe, held: tuple[Workspace, str]) -> None:
    workspace, url = held
    said = pickaxe("-w", workspace.path, "price", "human_ms", "--set", "0.5", "--source", "through the server")
    assert said.code == 0, said.err
    assert f"going through {url}" in said.err
    assert workspace.ledger.tariffs()["human_ms"].rows[-1].source == "through the server"


@pytest.mark.parametrize("command", [("up", "--port", "0"), ("label", "task.toml")])
def test_what_needs_the_folder_says_who_has_it(
    pickaxe: Pickaxe, held: tuple[Workspace, str], command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, url = held
    (tmp_path / "data.csv").write_text("text\na\n", encoding="utf-8")
    (tmp_path / "task.toml").write_text(
        f'name = "x"\ndata = "data.csv"\nencoder = "{tmp_path}"\n[label]\nclasses = ["a", "b"]\n', encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    said = pickaxe("-w", workspace.path, *command)
    assert said.code == 4, said.err
    assert "another process is writing" in said.err
    assert url in said.err


def test_a_folder_and_an_address_are_one_too_many(pickaxe: Pickaxe, held: tuple[Workspace, str]) -> None:
    workspace, url = held
    assert pickaxe("-w", workspace.path, "--url", url, "runs").code == 2
    assert "words/double" in pickaxe("--url", url, "runs").out


def test_an_address_where_nobody_is(pickaxe: Pickaxe) -> None:
    said = pickaxe("--url", "http://127.0.0.1:9", "runs")
    assert said.code == 10
    assert "no Pickaxe answers" in said.err
