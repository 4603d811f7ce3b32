"""Two commands that want the same workspace or the same port."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

import pickaxe
from pickaxe.kernel.errors import NotFound
from tests.faults.commands import call, start, until
from tests.flows.tiny import Files

pytestmark = pytest.mark.slow


def test_a_second_writer_is_told_who_writes_and_readers_are_not_disturbed(files: Files, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    first = start(workspace, "produce", files.task, "--report", tmp_path / "report.html")
    try:
        until(lambda: _runs(workspace), "the first command runs a stage")
        second = call(workspace, "produce", files.task, "--report", tmp_path / "other.html")
        assert second.returncode == 4
        assert "another process is writing to this workspace" in second.stderr
        assert f"process {first.pid} " in second.stderr
        assert "what to do: wait for it, stop it" in second.stderr
        assert "Traceback" not in second.stderr
        assert not (tmp_path / "other.html").exists()
        reader = call(workspace, "runs")
        assert reader.returncode == 0
        assert "tiny/ingest" in reader.stdout
        assert first.poll() is None
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()


def test_a_port_in_use_is_named_with_a_way_out(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace"):
        pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = call(tmp_path / "workspace", "up", "--port", port)
    assert done.returncode == 10
    assert f"port {port} is in use" in done.stderr
    assert "--port 0" in done.stderr
    assert "Traceback" not in done.stderr


def _runs(workspace: Path) -> int:
    try:
        with pickaxe.open(workspace, mode="r") as reader:
            return len(reader.runs.list())
    except NotFound:
        return 0
