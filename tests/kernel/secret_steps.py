"""A step that puts a secret wherever a step can put something."""

import pyarrow as pa

from pickaxe.kernel.config import Config
from pickaxe.kernel.step import StepContext


class Secretive(Config):
    secret: str
    fails: bool = False


def tell_everywhere(ctx: StepContext, config: Secretive) -> None:
    secret = config.secret
    rows = ctx.inputs["rows"].table()
    assert secret in rows["text"][0].as_py()
    (ctx.checkpoint / "state").write_text(secret)
    (ctx.scratch / "working").write_text(secret)
    ctx.log(f"a log line with {secret}")
    print(f"printed: {secret}")
    ctx.metric(f"recall/{secret}", 0.5, 1)
    ctx.progress(1, 2, f"at {secret}")
    if config.fails:
        raise ValueError(f"an error about {secret}")
    ctx.save_table("table", pa.table({secret: [f"{secret} {number}" for number in range(1000)]}), meta={"note": secret})
    folder = ctx.scratch / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(secret.encode() * 100)
    (folder / f"{secret}.txt").write_text("named after it")
    ctx.save_files("model", folder, meta={"classes": [secret]})
    ctx.save_json("report", {"about": secret})


def read_everything(ctx: StepContext, config: Secretive) -> None:
    """Reads what the first step made, in a worker."""
    assert ctx.inputs["table"].table().column_names == [config.secret]
    assert (ctx.inputs["model"].path() / f"{config.secret}.txt").read_text() == "named after it"
    ctx.save_json("found", ctx.inputs["report"].json())
