"""The workspace: one writer, names and aliases, imports, damage, a full disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from pickaxe.kernel.errors import BadInput, Corrupted, NotFound, StorageFull, WriterBusy
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.workspace import Workspace
from tests.kernel import sample_steps as steps

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["sqlite"], indirect=True)  # on PostgreSQL writers are peers: see test_peers
def test_the_second_writer_is_told_who_the_first_is(workspace: Workspace) -> None:
    code = f"from pickaxe.kernel.workspace import Workspace; Workspace({str(workspace.path)!r})"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert second.returncode != 0
    assert "WriterBusy" in second.stderr
    assert str(os.getpid()) in second.stderr
    with Workspace(workspace.path, mode="r") as reader:
        assert reader.endpoints() == []
    with pytest.raises(WriterBusy):
        Workspace(workspace.path)


def test_artifacts_go_by_name_version_alias_and_id(workspace: Workspace) -> None:
    first = workspace.run(steps.count, steps.Count(upto=1), name="t/count")["total"]
    second = workspace.run(steps.count, steps.Count(upto=2), name="t/count")["total"]
    workspace.alias(first, "production")
    assert workspace.artifact("t/total").id == second.id
    assert workspace.artifact("t/total:1").id == first.id
    assert workspace.artifact("t/total@production").aliases == ("production",)
    assert workspace.artifact(second.id).ref == "t/total:2"
    workspace.alias(second, "production")
    assert workspace.artifact("t/total@production").id == second.id
    assert workspace.artifact(first.id).aliases == ()


@pytest.mark.parametrize("reference", ["t/totals", "t/total:9", "t/total@nobody", "art-unknown", "", "'; DROP TABLE runs; --"])
def test_what_is_not_there_is_not_found(workspace: Workspace, reference: str) -> None:
    workspace.run(steps.count, steps.Count(upto=1), name="t/count")
    with pytest.raises(NotFound):
        workspace.artifact(reference)


def test_a_wrong_name_gets_a_hint(workspace: Workspace) -> None:
    workspace.run(steps.count, steps.Count(upto=1), name="t/count")
    with pytest.raises(NotFound, match="did you mean t/total"):
        workspace.artifact("t/totl")
    with pytest.raises(BadInput, match="not an artifact reference"):
        workspace.artifact("t/total:latest")


@pytest.mark.parametrize("name", ["../escape", "/etc/passwd", "UPPER", "a//b", "a\x00b", "x" * 300, "a/../b", ""])
def test_hostile_names_are_refused(workspace: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("content")
    with pytest.raises(BadInput, match="not a usable name"):
        workspace.import_files(tmp_path / "file", name)


def test_imports_are_taken_once_and_come_back_as_they_were(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "naïve name.csv"
    file.write_text("a,b\n1,2\n")
    taken = workspace.import_files(file, "t/source")
    assert workspace.import_files(file, "t/source").id == taken.id
    assert workspace.files(taken).name == file.name
    assert workspace.files(taken).read_text() == "a,b\n1,2\n"
    file.write_text("a,b\n3,4\n")
    assert workspace.import_files(file, "t/source").version == 2
    table = pa.table({"row_key": ["x", "y"], "value": [1.5, None]})
    kept = workspace.import_table(table, "t/table")
    assert workspace.import_table(table, "t/table").id == kept.id
    assert workspace.read_table(kept).equals(table)
    assert kept.meta == {"rows": 2, "columns": ["row_key", "value"]}


def test_reading_a_thing_as_what_it_is_not_is_refused(workspace: Workspace) -> None:
    total = workspace.run(steps.count, steps.Count(upto=1), name="t/count")["total"]
    for read in (workspace.read_table, workspace.files):
        with pytest.raises(BadInput, match="got: json"):
            read(total)


def test_a_damaged_blob_is_noticed_when_read(workspace: Workspace) -> None:
    total = workspace.run(steps.count, steps.Count(upto=1), name="t/count")["total"]
    blob = next(path for path in (workspace.path / "blobs").rglob("*") if path.is_file() and path.name in total.digest)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes().replace(b"1", b"2"))
    with pytest.raises(Corrupted):
        workspace.read_json(total)


def test_publishing_moves_the_endpoint_and_leaves_an_event(workspace: Workspace) -> None:
    total = workspace.run(steps.count, steps.Count(upto=1), name="t/count")["total"]
    workspace.publish("t", [Route(total.id)])
    moved = workspace.publish("t", [Route(total.id, 0.25), Route(total.id, 0.75)])
    assert [route.weight for route in workspace.endpoint("t").routes] == [0.25, 0.75]
    assert workspace.endpoints() == [moved]
    assert len(workspace.events(kind="publish", subject=total.id)) == 3
    for routes in ([], [Route(total.id, -1.0)], [Route(total.id, 0.0)]):
        with pytest.raises(BadInput, match="needs routes"):
            workspace.publish("t", routes)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(BadInput, match="did you mean PICKAXE_WORKSPACE"):
        Settings.from_environment({"PICKAXE_WORKSPCE": "x"})
    with pytest.raises(BadInput, match="PICKAXE_CORES"):
        Settings.from_environment({"PICKAXE_CORES": "many"})
    assert Settings.from_environment({"PICKAXE_CORES": "3"}).cores == 3


def test_a_full_disk_is_said_and_nothing_is_half_written(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk can only be made by root on Linux")
    try:
        _fill_and_recover(mount)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def _fill_and_recover(mount: Path) -> None:
    with Workspace(mount / "workspace") as workspace:
        kept = workspace.run(steps.count, steps.Count(upto=1), name="t/count")["total"]
        filler = mount / "filler"
        with pytest.raises(StorageFull) as caught:
            _fill(filler)
            workspace.import_files(_big_file(mount.parent), "t/big")
        assert caught.value.remedy
        assert workspace.read_json(kept)["total"] == 1
        assert [item.name for item in workspace.artifacts.list()] == ["t/total"]
        filler.unlink()
        assert workspace.run(steps.count, steps.Count(upto=2), name="t/count")["total"].version == 2


def _fill(path: Path) -> None:
    with path.open("wb") as file:
        try:
            while True:
                file.write(os.urandom(1 << 16))
                file.flush()
        except OSError:
            pass


def _big_file(folder: Path) -> Path:
    path = folder / "big"
    path.write_bytes(json.dumps(list(range(200_000))).encode())
    return path
