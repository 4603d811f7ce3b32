"""Steps that benchmarks run in workers."""

from pickaxe.kernel.config import Config
from pickaxe.kernel.step import StepContext


class Number(Config):
    start: int = 0


def successor(ctx: StepContext, config: Number) -> None:
    before = ctx.inputs["number"].json() if "number" in ctx.inputs else config.start
    ctx.save_json("number", before + 1)
