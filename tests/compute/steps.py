"""A step that takes as long as it is told."""

from __future__ import annotations

import time

from pickaxe.kernel.config import Config
from pickaxe.kernel.step import StepContext


class Spin(Config):
    seconds: float = 0.2


def spin(ctx: StepContext, config: Spin) -> None:
    time.sleep(config.seconds)
    ctx.save_json("done", {"seconds": config.seconds})
