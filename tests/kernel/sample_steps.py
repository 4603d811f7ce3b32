"""Steps that the engine's tests run in real workers."""

import gc
import os
import signal
import time

from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.step import StepContext
from pickaxe.kernel.tables.extensions import checked
from tests.kernel.helper_module import scale


class Count(Config):
    upto: int = 3
    nap: float = 0.0


def count(ctx: StepContext, config: Count) -> None:
    """Say how far it is, save what it counted."""
    for number in range(config.upto):
        time.sleep(config.nap)
        ctx.progress(number + 1, config.upto, "counting")
        ctx.metric("number", scale(number), step=number)
    ctx.log("counted")
    print("printed to standard output")
    ctx.save_json("total", {"total": config.upto, "seed": ctx.seed})


def double(ctx: StepContext, config: Config) -> None:
    ctx.save_json("total", {"total": 2 * ctx.inputs["total"].json()["total"]})


def die_once(ctx: StepContext, config: Config) -> None:
    """Kill the own process in the first attempt, finish from the checkpoint in the second."""
    mark = ctx.checkpoint / "mark"
    if not mark.exists():
        mark.write_text("been here")
        os.kill(os.getpid(), signal.SIGKILL)
    ctx.save_json("total", {"resumed": True})


def die_always(ctx: StepContext, config: Config) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(ctx: StepContext, config: Config) -> None:
    raise BadInput("no good", expected="good", got="bad", remedy="be good")


def crash(ctx: StepContext, config: Config) -> None:
    raise ZeroDivisionError("on purpose")


class Hog(Config):
    megabytes: int


def hog(ctx: StepContext, config: Hog) -> None:
    kept = bytearray(os.urandom(1 << 20)) * config.megabytes
    time.sleep(600)
    ctx.save_json("total", len(kept))


def burn(ctx: StepContext, config: Config) -> None:
    """Half a second of CPU time, measured by the process itself."""
    until = time.process_time() + 0.5
    while time.process_time() < until:
        pass
    ctx.save_json("total", 1)


def add(ctx: StepContext, config: Config) -> None:
    ctx.save_json("total", {"total": sum(ctx.inputs[side].json()["total"] for side in ("left", "right"))})


def make_objects(ctx: StepContext, config: Config) -> None:
    """How often Python looks for garbage while 30,000 lists are made and kept, and whether it does at all in the end."""
    before = gc.get_stats()[0]["collections"]
    kept = [[number] for number in range(30_000)]
    looks = gc.get_stats()[0]["collections"] - before
    kept += [[number] for number in range(100_000)]
    ctx.save_json("total", {"looks": looks, "later": gc.get_stats()[0]["collections"] - before, "kept": len(kept)})


def read_rows(ctx: StepContext, config: Config) -> None:
    """Which extensions were checked before this process touched a table, and how many after it."""
    rows = ctx.inputs["rows"]
    handed_on = (rows.artifact.name, checked())[1]  # the stores are open by then, the tables are not
    ctx.save_json("total", {"rows": rows.table().num_rows, "handed_on": handed_on, "in_all": len(checked())})
