"""Steps that take as long, and read as much, as they are told."""

from __future__ import annotations

import os
import signal
import time

from pickaxe.kernel.config import Config
from pickaxe.kernel.ledger.tokens import count_tokens
from pickaxe.kernel.step import StepContext


class Spin(Config):
    seconds: float = 0.2


class Read(Config):
    texts: int
    killed: bool = False


def spin(ctx: StepContext, config: Spin) -> None:
    time.sleep(config.seconds)
    ctx.save_json("done", {"seconds": config.seconds})


def read(ctx: StepContext, config: Read) -> None:
    """Seven tokens a text; told to, the first attempt is killed after it read and said how far it is."""
    mark = ctx.checkpoint / "killed"
    if config.killed and mark.exists():
        ctx.save_json("done", {})
        return
    count_tokens(7 * config.texts)
    ctx.progress(1, 2)
    if config.killed:
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    ctx.save_json("done", {"texts": config.texts})
