"""The local blob store: what is its own, beyond the suite that every blob store passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pickaxe.kernel.blobs import local as module
from pickaxe.kernel.blobs.backend import parse_manifest
from pickaxe.kernel.blobs.local import LocalBlobs
from pickaxe.kernel.digest import bytes_digest, canonical_json, folder_digest
from pickaxe.kernel.errors import BadInput, Corrupted

D = bytes_digest(b"x")


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    (made / "deep").mkdir(parents=True)
    (made / "a.bin").write_bytes(b"a" * 1000)
    (made / "deep" / "b.bin").write_bytes(b"b" * 1000)
    return made


def blob_file(store: LocalBlobs, digest: str) -> Path:
    return store.root / "sha256" / digest[7:9] / digest[9:]


def spoil(file: Path) -> None:
    """Change a byte in place, and leave size and time as they were."""
    before = file.stat()
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[0] ^= 0xFF
    with file.open("r+b") as stream:
        stream.write(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_nothing_is_left_in_tmp(store: LocalBlobs, folder: Path) -> None:
    digest, _ = store.put_folder(folder)
    store.put_folder(folder)
    store.materialise(digest, "folder")
    assert list((store.root / "tmp").iterdir()) == []


def test_a_blob_is_read_only_and_stored_once(store: LocalBlobs) -> None:
    digest, _ = store.put_bytes(b"x")
    inode = blob_file(store, digest).stat().st_ino
    store.put_bytes(b"x")
    assert blob_file(store, digest).stat().st_ino == inode
    assert blob_file(store, digest).stat().st_mode & 0o222 == 0


def test_a_folder_costs_no_second_copy(store: LocalBlobs, folder: Path) -> None:
    digest, _ = store.put_folder(folder)
    place = store.materialise(digest, "folder")
    assert (place / "a.bin").stat().st_ino == blob_file(store, bytes_digest(b"a" * 1000)).stat().st_ino


def test_where_links_are_refused_a_copy_does(store: LocalBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(18, "cross-device link")

    monkeypatch.setattr(module.os, "link", refuse)
    digest, _ = store.put_folder(folder)
    place = store.materialise(digest, "folder")
    assert folder_digest(place)[0] == digest
    assert (place / "a.bin").stat().st_nlink == 1


def test_a_spoilt_blob_is_found_by_another_process_even_with_its_old_time(store: LocalBlobs) -> None:
    digest, _ = store.put_bytes(b"precious")
    spoil(blob_file(store, digest))
    with pytest.raises(Corrupted, match=digest) as caught:
        LocalBlobs(store.root).open(digest)
    assert "make it again in a new workspace" in str(caught.value)
    with pytest.raises(Corrupted):
        store.read_bytes(digest)


def test_a_truncated_blob_is_found_by_the_same_process(store: LocalBlobs) -> None:
    digest, _ = store.put_bytes(b"precious")
    blob_file(store, digest).chmod(0o644)
    os.truncate(blob_file(store, digest), 3)
    with pytest.raises(Corrupted):
        store.open(digest)
    with pytest.raises(Corrupted):
        store.materialise(digest, "file")


def test_storing_again_heals_a_spoilt_blob(store: LocalBlobs) -> None:
    digest, _ = store.put_bytes(b"precious")
    spoil(blob_file(store, digest))
    fresh = LocalBlobs(store.root)
    fresh.put_bytes(b"precious")
    assert LocalBlobs(store.root).read_bytes(digest) == b"precious"


def test_a_spoilt_part_of_a_folder_is_named(store: LocalBlobs, folder: Path) -> None:
    digest, _ = store.put_folder(folder)
    store.materialise(digest, "folder")
    part = bytes_digest(b"b" * 1000)
    spoil(blob_file(store, part))
    with pytest.raises(Corrupted, match=part):
        LocalBlobs(store.root).materialise(digest, "folder")


@pytest.mark.parametrize(
    "harm",
    [
        lambda place: (place / "a.bin").unlink(),
        lambda place: (place / "extra").write_text("x"),
        lambda place: (place / "out").symlink_to("/"),
        lambda place: ((place / "a.bin").unlink(), (place / "a.bin").write_bytes(b"A" * 1000)),
        lambda place: ((place / "a.bin").unlink(), (place / "a.bin").symlink_to("/etc/hostname")),
    ],
    ids=["file gone", "file added", "link added", "file changed", "file made a link"],
)
def test_a_tampered_copy_of_a_folder_is_made_anew(store: LocalBlobs, folder: Path, harm: Any) -> None:
    digest, _ = store.put_folder(folder)
    harm(store.materialise(digest, "folder"))
    assert folder_digest(store.materialise(digest, "folder"))[0] == digest
    assert not any(file.is_symlink() for file in store.materialise(digest, "folder").iterdir())


def test_a_second_look_does_not_hash_again(store: LocalBlobs, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, _ = store.put_folder(folder)
    reader = LocalBlobs(store.root)
    reader.materialise(digest, "folder")
    hashed: list[Path] = []
    original = module.file_digest
    monkeypatch.setattr(module, "file_digest", lambda path: (hashed.append(path), original(path))[1])
    reader.materialise(digest, "folder")
    assert hashed == []


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "../../outside", "digest": D, "size": 1},
        {"path": "/etc/cron.d/x", "digest": D, "size": 1},
        {"path": "a/../../x", "digest": D, "size": 1},
        {"path": "a//b", "digest": D, "size": 1},
        {"path": "./a", "digest": D, "size": 1},
        {"path": ".", "digest": D, "size": 1},
        {"path": "", "digest": D, "size": 1},
        {"path": "a\0b", "digest": D, "size": 1},
        {"path": "a", "digest": "sha256:../../x", "size": 1},
        {"path": "a", "digest": D, "size": -1},
        {"path": "a", "digest": D, "size": True},
        {"path": 3, "digest": D, "size": 1},
        {"path": "a", "size": 1},
        "a",
    ],
)
def test_a_hostile_manifest_is_refused(store: LocalBlobs, tmp_path: Path, entry: Any) -> None:
    store.put_bytes(b"x")
    manifest = canonical_json({"format": "pickaxe-folder-1", "files": [entry]})
    digest, _ = store.put_bytes(manifest)
    with pytest.raises(BadInput):
        store.materialise(digest, "folder")
    assert not (tmp_path / "outside").exists()


def test_a_manifest_that_names_a_path_twice_is_refused() -> None:
    entry = {"path": "a", "digest": D, "size": 1}
    with pytest.raises(BadInput, match="twice"):
        parse_manifest(json.dumps({"format": "pickaxe-folder-1", "files": [entry, entry]}).encode(), D)


def test_a_file_and_a_folder_of_one_name_are_refused(store: LocalBlobs) -> None:
    store.put_bytes(b"x")
    files = [{"path": path, "digest": D, "size": 1} for path in ("a", "a/b")]
    digest, _ = store.put_bytes(canonical_json({"format": "pickaxe-folder-1", "files": files}))
    with pytest.raises(BadInput):
        store.materialise(digest, "folder")


def test_a_wrong_kind_is_refused(store: LocalBlobs) -> None:
    digest, _ = store.put_bytes(b"x")
    with pytest.raises(BadInput, match="kind"):
        store.materialise(digest, "table")  # pyright: ignore[reportArgumentType]


def test_sweep_takes_what_a_dead_process_left_at_once(store: LocalBlobs) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid in (ended.pid, os.getpid()):
        (store.root / "tmp" / f"{pid}-left").mkdir(parents=True)
    assert store.sweep() == 1
    assert [path.name for path in (store.root / "tmp").iterdir()] == [f"{os.getpid()}-left"]


def test_sweep_takes_only_what_a_dead_writer_left_long_ago(store: LocalBlobs) -> None:
    assert store.sweep() == 0
    store.put_bytes(b"x")
    for name in ("old", "new"):
        (store.root / "tmp" / name).mkdir()
        (store.root / "tmp" / name / "content").write_bytes(b"half")
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(store.root / "tmp" / "old", (long_ago, long_ago))
    assert store.sweep() == 1
    assert [entry.name for entry in (store.root / "tmp").iterdir()] == ["new"]
    assert store.read_bytes(D) == b"x"
