"""Where each task stands: its stages with their newest runs, from the data to the watch over its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pickaxe.kernel.browse import scopes
from pickaxe.kernel.newest import newest_by_scope
from pickaxe.kernel.nouns import Artifact, Run, RunState

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

PHASES: Mapping[str, tuple[str, ...]] = {
    "data": ("ingest", "curate"),
    "labels": ("test", "test/test-answers", "test/test-sample", "feedback", "select", "label", "adjudicate", "divide"),
    "teacher": ("teacher", "export", "predict", "auto-label"),
    "student": ("assemble", "student", "baseline"),
    "gate": ("test/test", "gate"),
    "served": ("publish",),
    "watch": ("reference", "foreign", "traffic", "watch"),
}
"""The line's stages by what they are for, in order."""

_COUNTED = {
    "ingest": "rows", "curate": "pool", "test/test-answers": "annotations", "test/test-sample": "test_sample", "select": "batch",
    "label": "annotations", "adjudicate": "gold", "divide": "lessons", "predict": "predictions",
    "auto-label": "auto_labels", "assemble": "training_set", "test/test": "predictions", "foreign": "rows", "traffic": "traffic_log",
}  # fmt: skip
"""stage -> the output whose rows say how much it did"""

_WORST = (RunState.RUNNING, RunState.QUEUED, RunState.FAILED, RunState.INTERRUPTED, RunState.CANCELLED, RunState.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class StageNow:
    """A stage and its newest run. `rows` is None where rows are not what it makes; money in nano-units, all attempts."""

    stage: str
    run: Run
    rows: int | None
    nano: int


@dataclass(frozen=True, slots=True)
class Phase:
    """Some stages in order. `state` is what is going on, else the worst that happened; None before the first of them started."""

    name: str
    stages: tuple[StageNow, ...]

    @property
    def state(self) -> RunState | None:
        states = {stage.run.state for stage in self.stages}
        return next((state for state in _WORST if state in states), None)

    @property
    def nano(self) -> int:
        return sum(stage.nano for stage in self.stages)

    @property
    def rows(self) -> int | None:
        """Of the last stage that counts rows and does not merely part them."""
        counting = (stage for stage in reversed(self.stages) if stage.rows is not None and stage.stage != "divide")
        return next((stage.rows for stage in counting), None)

    def seconds(self, now: datetime) -> float:
        """Of the newest runs, the one under way up to `now`."""
        return sum(
            ((stage.run.ended_at or now) - stage.run.started_at).total_seconds() for stage in self.stages if stage.run.started_at
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """A task: its phases in order (those without a run too), and stages of no phase last."""

    task: str
    phases: tuple[Phase, ...]
    others: tuple[StageNow, ...]

    @classmethod
    def to_come(cls, task: str) -> Standing:
        """Of a task whose first run has not begun."""
        return cls(task, tuple(Phase(name, ()) for name in PHASES), ())

    @property
    def stages(self) -> tuple[StageNow, ...]:
        return (*(stage for phase in self.phases for stage in phase.stages), *self.others)

    @property
    def newest(self) -> Run:
        return max((stage.run for stage in self.stages), key=lambda run: run.created_at)

    @property
    def nano(self) -> int:
        """What the newest run of every stage was charged."""
        return sum(stage.nano for stage in self.stages)


def tasks(workspace: Workspace, *, after: str = "", limit: int = 20) -> tuple[list[str], str | None]:
    """Names of tasks: the first parts of runs' names, and the cursor (`after`) that goes on."""
    found = scopes(workspace, after=after, limit=limit + 1)
    return found[:limit], found[limit - 1] if len(found) > limit else None


def standing(workspace: Workspace, task: str) -> Standing | None:
    """Where `task` stands; None when no run has that scope."""
    return next(iter(standings(workspace, [task])), None)


def standings(workspace: Workspace, tasks: Sequence[str]) -> list[Standing]:
    """Where each of `tasks` stands, in their order; without those that no run has as its scope. Read together."""
    runs = newest_by_scope(workspace, tasks)
    every = [run for of_task in runs.values() for run in of_task]
    nano = dict.fromkeys((run.id for run in every), 0)
    for charge in workspace.ledger.charges(list(nano)):
        nano[charge.holder] += charge.nano or 0
    made = workspace.artifacts.many([id for run in every for id in run.outputs.values()])
    return [_standing(task, of_task, made, nano) for task, of_task in runs.items() if of_task]


def _standing(task: str, runs: Sequence[Run], made: Mapping[str, Artifact], nano: Mapping[str, int]) -> Standing:
    now = {run.name.removeprefix(f"{task}/"): run for run in runs}
    stages = {stage: StageNow(stage, run, _rows(stage, run, made), nano[run.id]) for stage, run in now.items()}
    phases = tuple(
        Phase(name, tuple(stages.pop(stage) for stage in of_phase if stage in stages)) for name, of_phase in PHASES.items()
    )
    return Standing(task, phases, tuple(sorted(stages.values(), key=lambda stage: stage.run.created_at)))


def _rows(stage: str, run: Run, made: Mapping[str, Artifact]) -> int | None:
    output = made.get(run.outputs.get(_COUNTED.get(stage, ""), ""))
    return output.meta.get("rows") if output else None
