"""What a whole line will take, before anything is read: from the lines that this workspace has run, by the size of their data."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from pickaxe.compute.planner.here.foresight import Foresight, RunForecast, foresee, price
from pickaxe.compute.planner.here.history import MACHINE, SIZE, Past, log_size, past_of, this_machine
from pickaxe.flows.demo_data import at_hand
from pickaxe.flows.line import Nobody
from pickaxe.flows.sources import located
from pickaxe.flows.task import DEMO, Task
from pickaxe.kernel.errors import BadInput, Unavailable
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
    forecast: RunForecast

    @property
    def seconds(self) -> Foresight:
        return self.forecast.meters["wall_ms"]

    @property
    def memory(self) -> Foresight | None:
        return self.forecast.meters.get("memory_peak_bytes")

    @property
    def tokens(self) -> Foresight | None:
        """That models read; None for a stage without a model."""
        return self.forecast.meters.get("tokens")

    @property
    def nano(self) -> int:
        return self.forecast.nano or 0


@dataclass(frozen=True, slots=True)
class Preview:
    """Every stage that earlier lines had, in their order; none when no line has run here.

    Attributes:
        refused: why the task's own limits would end the line before the stage it names; None when they would not.
    """

    stages: tuple[StagePreview, ...]
    refused: BadInput | None

    @property
    def seconds(self) -> float:
        return sum(item.times * item.seconds.middle / 1000 for item in self.stages)

    @property
    def nano(self) -> int:
        return sum(item.times * item.nano for item in self.stages)

    @property
    def tokens(self) -> float:
        return sum(item.times * item.tokens.middle for item in self.stages if item.tokens)

    @property
    def memory_bytes(self) -> float | None:
        """Peak of the largest stage."""
        return max((item.memory.middle for item in self.stages if item.memory), default=None)

    def body(self) -> dict[str, Any]:
        """What the API answers."""
        stages = [
            {
                "stage": item.stage,
                "times": item.times,
                "seconds": {name: getattr(item.seconds, name) / 1000 for name in ("low", "middle", "high")},
                "memory_bytes": item.memory.middle if item.memory else None,
                "tokens": item.tokens.middle if item.tokens else None,
                "nano": item.nano,
                "runs": item.seconds.runs,
            }
            for item in self.stages
        ]
        refused = self.refused.as_dict() if self.refused else None
        in_all = {"seconds": self.seconds, "nano": self.nano, "memory_bytes": self.memory_bytes, "tokens": self.tokens}
        return {"stages": stages, "refused": refused} | in_all


def preview(workspace: Workspace, task: Task, *, data_bytes: int | None = None) -> Preview:
    """Forecast the line for `task` from the lines that `workspace` has run. Raises `Unavailable` for demo data that is not here yet.

    With `data_bytes` the data itself is not looked for.
    """
    found = _past_by_stage(workspace)
    size = log_size((data_size(task) if data_bytes is None else data_bytes) / _BYTES_A_TEXT)
    features = {SIZE: size} | this_machine(workspace)
    stages: list[StagePreview] = []
    for stage, past in found.items():
        often = Counter(run.run_id.partition("/")[0] for run in past)
        cores = round(sum(run.cores for run in past) / len(past))
        meters = foresee(features, cores, past)
        if "wall_ms" in meters:
            times = task.rounds if max(often.values()) > 1 else 1
            forecast = RunForecast("", past[-1].step, cores, meters, price(meters, cores, workspace))
            stages.append(StagePreview(stage, times, forecast))
    return Preview(tuple(stages), _refusal(task, stages))


def _refusal(task: Task, stages: Sequence[StagePreview]) -> BadInput | None:
    """What the line itself would say, stage by stage, if each took what is forecast."""
    ceiling, spent_nano, spent_seconds = task.limits.ceiling, 0, 0.0
    for item in chain.from_iterable(repeat(stage, stage.times) for stage in stages):
        try:
            ceiling.admit(item.stage, item.forecast, spent_nano=spent_nano, spent_seconds=spent_seconds)
        except BadInput as refused:
            return refused
        spent_nano, spent_seconds = spent_nano + item.nano, spent_seconds + item.seconds.middle / 1000
    return None


def _past_by_stage(workspace: Workspace) -> dict[str, list[Past]]:
    """Runs of every stage, oldest first; of their features only the size of the line's source and the machine. Ids begin with the line's name."""
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
            where = {name: value for name, value in past.features.items() if name.startswith(MACHINE)}
            features = {SIZE: log_size(sizes[line] / _BYTES_A_TEXT)} | where
            stages[stage].append(Past(f"{line}/{run.id}", past.step, features, past.cores, past.readings))
    return stages


def data_size(task: Task) -> int:
    """Bytes of the task's data. Raises `Unavailable` for demo data that is not here yet."""
    if task.data.startswith(DEMO):
        name = task.data.removeprefix(DEMO)
        if not at_hand(name):
            raise Unavailable(
                f"the demo data {name!r} is not on this machine yet",
                expected="data that is here, to forecast by its size",
                remedy="start the line: the data is fetched then, and each stage is forecast before it runs",
            )
    path = located(task.data, Nobody())
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
