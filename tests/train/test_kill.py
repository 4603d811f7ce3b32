"""kill -9 in the middle of a real training process, then the same again: the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def start(encoder: Path, checkpoint: Path, output: Path, *pause: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.train.killed_training", str(encoder), str(checkpoint), str(output), *pause]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    return subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_training_killed_twice_ends_with_the_same_bytes(encoder: Path, tmp_path: Path) -> None:
    whole = start(encoder, tmp_path / "whole-checkpoint", tmp_path / "whole")
    assert "resumed" not in whole.communicate(timeout=600)[0]
    checkpoint = tmp_path / "checkpoint"
    for _ in range(2):
        killed, state = start(encoder, checkpoint, tmp_path / "resumed", "0.2"), checkpoint / "training.safetensors"
        before, deadline = state.stat().st_mtime_ns if state.exists() else 0, time.monotonic() + 300
        while not state.exists() or state.stat().st_mtime_ns == before:
            assert killed.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(killed.pid, signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "resumed").exists()
    resumed = start(encoder, checkpoint, tmp_path / "resumed")
    assert "resumed at" in resumed.communicate(timeout=600)[0]
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "resumed").iterdir())
    assert [(tmp_path / "whole" / name).read_bytes() for name in names] == [
        (tmp_path / "resumed" / name).read_bytes() for name in names
    ]
