"""What a whole line will take, before anything is read: from the lines that this workspace has run, by the size of their data."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pickaxe.compute.planner.foresight import Foresight, foresee, price
from pickaxe.compute.planner.history import SIZE, Past, log_size, past_of
from pickaxe.flows.line import Nobody
from pickaxe.flows.sources import located
from pickaxe.flows.task import Task
from pickaxe.kernel.nouns import RunState

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

_MOST_RUNS = 2_000
_BYTES_A_TEXT = 100


@dataclass(frozen=True, slots=True)
class StagePreview:
    """One stage: how often it runs, and what one run of it should take. `nano` is for one run."""

    stage: str
    times: int
    seconds: Foresight
    memory: Foresight | None
    nano: int


def preview(workspace: Workspace, task: Task) -> list[StagePreview]:
    """Every stage that earlier lines had, in their order; empty when no line has run here."""
    found = _past_by_stage(workspace)
    features = {SIZE: log_size(_size(task) / _BYTES_A_TEXT)}
    stages: list[StagePreview] = []
    for stage, past in found.items():
        often = Counter(run.run_id.partition("/")[0] for run in past)
        cores = round(sum(run.cores for run in past) / len(past))
        meters = foresee(features, cores, past)
        if "wall_ms" in meters:
            times = task.rounds if max(often.values()) > 1 else 1
            stages.append(
                StagePreview(
                    stage, times, meters["wall_ms"], meters.get("memory_peak_bytes"), price(meters, cores, workspace) or 0
                )
            )
    return stages


def _past_by_stage(workspace: Workspace) -> dict[str, list[Past]]:
    """Runs of every stage, oldest first; their only feature is the size of the line's source. Ids begin with the line's name."""
    sizes = {
        item.name.rpartition("/")[0]: item.size
        for item in workspace.artifacts.list(kind="source")
        if item.name.endswith("/source")
    }
    runs, _ = workspace.runs.page(states=[RunState.SUCCEEDED], limit=_MOST_RUNS)
    stages: dict[str, list[Past]] = defaultdict(list)
    for past, run in reversed(past_of(workspace, runs)):
        line, _, stage = run.name.partition("/")
        if line in sizes:
            features = {SIZE: log_size(sizes[line] / _BYTES_A_TEXT)}
            stages[stage].append(Past(f"{line}/{run.id}", past.step, features, past.cores, past.readings))
    return stages


def _size(task: Task) -> int:
    """Bytes of the task's data; demo data is fetched for it."""
    path = located(task.data, Nobody())
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
