"""Carrying a workspace to other stores and back: everything arrives, whatever kills the move; nothing is mixed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pickaxe.kernel.encryption.keyring import new_master_key
from pickaxe.kernel.errors import Conflict, Corrupted, NotFound, WriterBusy
from pickaxe.kernel.location import VARIABLES
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.upkeep.move import JOURNAL, move
from pickaxe.kernel.workspace import Workspace
from tests.kernel import object_server
from tests.kernel import sample_steps as steps
from tests.kernel.conformance.backends import flip_a_bit
from tests.kernel.processes import python
from tests.postgres import shared_server

pytestmark = pytest.mark.slow

ODD = {"nan": float("nan"), "deep": [{"inf": float("-inf")}], "text": 'tab\t "quoted" \u0000 ünï 🪓', "none": None}
ELSEWHERE: dict[str, Callable[[Path], dict[str, str]]] = {
    "postgres": lambda place: {"catalog": shared_server().empty_url()},
    "bucket": lambda place: {"objects": object_server.url(place)},
    "postgres and bucket": lambda place: {
        "catalog": shared_server().empty_url() + "?schema=of_this_test",
        "objects": object_server.url(place),
    },
    "encrypted": lambda place: {"key": "env:THE_KEY"},
    "encrypted, postgres": lambda place: {"catalog": shared_server().empty_url(), "key": "env:THE_KEY"},
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("THE_KEY", new_master_key())
    (tmp_path / "room").mkdir(mode=0o700)
    monkeypatch.setenv("PICKAXE_SCRATCH", str(tmp_path / "room"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A workspace with something of every kind."""
    place = tmp_path / "source"
    with Workspace(place, settings=Settings(cores=2)) as workspace:
        first = workspace.run(steps.count, steps.Count(upto=2), name="t/count")
        workspace.run(steps.double, steps.Config(), name="t/double", inputs={"total": first["total"]})
        rows = pa.table({"n": [1, None, 3], "s": ["", None, "ü🪓"], "f": [float("nan"), -0.0, float("inf")]})
        for part in range(3):
            workspace.import_table(rows.slice(0, part + 1), "t/rows")
        model = place.parent / "model"
        (model / "deep").mkdir(parents=True)
        (model / "weights.bin").write_bytes(os.urandom(100_000))
        (model / "deep" / "empty").write_bytes(b"")
        version = workspace.import_files(model, "t/model", kind="model")
        workspace.alias(version, "production")
        workspace.publish("t", [Route(version.id)], {"about": "ünï"})
        workspace.emit("odd", "subject", value=0.1 + 0.2, step=2**40, body=ODD)
        workspace.emit_many([{"kind": "log", "subject": f"s{number}", "body": {"n": number}} for number in range(2_500)])
        workspace.ledger.set_price("cpu", 50_000_000, 3_600 * 10**9, source="a test")
    return place


def everything(place: Path) -> dict[str, Any]:
    """What a reader can see of a workspace."""
    with Workspace(place, mode="r") as workspace:
        found = workspace.artifacts.list()
        tables = {item.ref: workspace.read_table(item) for item in found if item.stored == "table"}
        return {
            "artifacts": found,
            "rows": {ref: (table.schema, repr(table.to_pydict())) for ref, table in tables.items()},
            "files": {item.ref: _files(workspace.files(item)) for item in found if item.stored == "files"},
            "documents": [workspace.read_json(item) for item in found if item.stored == "json"],
            "runs": workspace.runs.list(),
            "events": repr([event for page in (0, 2_000) for event in workspace.events(after_seq=page, limit=2_000)]),
            "endpoints": workspace.endpoints(),
            "charges": sorted(map(repr, workspace.ledger.charges())),
            "statements": workspace.ledger.statements(),
        }


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "kind", [*(pytest.param(kind, marks=pytest.mark.slow) for kind in ELSEWHERE if kind != "postgres"), "postgres"]
)
def test_there_and_back_again(source: Path, tmp_path: Path, kind: str) -> None:
    before = everything(source)
    there = move(source, tmp_path / "there", ELSEWHERE[kind](tmp_path / "bucket"))
    assert everything(tmp_path / "there") == before
    back = move(tmp_path / "there", tmp_path / "back", {})
    assert everything(tmp_path / "back") == before == everything(source)
    assert there.rows == back.rows
    assert there.rows["events"].count > 2_500
    assert (there.tables, there.blobs) == (back.tables, back.blobs) == (3, 5)
    assert not (tmp_path / "there" / JOURNAL).exists()


def test_work_goes_on_where_it_arrived(source: Path, tmp_path: Path) -> None:
    move(source, tmp_path / "there", ELSEWHERE["postgres"](tmp_path))
    with Workspace(tmp_path / "there", settings=Settings(cores=2)) as workspace:
        cached = workspace.run(steps.count, steps.Count(upto=2), name="t/count")
        assert cached.cached
        fresh = workspace.run(steps.count, steps.Count(upto=3), name="t/count")["total"]
        assert fresh.version == 3
        last = workspace.events(newest_first=True, limit=1)[0].seq
        workspace.emit("log", "next")
        assert workspace.events(newest_first=True, limit=1)[0].seq == last + 1
        assert all(item.charged + item.idle == item.cost for item in workspace.ledger.statements())


_KILLED = """
import os, signal, sys
from pathlib import Path
from pickaxe.kernel.upkeep.move import move
def tell(stage, done, total):
    if (stage, done) == (sys.argv[4], int(sys.argv[5])):
        os.kill(os.getpid(), signal.SIGKILL)
move(Path(sys.argv[1]), Path(sys.argv[2]), {"catalog": sys.argv[3]}, tell)
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", [("blobs", 2), ("tables", 1), ("rows", 0), ("rows", 1), ("check", 2)], ids=str)
def test_a_killed_move_goes_on(source: Path, tmp_path: Path, when: tuple[str, int]) -> None:
    target, to = tmp_path / "there", {"catalog": shared_server().empty_url()}
    killed = python(_KILLED, source, target, to["catalog"], *when, stderr=subprocess.DEVNULL)
    assert killed.wait(600) == -signal.SIGKILL
    stages: list[tuple[str, int]] = []
    move(source, target, to, lambda stage, done, total: stages.append((stage, total)))
    assert everything(target) == everything(source)
    if when == ("tables", 1):
        assert ("tables", 2) in stages, "the first of three had arrived"
    if when[0] == "check" or when == ("rows", 1):
        assert {stage for stage, _ in stages} == {"check"}


def test_a_target_that_holds_something_is_left_alone(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with Workspace(other) as workspace:
        workspace.emit("log", "mine")
    taken = ELSEWHERE["postgres"](tmp_path)
    move(other, tmp_path / "there", taken)
    before = everything(other)
    for target, to in ((other, {}), (tmp_path / "there", taken), (tmp_path / "new", taken)):
        with pytest.raises(Conflict, match="holds something else"):
            move(source, target, to)
    assert everything(other) == before == everything(tmp_path / "there")
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(Conflict, match="onto itself"):
        move(source, tmp_path / "source" / ".." / "source", {})


@pytest.mark.slow
def test_another_move_under_way_is_not_mixed_in(source: Path, tmp_path: Path) -> None:
    target, to = tmp_path / "there", {"catalog": shared_server().empty_url()}
    python(_KILLED, source, target, to["catalog"], "rows", 0, stderr=subprocess.DEVNULL).wait(600)
    Workspace(tmp_path / "other").close()
    with pytest.raises(Conflict, match="holds something else"):
        move(tmp_path / "other", target, to)
    move(source, target, to)
    assert everything(target) == everything(source)


def test_a_source_that_is_being_written_is_refused(source: Path, tmp_path: Path) -> None:
    with Workspace(source), pytest.raises(WriterBusy):
        move(source, tmp_path / "there", {})
    move(source, tmp_path / "there", ELSEWHERE["postgres"](tmp_path))
    with Workspace(tmp_path / "there"), pytest.raises(Conflict, match="being written"):
        move(tmp_path / "there", tmp_path / "back", {})
    assert not (tmp_path / "back").exists()
    with pytest.raises(NotFound):
        move(tmp_path / "nowhere", tmp_path / "back", {})


@pytest.mark.parametrize("pattern", ["tables/**/*.parquet", "blobs/sha256/*/*"])
def test_a_damaged_source_does_not_arrive(source: Path, tmp_path: Path, pattern: str) -> None:
    assert flip_a_bit(pattern)(source)
    with pytest.raises(Corrupted):
        move(source, tmp_path / "there", ELSEWHERE["postgres"](tmp_path))
    with Workspace(tmp_path / "there", mode="r") as there:
        assert there.artifacts.list() == []
