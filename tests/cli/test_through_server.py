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
    (base / "words.csv").write_text("text,label\n" + "some words,a\n" * 50, encoding="utf-8")
    with library.open(base / "shop") as workspace:
        workspace.import_files(base / "words.csv", "words/source", kind="source")
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
def test_a_command_says_the_same_of_the_files_through_the_server_and_of_the_folder_it_holds(
    pickaxe: Pickaxe, held: tuple[Workspace, str], command: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, url = held
    with monkeypatch.context() as nobody:
        nobody.setattr("pickaxe.cli.screen.server_with", lambda _: None)
        here = pickaxe("-w", workspace.path, *command)
    assert here.code == 0, here.err
    assert said in here.out
    ways: list[tuple[str, ...]] = []
    monkeypatch.setattr(library, "connect", lambda url, key=None: ways.append((url,)) or library.RemoteWorkspace(url, key))
    by_folder = pickaxe("-w", workspace.path, *command)
    monkeypatch.setenv("PICKAXE_URL", url)
    by_address = pickaxe(*command)
    assert ways == [(url,), (url,)], "both went through the server"
    for there in (by_folder, by_address):
        assert (there.code, there.err) == (0, "")
        if command[0] != "bill":  # the open pool has grown meanwhile
            assert there.out == here.out


def test_a_held_folder_is_written_through_its_server(pickaxe: Pickaxe, held: tuple[Workspace, str]) -> None:
    workspace, url = held
    said = pickaxe("-w", workspace.path, "price", "human_ms", "--set", "0.5", "--source", "through the server")
    assert said.code == 0, said.err
    assert f"going through {url}" in said.err
    assert workspace.ledger.tariffs()["human_ms"].rows[-1].source == "through the server"


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A task beside its data, in a folder without a workspace; that is where commands are typed."""
    (tmp_path / "data.csv").write_text("text,kind\n" + "some words,a\n" * 100, encoding="utf-8")
    file = tmp_path / "task.toml"
    file.write_text(f"""name = "x"
data = "data.csv"
encoder = "{tmp_path}"
annotators = "file"
[ingest]
text = "text"
label = "kind"
""")
    monkeypatch.chdir(tmp_path)
    return file


def test_a_dry_run_is_asked_of_the_server_that_would_carry_it_out(
    pickaxe: Pickaxe, held: tuple[Workspace, str], task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, url = held
    made = len(workspace.artifacts.list())
    here = pickaxe("-w", workspace.path, "produce", task, "--dry-run")
    assert here.code == 0, here.err
    assert "double" in here.out
    assert "in all" in here.out
    monkeypatch.setenv("PICKAXE_URL", url)
    there = pickaxe("produce", task, "--dry-run")
    assert (there.code, there.out) == (0, here.out), there.err
    refused = pickaxe("produce", task, "--dry-run", "--max-time", "0.000001")
    assert refused.code == 2
    assert "in all" in refused.out
    assert "count would take too long" in refused.err
    assert not Path(".pickaxe").exists()
    assert len(workspace.artifacts.list()) == made, "a dry run uploads nothing"


def test_plans_read_and_keep_through_the_server(
    pickaxe: Pickaxe, held: tuple[Workspace, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, url = held
    monkeypatch.chdir(tmp_path)
    own = ("plan", "serve", "--endpoint", "words")
    here = pickaxe("-w", workspace.path, *own)
    assert here.code == 0, here.err
    pool = ("plan", "pool", "--device", "H100", "--set", "devices=8", "--set", "utilisation=0.5")
    for address in (None, url):
        if address:
            monkeypatch.setenv("PICKAXE_URL", address)
            assert pickaxe(*own).out == here.out
        where = () if address else ("-w", workspace.path)
        kept = pickaxe(*where, *pool, "--save", f"plans/pool{bool(address):d}")
        assert kept.code == 0, kept.err
        assert workspace.artifact(f"plans/pool{bool(address):d}").kind == "scenario"
    assert not Path(".pickaxe").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("doctor",),
        ("backup", "kept.tar.zst"),
        ("key", "show"),
        ("plan", "pool", "--idle"),
        ("plan", "app", "--models"),
        ("up", "--port", "0"),
    ],
    ids=lambda value: " ".join(value[:2]),
)
def test_what_is_about_files_here_does_not_pretend_to_be_about_a_server(
    pickaxe: Pickaxe, held: tuple[Workspace, str], command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = held
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICKAXE_URL", url)
    said = pickaxe(*command)
    assert said.code == 4, said.err
    assert f"not on {url}" in said.err
    assert list(tmp_path.iterdir()) == []


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
