"""Rotten files: a damaged byte, a deleted file, lost metadata are found and named, and never give wrong rows."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from pickaxe.kernel.errors import Corrupted, NotFound
from pickaxe.kernel.tables.lake import LakeTables, Pin

ROWS = pa.table({"text": [f"text {index}" for index in range(100)], "probs": pa.array([[0.5, 0.25]] * 100)})


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pin]:
    folder = tmp_path_factory.mktemp("sound")
    tables = LakeTables(folder)
    tables.write("t", numbers(1))
    tables.write("t", ROWS)
    pin = tables.write("t", ROWS, mode="append")
    tables.close()
    return folder, pin


def test_a_flipped_byte_anywhere_in_a_data_file_is_found(sound: tuple[Path, Pin], tmp_path: Path) -> None:
    chance = random.Random(5)
    folder, pin = sound
    shutil.copytree(folder, tmp_path / "copy")
    reader = LakeTables(tmp_path / "copy", "r")
    reader.read(pin)
    *_, file = sorted((tmp_path / "copy" / "tables").rglob("*.parquet"))
    whole = file.read_bytes()
    for position in [0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(40))]:
        spoilt = bytearray(whole)
        spoilt[position] ^= 1 << chance.randrange(8)
        file.write_bytes(spoilt)
        with pytest.raises(Corrupted, match="damaged") as caught:
            reader.read(pin)
        assert file.name in str(caught.value)
        assert "write the table again in a new workspace" in str(caught.value)
    file.write_bytes(whole)
    assert reader.read(pin).num_rows == 200


def test_verify_looks_at_the_disk_even_when_size_and_time_say_nothing_changed(sound: tuple[Path, Pin], tmp_path: Path) -> None:
    folder, pin = sound
    shutil.copytree(folder, tmp_path / "copy")
    reader = LakeTables(tmp_path / "copy", "r")
    reader.verify(pin)
    *_, file = sorted((tmp_path / "copy" / "tables").rglob("*.parquet"))
    before = file.stat()
    with file.open("r+b") as stream:
        stream.seek(50)
        stream.write(bytes([file.read_bytes()[50] ^ 1]))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(Corrupted, match="damaged"):
        reader.verify(pin)
    with pytest.raises(Corrupted, match="damaged"):
        LakeTables(tmp_path / "copy", "r").read(pin)


def test_a_deleted_or_emptied_data_file_is_named(sound: tuple[Path, Pin], tmp_path: Path) -> None:
    folder, pin = sound
    shutil.copytree(folder, tmp_path / "copy")
    older, *_, file = sorted((tmp_path / "copy" / "tables").rglob("*.parquet"))
    file.write_bytes(b"")
    reader = LakeTables(tmp_path / "copy", "r")
    for harm, word in ((lambda: file.write_bytes(b""), "damaged"), (file.unlink, "gone")):
        harm()
        for ask in (reader.read, reader.verify):
            with pytest.raises(Corrupted, match=word) as caught:
                ask(pin)
            assert file.name in str(caught.value)
    assert older.exists()
    first, *_ = reader.snapshots("t")
    assert reader.read(first) == numbers(1), "one rotten file leaves the others readable"


@pytest.mark.slow
def test_flipped_bytes_in_the_metadata_never_give_wrong_rows(sound: tuple[Path, Pin], tmp_path: Path) -> None:
    """Right rows (a byte that does not matter) or a clear error; SQLite has no checksums, so the commit record has one."""
    chance = random.Random(3)
    folder, pin = sound
    whole = (folder / "lake.db").read_bytes()
    used = [position for position, byte in enumerate(whole) if byte]
    found = 0
    for attempt in range(12):
        copy = tmp_path / str(attempt)
        shutil.copytree(folder, copy)
        spoilt = bytearray(whole)
        for position in chance.sample(used, 3):
            spoilt[position] ^= 1 << chance.randrange(8)
        (copy / "lake.db").write_bytes(spoilt)
        reader = LakeTables(copy, "r")
        try:
            assert reader.read(pin)["text"].to_pylist() == ROWS["text"].to_pylist() * 2
        except (Corrupted, NotFound) as error:
            found += "backup" in str(error) or "catalog" in str(error)
        finally:
            reader.close()
    assert found


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["gone", "emptied", "junk", "cut"])
def test_lost_metadata_is_not_taken_for_a_new_lake(sound: tuple[Path, Pin], tmp_path: Path, harm: str) -> None:
    folder, pin = sound
    shutil.copytree(folder, tmp_path / "copy")
    metadata = tmp_path / "copy" / "lake.db"
    if harm == "gone":
        metadata.unlink()
    else:
        metadata.write_bytes({"emptied": b"", "junk": b"junk" * 2000, "cut": metadata.read_bytes()[:6000]}[harm])
    for mode in ("r", "w"):
        with pytest.raises(Corrupted, match="metadata") as caught:
            LakeTables(tmp_path / "copy", mode).read(pin)
        assert "backup" in str(caught.value)
    with pytest.raises(Corrupted, match="metadata"):
        LakeTables(tmp_path / "copy").write("t", ROWS)
