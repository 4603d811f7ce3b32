"""A training in a process of its own: ``python -m tests.train.killed_training ENCODER CHECKPOINT OUTPUT [PAUSE]``.

With a pause in seconds after each checkpoint, so that whoever is to kill it in its middle can.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

from pickaxe.testing import StepBench
from pickaxe.train import checkpoint
from pickaxe.train.config import TeacherConfig
from pickaxe.train.service import train_teacher
from tests.train.tiny_task import make_gold

CONFIG = TeacherConfig(max_length=16, epochs=12, learning_rate=3e-3, threads=2, max_seconds_between_checkpoints=0.01)


class Bench(StepBench):
    """Keeps its checkpoint where the next process finds it."""

    @property
    def checkpoint(self) -> Path:
        folder = Path(sys.argv[2])
        folder.mkdir(exist_ok=True)
        return folder


def save_and_pause(*arguments: Any) -> None:
    _save(*arguments)
    time.sleep(float(sys.argv[4]))


if __name__ == "__main__":
    if sys.argv[4:]:
        _save, checkpoint.save = checkpoint.save, save_and_pause
    bench = Bench({"gold": make_gold(), "encoder": Path(sys.argv[1])})
    train_teacher(bench, CONFIG)
    shutil.copytree(bench.saved["teacher"], sys.argv[3])
    print("\n".join(bench.logs))
