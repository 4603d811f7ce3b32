"""A training in a process of its own: ``python -m tests.train.killed_training ENCODER CHECKPOINT OUTPUT``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pickaxe.testing import StepBench
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


if __name__ == "__main__":
    bench = Bench({"gold": make_gold(), "encoder": Path(sys.argv[1])})
    train_teacher(bench, CONFIG)
    shutil.copytree(bench.saved["teacher"], sys.argv[3])
    print("\n".join(bench.logs))
