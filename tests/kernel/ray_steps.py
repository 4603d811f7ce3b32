"""Steps that a cluster's workers can import."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pickaxe.kernel.config import Config
from pickaxe.kernel.step import StepContext


class Count(Config):
    to: int = 3
    pause: float = 0.0
    give_up_at: int | None = None
    not_before: str = ""
    """A file that must be there before the step comes to its end."""


def count(ctx: StepContext, config: Count) -> None:
    """Counts, remembers in the checkpoint how far it came, and says which process did it."""
    import pyarrow as pa

    kept = ctx.checkpoint / "at"
    start = int(kept.read_text()) if kept.exists() else 0
    ctx.log(f"process {os.getpid()} starts at {start}")
    for number in range(start, config.to):
        time.sleep(config.pause)
        if number == config.give_up_at:
            raise ValueError("I was told to")
        while number == config.to - 1 and config.not_before and not Path(config.not_before).exists():
            time.sleep(0.05)
        kept.write_text(str(number + 1))
        ctx.progress(number + 1, config.to)
    ctx.metric("counted", config.to)
    ctx.save_table("numbers", pa.table({"n": list(range(config.to))}))
    (ctx.scratch / "m").mkdir()
    (ctx.scratch / "m" / "weights.bin").write_bytes(bytes(range(256)) * 100)
    ctx.save_files("model", ctx.scratch / "m")
    ctx.save_json("said", {"to": config.to})


def total(ctx: StepContext, config: Config) -> None:
    """Reads a table and a folder through the stores of the node it runs on."""
    numbers = ctx.inputs["numbers"].table()["n"].to_pylist()
    ctx.save_json("sum", {"sum": sum(numbers), "bytes": (ctx.inputs["model"].path() / "weights.bin").stat().st_size})
