"""A report written by a process of its own: what draws the charts takes 200 MB that a server should not keep afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import RunFailed

if TYPE_CHECKING:
    from pickaxe.flows.produce import Product
    from pickaxe.kernel.workspace import Workspace


def write_report_elsewhere(workspace: Workspace, product: Product, path: Path) -> None:
    """As `pickaxe.flows.reporting.write_report`, of one task. Raises `RunFailed` when the process fails."""
    told = {
        "folder": str(workspace.path),
        "as": [workspace.tenant_id, workspace.principal_id],
        "cores": workspace.engine.cores,
        "task": product.task.model_dump(mode="json"),
        "records": [asdict(record) for record in product.records],
        "rounds": [
            {"number": turn.number, "model": turn.model.id, "artifacts": {role: item.id for role, item in turn.artifacts.items()}}
            for turn in product.rounds
        ],
    }
    ended = subprocess.run(
        [sys.executable, "-m", __name__, str(path)], input=json.dumps(told), capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise RunFailed(
            "the report could not be written", got=ended.stderr[-500:], remedy="the models are published all the same"
        )


def _main(told: dict[str, Any], path: Path) -> None:
    from pickaxe.flows.line import StageRecord
    from pickaxe.flows.produce import Product, Round
    from pickaxe.flows.reporting import write_report
    from pickaxe.flows.task import Task
    from pickaxe.kernel.workspace import Workspace

    with Workspace(told["folder"], mode="r") as opened:
        workspace = opened.for_tenant(*told["as"])
        product = Product(Task.parse(told["task"]), records=[StageRecord(**record) for record in told["records"]])
        for turn in told["rounds"]:
            made = {role: workspace.artifact(id) for role, id in turn["artifacts"].items()}
            product.rounds.append(
                Round(turn["number"], made, workspace.artifact(turn["model"]), workspace.endpoint(product.task.name))
            )
        write_report(workspace, [product], path, cores=told["cores"])


if __name__ == "__main__":
    _main(json.load(sys.stdin), Path(sys.argv[1]))
