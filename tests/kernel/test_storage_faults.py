"""Full disks, killed writers, rival writers: nothing half-written, nothing lost, and a word on what to do."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from pickaxe.kernel.blobs.backend import Blobs
from pickaxe.kernel.blobs.local import LocalBlobs
from pickaxe.kernel.digest import bytes_digest
from pickaxe.kernel.errors import StorageFull, Unavailable
from pickaxe.kernel.tables.lake import LakeTables, Pin
from tests.kernel.conformance.backends import opened
from tests.kernel.processes import line, python

pytestmark = pytest.mark.slow  # processes are started, killed and waited for

ROWS = pa.table({"text": [f"text {index}" for index in range(100)], "probs": pa.array([[0.5, 0.25]] * 100)})


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def noise(megabytes: float) -> bytes:
    return random.Random(7).randbytes(int(megabytes * 1e6))


def noisy_table(megabytes: float) -> pa.Table:
    content = noise(megabytes)
    return pa.table({"b": [content[start : start + 1000] for start in range(0, len(content), 1000)]})


# -- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("a small file system can be mounted by root on Linux only; the file-size limit is tested instead")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Take all room but `leave` bytes."""
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free
    with ballast.open("wb") as stream:
        stream.write(b"\0" * max(0, free - leave))
    return ballast


def test_blobs_on_a_full_disk(small_disk: Path) -> None:
    blobs = LocalBlobs(small_disk / "blobs")
    kept, _ = blobs.put_bytes(noise(1))
    folder = small_disk / "model"
    folder.mkdir()
    (folder / "a").write_bytes(b"a" * 1000)
    for leave in (0, 4096, 200_000):
        ballast = fill(small_disk, leave)
        with pytest.raises(StorageFull) as caught:
            blobs.put_bytes(noise(2))
        assert "free some space" in str(caught.value)
        assert caught.value.exit_code == 5
        assert not blobs.exists(bytes_digest(noise(2)))
        assert list((small_disk / "blobs" / "tmp").iterdir()) == []
        assert LocalBlobs(small_disk / "blobs").read_bytes(kept) == noise(1)
        if leave == 0:
            with pytest.raises(StorageFull):
                blobs.put_folder(folder)
        ballast.unlink()
    digest, _ = blobs.put_bytes(noise(2))
    assert LocalBlobs(small_disk / "blobs").read_bytes(digest) == noise(2)
    assert blobs.materialise(blobs.put_folder(folder)[0], "folder").is_dir()


def test_tables_on_a_full_disk(small_disk: Path) -> None:
    tables = LakeTables(small_disk / "lake")
    kept = tables.write("t", ROWS)
    files = sorted((small_disk / "lake" / "tables").rglob("*.parquet"))
    for leave in (0, 4096, 60_000, 120_000, 500_000):
        ballast = fill(small_disk, leave)
        with pytest.raises(StorageFull) as caught:
            tables.write_many({"t": noisy_table(2), "u": numbers(1)})
        assert "free some space" in str(caught.value)
        for store in (tables, LakeTables(small_disk / "lake", "r")):
            assert store.read(kept) == ROWS
            assert store.snapshots("t") == [kept]
            assert store.snapshots("u") == []
        assert sorted((small_disk / "lake" / "tables").rglob("*.parquet")) == files
        ballast.unlink()
    pins = tables.write_many({"t": noisy_table(2), "u": numbers(1)})
    tables.close()
    reader = LakeTables(small_disk / "lake", "r")
    assert reader.read(pins["u"]) == numbers(1)
    assert reader.read(pins["t"]).num_rows == 2000
    assert reader.read(kept) == ROWS


def test_without_a_writer_a_full_disk_cannot_be_read_and_says_so(small_disk: Path) -> None:
    """SQLite needs 32 KiB to open; while a writer lives (above) they are there."""
    tables = LakeTables(small_disk / "lake")
    kept = tables.write("t", ROWS)
    tables.close()
    ballast = fill(small_disk)
    with pytest.raises(StorageFull, match="no room"):
        LakeTables(small_disk / "lake", "r").read(kept)
    ballast.unlink()
    assert LakeTables(small_disk / "lake", "r").read(kept) == ROWS


def test_a_lake_cannot_be_made_on_a_full_disk(small_disk: Path) -> None:
    for leave in (0, 4096, 40_000, 100_000):
        ballast = fill(small_disk, leave)
        with pytest.raises(StorageFull):
            LakeTables(small_disk / "lake").write("t", noisy_table(1))
        ballast.unlink()
    tables = LakeTables(small_disk / "lake")
    assert tables.read(tables.write("t", ROWS)) == ROWS


def test_a_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    """What a user without a small disk can check: the limit on the size of a file (`ulimit -f`)."""
    code = """
import random, resource, signal, sys
from pathlib import Path
import pyarrow as pa
from pickaxe.kernel.blobs.backend import Blobs
from pickaxe.kernel.blobs.local import LocalBlobs
from pickaxe.kernel.errors import StorageFull
from pickaxe.kernel.tables.lake import LakeTables
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, noise = Path(sys.argv[1]), random.Random(7).randbytes(2_000_000)
blobs, tables = LocalBlobs(folder / "blobs"), LakeTables(folder)
kept, pin = blobs.put_bytes(b"kept")[0], tables.write("t", pa.table({"n": [1]}))
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
big = pa.table({"b": [noise[start:start + 1000] for start in range(0, len(noise), 1000)]})
for attempt in (lambda: blobs.put_bytes(noise), lambda: tables.write("t", big)):
    try:
        attempt()
        print("written")
    except StorageFull as error:
        print(error.code)
print(blobs.read_bytes(kept) == b"kept", tables.read(pin).num_rows, len(tables.snapshots("t")))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(tables.read(tables.write("t", big)).num_rows, len(blobs.read_bytes(blobs.put_bytes(noise)[0])))
"""
    process = python(code, tmp_path)
    assert [line(process) for _ in range(4)] == ["storage_full", "storage_full", "True 1 1", "2000 2000000"]
    assert process.wait() == 0


@pytest.fixture
def frozen(small_disk: Path) -> Iterator[tuple[Path, Pin, str]]:
    """A disk with a table and a folder on it, mounted to read only."""
    tables, blobs = LakeTables(small_disk), LocalBlobs(small_disk / "blobs")
    pin = tables.write("t", ROWS)
    (small_disk / "model").mkdir()
    (small_disk / "model" / "a").write_bytes(b"a")
    digest, _ = blobs.put_folder(small_disk / "model")
    tables.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    yield small_disk, pin, digest
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)


def test_a_disk_that_may_only_be_read_says_so(frozen: tuple[Path, Pin, str]) -> None:
    place, pin, digest = frozen
    blobs = LocalBlobs(place / "blobs")
    assert blobs.read_bytes(bytes_digest(b"a")) == b"a"
    for attempt in (
        lambda: blobs.put_bytes(b"b"),
        lambda: blobs.materialise(digest, "folder"),
        lambda: LakeTables(place).write("t", ROWS),
        lambda: LakeTables(place, "r").read(pin),
    ):
        with pytest.raises(Unavailable, match="cannot be") as caught:
            attempt()
        assert "may write to" in str(caught.value) or "can be written" in str(caught.value)


# -- killed writers

WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from tests.kernel.conformance.backends import opened
first = int(sys.argv[2])
blobs, tables = opened(Path(sys.argv[1]), sys.argv[3], sys.argv[4])
for number in range(first, first + 1000):
    content = str(number).encode() * 20_000
    digest, _ = blobs.put_bytes(content)
    pins = tables.write_many({"a": pa.table({"n": [number] * 500}), "b": pa.table({"n": [number]})})
    more = tables.write("log", pa.table({"n": [number]}), mode="append")
    print(number, digest, *(f"{p.name}:{p.snapshot_id}:{p.rows}:{p.bytes}" for p in (*pins.values(), more)), flush=True)
"""


@pytest.mark.parametrize(
    ("kept", "lake"),
    [
        ("local", "sqlite-lake"),
        pytest.param("sealed", "sealed-lake", marks=pytest.mark.slow),
        pytest.param("s3", "s3-lake", marks=pytest.mark.slow),
        pytest.param("sealed-s3", "sealed-s3-lake", marks=pytest.mark.slow),
    ],
)
def test_kill_9_loses_no_acknowledged_write(tmp_path: Path, kept: str, lake: str) -> None:
    opened(tmp_path, kept, lake)  # starts what the writers share, if anything
    chance = random.Random(11)
    acknowledged: list[list[str]] = []
    for life in range(4):
        process = python(WRITER, tmp_path, life * 1000, kept, lake)
        acknowledged += [line(process).split()] if life else []  # the first is killed while it sets up
        time.sleep(chance.uniform(0.0, 0.6))
        process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        acknowledged += [said.split() for said in process.stdout.read().splitlines() if said.count(" ") == 4]
        process.wait()
    assert len(acknowledged) >= 3
    # The first to look after a kill may be a reader.
    blobs, reader = opened(tmp_path, kept, lake, "r")
    _everything_is_there(reader, blobs, acknowledged)
    blobs, tables = opened(tmp_path, kept, lake)
    tables.sweep()
    _everything_is_there(tables, blobs, acknowledged)
    assert tables.read(tables.write("after", numbers(1))) == numbers(1)


def _everything_is_there(tables: LakeTables, blobs: Blobs, acknowledged: list[list[str]]) -> None:
    for number, digest, *pins in acknowledged:
        assert blobs.read_bytes(digest) == number.encode() * 20_000
        a, b, log = (
            Pin(name, int(snapshot), int(rows), int(size)) for name, snapshot, rows, size in (p.split(":") for p in pins)
        )
        assert tables.read(a) == numbers(*[int(number)] * 500)
        assert tables.read(b) == numbers(int(number))
        assert tables.read(log)["n"].to_pylist()[-1] == int(number)
    log = tables.read(tables.snapshots("log")[-1])["n"].to_pylist()
    assert {int(number) for number, *_ in acknowledged} <= set(log)
    assert log == sorted(set(log))


def test_a_lake_killed_while_it_is_made_can_be_made(tmp_path: Path) -> None:
    """Kill at the very moments at which the metadata file appears and grows."""
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        process = python(WRITER, folder, 0, "local", "sqlite-lake")
        metadata = folder / "lake" / "lake.db"
        while not metadata.exists() and process.poll() is None:
            time.sleep(0.0005)
        time.sleep(0.004 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert LakeTables(folder / "lake", "r").snapshots("nothing") == []
        tables = LakeTables(folder / "lake")
        assert tables.read(tables.write("t", ROWS)) == ROWS
        tables.close()


# -- several processes

READER = """
import sys, time
from pathlib import Path
from pickaxe.kernel.tables.lake import LakeTables
tables, seen, slowest = LakeTables(Path(sys.argv[1]), "r"), 0, 0.0
print("ready", flush=True)
while seen < 8:
    started = time.perf_counter()
    pins = {pin.snapshot_id: pin for pin in tables.snapshots("b")}
    history = tables.snapshots("a")
    if history and history[-1].snapshot_id in pins:
        a, b = tables.read(history[-1]), tables.read(pins[history[-1].snapshot_id])
        assert len(set(a["n"].to_pylist())) == 1 and a["n"][0] == b["n"][0] and a.num_rows == 500, "half a write"
        if seen:
            slowest = max(slowest, time.perf_counter() - started)
    assert len(history) >= seen, "history went back"
    seen = len(history)
print(f"{slowest:.3f}", flush=True)
"""


def test_readers_see_whole_writes_and_never_wait(tmp_path: Path) -> None:
    readers = [python(READER, tmp_path / "lake") for _ in range(2)]
    assert [line(reader) for reader in readers] == ["ready"] * 2
    writer = python(WRITER, tmp_path, 0, "local", "sqlite-lake")
    try:
        slowest = [float(line(reader) or "nan") for reader in readers]
    finally:
        writer.kill()
        writer.wait()
    assert [reader.wait() for reader in readers] == [0, 0]
    # A blocked reader would wait for SQLite's 10 s; busy cores explain a second or two.
    assert max(slowest) < 9, slowest


def test_two_writers_that_ignore_the_workspaces_lock_take_turns(tmp_path: Path) -> None:
    writers = [python(WRITER, tmp_path, first, "local", "sqlite-lake") for first in (0, 1000)]
    acknowledged = [line(writer).split() for _ in range(3) for writer in writers]
    for writer in writers:
        writer.kill()
        writer.wait()
    tables = LakeTables(tmp_path / "lake", "r")
    for number, _, a, b, _ in acknowledged:
        for text, rows in ((a, [int(number)] * 500), (b, [int(number)])):
            name, snapshot, count, size = text.split(":")
            assert tables.read(Pin(name, int(snapshot), int(count), int(size)))["n"].to_pylist() == rows
    log = tables.read(tables.snapshots("log")[-1])["n"].to_pylist()
    assert {int(number) for number, *_ in acknowledged} <= set(log)
    assert len(log) == len(set(log))
