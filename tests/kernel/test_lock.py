"""One writer, whoever dies and however."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pickaxe.kernel.errors import Unavailable, WriterBusy
from pickaxe.kernel.system import lock as module
from pickaxe.kernel.system.lock import WriterLock, holder_of
from tests.kernel.processes import line, python

HOLD = """
import sys, time
from pathlib import Path
from pickaxe.kernel.system.lock import WriterLock
with WriterLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "writer.lock"


def holder(path: Path) -> subprocess.Popen[str]:
    process = python(HOLD, path)
    assert line(process) == "held"
    return process


def test_the_second_writer_is_told_who_is_first(path: Path) -> None:
    process = holder(path)
    try:
        with pytest.raises(WriterBusy) as caught:
            WriterLock(path).acquire()
        said = str(caught.value)
        about = json.loads(path.read_text())
        assert about["pid"] == process.pid
        for part in (str(process.pid), about["host"], about["since"], "pickaxe.kernel.system.lock", 'mode="r"'):
            assert part in said
        assert caught.value.exit_code == 4
    finally:
        process.kill()
        process.wait()


def test_who_holds_it_is_seen_without_taking_it(path: Path) -> None:
    assert holder_of(path) == {}, "no file"
    process = holder(path)
    try:
        assert holder_of(path)["pid"] == process.pid
        with WriterLock(path.with_name("other")) as ours:
            ours.tell(url="http://127.0.0.1:1")
            assert holder_of(ours.path)["url"] == "http://127.0.0.1:1"
            path.chmod(0o444)
            assert holder_of(path)["pid"] == process.pid
    finally:
        process.kill()
        process.wait()
    assert path.read_text(encoding="utf-8"), "what the dead one left"
    assert holder_of(path) == {}
    assert not path.with_name("other").read_text(encoding="utf-8")
    assert holder_of(path.with_name("other")) == {}


def test_kill_9_lets_go(path: Path) -> None:
    for _ in range(3):
        process = holder(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with WriterLock(path) as lock:
            assert lock.held
            assert json.loads(path.read_text())["pid"] == os.getpid()


def test_waiting_for_the_writer(path: Path) -> None:
    process = holder(path)
    started = time.monotonic()
    with pytest.raises(WriterBusy):
        WriterLock(path).acquire(wait=0.2)
    assert time.monotonic() - started >= 0.2
    process.kill()
    WriterLock(path).acquire(wait=60).release()
    process.wait()


def test_in_one_process_too(path: Path) -> None:
    first, second = WriterLock(path), WriterLock(path)
    with first:
        first.acquire()
        with pytest.raises(WriterBusy):
            second.acquire()
        assert not second.held
    assert not first.held
    with second:
        assert second.held
    second.release()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe not json", b"[]", b'{"pid": 1, "host": "elsewhere"}', b"{" * 9000])
def test_stale_or_broken_content_decides_nothing(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with WriterLock(path), pytest.raises(WriterBusy, match=str(os.getpid())):
        WriterLock(path).acquire()
    path.write_bytes(content)
    process = holder(path)
    path.write_bytes(content)
    with pytest.raises(WriterBusy):
        WriterLock(path).acquire()
    process.kill()
    process.wait()


def test_the_file_stays_and_says_nothing_after_release(path: Path) -> None:
    with WriterLock(path):
        inode = path.stat().st_ino
    assert path.stat().st_ino == inode
    assert path.read_bytes() == b""


def test_a_forked_child_does_not_keep_its_parents_lock(path: Path) -> None:
    """A daemonised grandchild that outlives the writer must not lock everybody out."""
    code = """
import os, sys, time
from pathlib import Path
from pickaxe.kernel.system.lock import WriterLock
lock = WriterLock(Path(sys.argv[1])).acquire()
if os.fork() == 0:
    assert not lock.held
    print("child", flush=True)
    time.sleep(600)
    os._exit(0)
time.sleep(600)
"""
    process = python(code, path, start_new_session=True)
    try:
        assert line(process) == "child"
        with pytest.raises(WriterBusy):
            WriterLock(path).acquire()
        process.kill()
        process.wait()
        WriterLock(path).acquire(wait=60).release()
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_a_started_program_does_not_inherit_the_lock(path: Path) -> None:
    lock = WriterLock(path).acquire()
    child = python("import time; time.sleep(600)", close_fds=False)
    try:
        lock.release()
        WriterLock(path).acquire(wait=60).release()
    finally:
        child.kill()
        child.wait()


def test_where_no_lock_can_be_made_it_says_so(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "lock", tmp_path):
        with pytest.raises(Unavailable, match="cannot be locked") as caught:
            WriterLock(path).acquire()
        assert caught.value.remedy


def test_a_full_disk_does_not_keep_the_lock_from_being_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "pwrite", full)
    with WriterLock(path) as lock:
        assert lock.held
        with pytest.raises(WriterBusy, match="has not said who it is"):
            WriterLock(path).acquire()
