"""A workspace in use goes into one file and comes back as it was; what is damaged is not taken for whole."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tarfile
import threading
from pathlib import Path

import pyarrow as pa
import pytest

import pickaxe
from pickaxe.kernel.encryption.keyring import new_master_key
from pickaxe.kernel.errors import BadInput, Conflict, Corrupted, NotFound
from pickaxe.kernel.upkeep.backup import back_up, read_back, restore
from pickaxe.kernel.upkeep.doctor import examine
from pickaxe.kernel.upkeep.move import move
from pickaxe.kernel.workspace import Workspace
from tests.data_workspaces.make import EXPECTED, fill
from tests.kernel.test_move import ELSEWHERE

pytestmark = pytest.mark.slow

STORED = sorted((Path(__file__).parents[1] / "data_workspaces").glob("*.tar.zst"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("filled")
    fill(base / "workspace")
    return base / "workspace"


@pytest.fixture
def copy(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "copy")
    return tmp_path / "copy"


def facts(workspace: Workspace) -> dict[str, object]:
    return {
        "artifacts": [(item.ref, item.digest, item.aliases) for item in workspace.artifacts.list()],
        "rows": [workspace.read_table(item).to_pylist() for item in workspace.artifacts.list() if item.stored == "table"],
        "documents": [workspace.read_json(item) for item in workspace.artifacts.list() if item.stored == "json"],
        "files": [
            sorted(file.name for file in workspace.files(item).parent.iterdir())
            for item in workspace.artifacts.list(kind="source")
        ],
        "runs": [(run.name, run.state, run.key) for run in workspace.runs.list()],
        "events": workspace.events(limit=10_000),
        "endpoints": workspace.endpoints(),
        "charges": [item for item in workspace.ledger.charges() if item.meter != "cpu"],
    }


def test_what_comes_back_is_what_went_in(filled: Path, tmp_path: Path) -> None:
    done = back_up(filled, tmp_path / "backup.tar.zst")
    assert done == read_back(tmp_path / "backup.tar.zst") == restore(tmp_path / "backup.tar.zst", tmp_path / "new" / "place")
    with pickaxe.open(filled, mode="r") as before, pickaxe.open(tmp_path / "new" / "place", mode="r") as after:
        assert facts(before) == facts(after)
        assert examine(after).sound
    with pickaxe.open(tmp_path / "new" / "place") as again:  # and it can be written
        again.emit("note", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar.zst", "new"]


def test_a_workspace_in_use_is_backed_up_at_one_instant(tmp_path: Path) -> None:
    stop, acknowledged = threading.Event(), list[int]()
    with pickaxe.open(tmp_path / "workspace") as workspace:

        def write() -> None:
            number = 0
            while not stop.is_set():
                workspace.import_table(pa.table({"number": list(range(number, number + 50))}), "busy/rows")
                workspace.emit("note", "busy", value=float(number))
                acknowledged.append(number)
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        while len(acknowledged) < 3:
            assert writer.is_alive()
        before = len(acknowledged)
        back_up(tmp_path / "workspace", tmp_path / "backup.tar.zst")
        stop.set()
        writer.join()
    restore(tmp_path / "backup.tar.zst", tmp_path / "restored")
    with pickaxe.open(tmp_path / "restored") as restored:
        noted = [int(event.value or 0) for event in restored.events(kind="note", limit=100_000)]
        assert noted[:before] == list(range(before))  # nothing that was acknowledged before is missing
        tables = restored.artifacts.list(prefix="busy/")
        assert len(tables) >= len(noted)
        for item in tables:
            restored.read_table(item)
        assert examine(restored).sound


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_workspace_in_a_database_and_a_bucket_is_backed_up_while_it_is_in_use(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("THE_KEY", new_master_key())
    there, stop, acknowledged = tmp_path / "there", threading.Event(), list[int]()
    move(filled, there, ELSEWHERE[kind](tmp_path / "bucket"))
    with pickaxe.open(there, mode="r") as workspace:
        before = facts(workspace)
    with pickaxe.open(there) as workspace:

        def write() -> None:
            while not stop.is_set():
                workspace.import_table(pa.table({"number": [len(acknowledged)]}), "busy/rows")
                workspace.emit("busy", "rows", value=float(len(acknowledged)), body={"note": "planted text"})
                acknowledged.append(len(acknowledged))

        writer = threading.Thread(target=write)
        writer.start()
        while len(acknowledged) < 3:
            assert writer.is_alive()
        known = len(acknowledged)
        back_up(there, tmp_path / "backup.tar.zst")
        stop.set()
        writer.join()
    assert len(acknowledged) > known
    with pa.CompressedInputStream(str(tmp_path / "backup.tar.zst"), "zstd") as archive:
        assert (b"planted text" in archive.read()) is not kind.startswith("encrypted")
    restore(tmp_path / "backup.tar.zst", tmp_path / "restored")
    with pickaxe.open(tmp_path / "restored") as restored:
        noted = [int(event.value or 0) for event in restored.events(kind="busy", limit=100_000)]
        assert noted[:known] == list(range(known))
        assert noted == list(range(len(noted)))
        numbers = [restored.read_table(item)["number"].to_pylist() for item in restored.artifacts.list(prefix="busy/")]
        assert sorted(numbers) in ([[n] for n in range(len(noted))], [[n] for n in range(len(noted) + 1)])
        assert examine(restored).sound
        after = facts(restored)
        assert {name: after[name] for name in ("runs", "endpoints", "charges")} == {
            name: before[name] for name in ("runs", "endpoints", "charges")
        }


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_what_is_made_is_for_its_owner_alone(filled: Path, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with pickaxe.open(tmp_path / "new"):
            pass
        back_up(filled, tmp_path / "kept.tar.zst")
        restore(tmp_path / "kept.tar.zst", tmp_path / "again")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes["new"] == modes["again"] == 0o700
    assert modes["kept.tar.zst"] == 0o600


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_folder_that_is_there_keeps_the_mode_its_owner_gave_it(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o750)
    with pickaxe.open(folder):
        pass
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_backup_is_never_overwritten_and_never_unpacked_over_something(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar.zst"
    back_up(filled, target)
    content = target.read_bytes()
    with pytest.raises(Conflict, match="exists"):
        back_up(filled, target)
    assert target.read_bytes() == content
    with pytest.raises(Conflict, match="not empty"):
        restore(target, filled)
    with pytest.raises(NotFound):
        back_up(tmp_path, tmp_path / "nothing.tar.zst")


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "empty"])
def test_a_damaged_backup_is_seen_and_leaves_nothing(filled: Path, tmp_path: Path, damage: str) -> None:
    target = tmp_path / "backup.tar.zst"
    back_up(filled, target)
    content = bytearray(target.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "flip":
        content[len(content) // 2] ^= 0x40
    else:
        content = bytearray(b"not an archive" if damage == "text" else b"")
    target.write_bytes(content)
    with pytest.raises((Corrupted, BadInput)):
        restore(target, tmp_path / "restored")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar.zst"]


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside"])
def test_an_archive_from_somebody_else_stays_inside(tmp_path: Path, name: str) -> None:
    import io

    with (
        pa.CompressedOutputStream(str(tmp_path / "x.tar.zst"), "zstd") as stream,
        tarfile.open(fileobj=stream, mode="w|") as archive,
    ):
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(BadInput, match="not a backup"):
        restore(tmp_path / "x.tar.zst", tmp_path / "restored")
    assert not (tmp_path.parent / "outside").exists()


def test_a_workspace_that_lacks_a_file_is_not_backed_up_as_whole(copy: Path, tmp_path: Path) -> None:
    next(copy.joinpath("tables").rglob("*.parquet")).unlink()
    with pytest.raises(Corrupted, match="lacks the table file"):
        back_up(copy, tmp_path / "backup.tar.zst")
    assert not (tmp_path / "backup.tar.zst").exists()


# Doctor


def blob_of(copy: Path, reference: str) -> Path:
    with pickaxe.open(copy, mode="r") as workspace:
        digest = workspace.artifacts.pin(workspace.artifact(reference))["blob"].removeprefix("sha256:")
    return copy / "blobs" / "sha256" / digest[:2] / digest[2:]


def found_in(copy: Path, *, quick: bool = False) -> list[str]:
    with pickaxe.open(copy, mode="r") as workspace:
        examined = examine(workspace, quick=quick)
    assert all(finding.mend for finding in examined.findings)
    return [f"{finding.severity} {finding.check}: {finding.what}" for finding in examined.findings]


def test_a_sound_workspace_has_no_findings(copy: Path) -> None:
    assert found_in(copy) == found_in(copy, quick=True) == []


def test_a_missing_blob_is_found(copy: Path) -> None:
    blob_of(copy, "words/total").unlink()
    for quick in (True, False):
        (said,) = found_in(copy, quick=quick)
        assert said.startswith("error content: words/total:2: no blob")


def test_a_changed_blob_is_found_when_content_is_read(copy: Path) -> None:
    blob = blob_of(copy, "words/total")
    blob.chmod(0o644)
    blob.write_bytes(b"x" * blob.stat().st_size)
    assert found_in(copy, quick=True) == []
    (said,) = found_in(copy)
    assert "words/total:2" in said
    assert "damaged" in said


def test_a_damaged_table_is_found(copy: Path) -> None:
    file = next(copy.joinpath("tables").rglob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    (said,) = found_in(copy)
    assert said.startswith("error content: words/rows:1")


def test_a_table_whose_file_is_gone_is_found(copy: Path) -> None:
    next(copy.joinpath("tables").rglob("*.parquet")).unlink()
    for quick in (True, False):
        (said,) = found_in(copy, quick=quick)
        assert said.startswith("error content: words/rows:1: the file of a table is gone")


@pytest.mark.parametrize(
    "pin", ['{"name": "words/rows", "snapshot_id": 999, "rows": 1, "bytes": 1}', "{}", '{"blob": "sha256:0"}']
)
@pytest.mark.parametrize("reference", ["words/rows", "words/total"])
def test_a_pin_that_points_nowhere_is_found(copy: Path, reference: str, pin: str) -> None:
    with pickaxe.open(copy, mode="r") as workspace:
        artifact = workspace.artifact(reference)
    with sqlite3.connect(copy / "catalog.db") as catalog:
        catalog.execute("UPDATE artifacts SET pin = ? WHERE id = ?", (pin, artifact.id))
    for quick in (True, False):
        said = [line for line in found_in(copy, quick=quick) if line.startswith("error")]
        assert len(said) == 1
        assert said[0].startswith(f"error content: {artifact.ref}: ")


def test_what_mends_is_what_is_said(filled: Path, copy: Path, tmp_path: Path) -> None:
    """An imported file comes back with the next import; what a run made with its file from a backup."""
    given = tmp_path / "notes.txt"
    given.write_text("notes", encoding="utf-8")
    with pickaxe.open(copy) as workspace:
        notes = workspace.import_files(given, "words/notes")
    for file in copy.joinpath("blobs", "sha256").rglob("*"):
        if file.is_file():
            file.unlink()
    with pickaxe.open(copy, mode="r") as workspace:
        mends = {finding.what.partition(":")[0]: finding.mend for finding in examine(workspace).findings}
    assert "import it again" in mends["words/notes"]
    assert "import it again" not in mends["words/total"]
    assert "copy the file that is missing" in mends["words/total"]
    with pickaxe.open(copy) as workspace:
        assert workspace.import_files(given, "words/notes") == notes
    back_up(filled, tmp_path / "backup.tar.zst")
    restore(tmp_path / "backup.tar.zst", tmp_path / "restored")
    shutil.copytree(tmp_path / "restored" / "blobs", copy / "blobs", dirs_exist_ok=True)
    assert found_in(copy) == []


def test_rows_that_point_nowhere_are_found(copy: Path) -> None:
    with sqlite3.connect(copy / "catalog.db") as catalog:
        catalog.execute("UPDATE aliases SET artifact_id = 'art-gone'")
        catalog.execute('UPDATE endpoints SET routes = \'[{"artifact_id": "art-gone", "weight": 1}]\'')
    said = found_in(copy)
    assert any("alias that points nowhere: words/total@production" in line for line in said)
    assert any("endpoint words routes to art-gone" in line for line in said)


def test_a_ledger_that_does_not_add_up_is_found(copy: Path) -> None:
    with sqlite3.connect(copy / "catalog.db") as catalog:
        catalog.execute("UPDATE leases SET amount = 10000")
    (said,) = found_in(copy)
    assert "error ledger" in said
    assert "beyond its capacity" in said


@pytest.mark.parametrize(
    ("change", "check"),
    [("pool_id = 'pool-gone'", "error graph: lease that points nowhere"), ("end_ns = start_ns - 5", "error ledger: pool")],
)
def test_a_lease_that_cannot_be_is_found(copy: Path, change: str, check: str) -> None:
    with sqlite3.connect(copy / "catalog.db") as catalog:
        catalog.execute(f"UPDATE leases SET {change} WHERE id = (SELECT min(id) FROM leases)")
    assert any(line.startswith(check) for line in found_in(copy))


def test_a_blob_of_nobody_is_only_noted(copy: Path) -> None:
    with pickaxe.open(copy) as workspace:
        workspace.blobs.put_bytes(b"left behind")
    (said,) = found_in(copy)
    assert said.startswith("note files: 1 blobs (11 bytes)")


# Upgrades


@pytest.fixture(params=STORED, ids=lambda path: path.name.partition(".")[0])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A workspace written by each earlier schema."""
    folder = tmp_path / "older"
    folder.mkdir()
    with pa.CompressedInputStream(str(request.param), "zstd") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_there_is_a_stored_workspace_of_every_earlier_schema() -> None:
    from pickaxe.kernel.catalog.schema import HEAD

    assert [path.name.partition(".")[0] for path in STORED] == [f"{number:04}" for number in range(1, int(HEAD))]


def test_an_older_workspace_is_upgraded_and_lacks_nothing(older: Path) -> None:
    with pytest.raises(Conflict, match="older schema"):
        pickaxe.open(older, mode="r")
    with pickaxe.open(older) as workspace:
        assert len(workspace.artifacts.list()) == EXPECTED["artifacts"]
        assert len(workspace.runs.list()) == EXPECTED["runs"]
        assert len(workspace.events(kind="trace")) == EXPECTED["traces"]
        assert [endpoint.name for endpoint in workspace.endpoints()] == ["words"]
        assert workspace.read_table(workspace.artifact("words/rows")).num_rows == EXPECTED["rows"]
        assert workspace.read_json(workspace.artifact("words/total@production"))["total"] == 4
        assert workspace.files(workspace.artifact("words/source")).read_text(encoding="utf-8") == "eins\nzwei\n"
        assert workspace.cost(workspace.artifact("words/total")).full > 0
        assert examine(workspace).sound
        # And work goes on in it.
        from tests.kernel.sample_steps import Count, count

        assert workspace.run(count, Count(upto=1), name="words/more", cores=1).run.state == "succeeded"
    with pickaxe.open(older, mode="r") as workspace:
        assert len(workspace.runs.list()) == EXPECTED["runs"] + 1
