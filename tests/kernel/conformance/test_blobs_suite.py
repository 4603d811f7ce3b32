"""What every blob store must do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.kernel.blobs.backend import Blobs
from pickaxe.kernel.digest import bytes_digest, file_digest, folder_digest
from pickaxe.kernel.errors import BadInput, Corrupted, NotFound
from tests.kernel.conformance.backends import BLOBS, Backend

ABSENT = "sha256:" + "0" * 64


@pytest.fixture
def store(blobs_backend: Backend[Blobs], tmp_path: Path) -> Blobs:
    return blobs_backend.open(tmp_path / "store", "w")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "pickaxe.json").write_text('{"format": "linear"}')
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 40)
    (folder / "deep" / "er" / "copy.bin").write_bytes(bytes(range(256)) * 40)
    (folder / "deep" / "empty").write_bytes(b"")
    (folder / "ünïcode 🪓.txt").write_text("x")
    return folder


def test_gaps_name_tests_of_this_suite() -> None:
    assert {gap for backend in BLOBS for gap in backend.gaps} <= set(globals())


def test_bytes_come_back(store: Blobs) -> None:
    for content in (b"", b"x", b"\0" * 100_000):
        digest, size = store.put_bytes(content)
        assert (digest, size) == (bytes_digest(content), len(content))
        assert store.exists(digest)
        assert store.size(digest) == len(content)
        assert store.read_bytes(digest) == content
        with store.open(digest) as stream:
            assert stream.read() == content


@settings(max_examples=20)
@given(contents=st.lists(st.binary(max_size=64), max_size=6))
def test_any_contents_live_side_by_side(
    blobs_backend: Backend[Blobs], tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]
) -> None:
    store = blobs_backend.open(tmp_path_factory.mktemp("blobs"), "w")
    digests = [store.put_bytes(content)[0] for content in contents]
    assert [store.read_bytes(digest) for digest in digests] == contents


def test_a_file_comes_back(store: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    digest, size = store.put_file(source)
    assert (digest, size) == (file_digest(source), 7)
    source.unlink()
    assert store.materialise(digest, "file").read_bytes() == b"weights"


def test_a_folder_comes_back(store: Blobs, model: Path) -> None:
    digest, size = store.put_folder(model)
    assert digest == folder_digest(model)[0]
    assert size == 2 * 256 * 40 + len('{"format": "linear"}') + 1
    place = store.materialise(digest, "folder")
    assert folder_digest(place) == folder_digest(model)
    assert store.materialise(digest, "folder") == place


def test_an_empty_folder_comes_back(store: Blobs, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    digest, size = store.put_folder(tmp_path / "empty")
    assert size == 0
    assert list(store.materialise(digest, "folder").iterdir()) == []


def test_storing_twice_is_storing_once(store: Blobs, model: Path) -> None:
    assert store.put_folder(model) == store.put_folder(model)
    assert store.put_bytes(b"x") == store.put_bytes(b"x")


def test_it_is_there_for_the_next_process(blobs_backend: Backend[Blobs], tmp_path: Path, model: Path) -> None:
    digest, _ = blobs_backend.open(tmp_path / "store", "w").put_folder(model)
    reader = blobs_backend.open(tmp_path / "store", "r")
    assert folder_digest(reader.materialise(digest, "folder"))[0] == digest


def test_what_is_not_there_is_not_found(store: Blobs, tmp_path: Path) -> None:
    assert not store.exists(ABSENT)
    for ask in (store.size, store.read_bytes, store.open, store.manifest):
        with pytest.raises(NotFound, match=ABSENT):
            ask(ABSENT)
    for kind in ("file", "folder"):
        with pytest.raises(NotFound, match=ABSENT):
            store.materialise(ABSENT, kind)
    with pytest.raises(NotFound):
        store.put_file(tmp_path / "nowhere")
    with pytest.raises(NotFound):
        store.put_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("digest", ["", "sha256:" + "../" * 21 + "x", "/etc/passwd", ABSENT + "/..", ABSENT.upper()])
def test_a_hostile_digest_is_refused(store: Blobs, digest: str) -> None:
    for ask in (store.exists, store.size, store.read_bytes, store.open, store.manifest):
        with pytest.raises(BadInput, match="not a digest"):
            ask(digest)
    with pytest.raises(BadInput, match="not a digest"):
        store.materialise(digest, "folder")


def test_a_file_is_no_folder(store: Blobs) -> None:
    for content in (b"plain", b"[]", b'{"files": []}', b'{"format": "pickaxe-folder-1", "files": 3}'):
        digest, _ = store.put_bytes(content)
        with pytest.raises(BadInput, match="not a folder"):
            store.materialise(digest, "folder")


def test_a_flipped_bit_is_found(blobs_backend: Backend[Blobs], tmp_path: Path) -> None:
    place = tmp_path / "store"
    digest, _ = blobs_backend.open(place, "w").put_bytes(b"precious" * 100)
    assert blobs_backend.spoil(place)
    asks: list[Callable[[Blobs], object]] = [
        lambda store: store.read_bytes(digest),
        lambda store: store.open(digest),
        lambda store: store.materialise(digest, "file"),
    ]
    for ask in asks:
        with pytest.raises(Corrupted, match=digest) as caught:
            ask(blobs_backend.open(place, "r"))
        assert caught.value.remedy


def test_many_threads_store_the_same_things(store: Blobs, model: Path) -> None:
    answers: list[tuple[str, Path]] = []

    def work() -> None:
        digest, _ = store.put_folder(model)
        answers.append((digest, store.materialise(digest, "folder")))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert set(answers) == {answers[0]}
    assert folder_digest(answers[0][1])[0] == answers[0][0]
