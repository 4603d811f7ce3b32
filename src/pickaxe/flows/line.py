"""A production line: stages that are cached runs, a bar on the screen for each, and a line in the bill."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pickaxe.compute.planner.here.foresight import EVENT, forecast_run
from pickaxe.flows.ceiling import Ceiling
from pickaxe.kernel.config import Config
from pickaxe.kernel.engine.engine import Progress, RunResult
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.runs import RunSpec
from pickaxe.kernel.workspace import Workspace


@dataclass(frozen=True, slots=True)
class StageRecord:
    """What a stage did. `rows` is None where rows are not what it makes; money in nano-units."""

    task: str
    round: int
    stage: str
    rows: int | None
    seconds: float
    nano: int
    cached: bool
    run_id: str


class LineWatcher(Protocol):
    """Who watches the line: a terminal, a page, nobody."""

    def stage_started(self, task: str, round: int, stage: str) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def stage_ended(self, record: StageRecord) -> None: ...

    def note(self, text: str) -> None:
        """Something that whoever watches should know, between two stages."""

    def asking(self) -> None:
        """A person is asked on this terminal from now until the next stage starts: keep off it."""

    def fetching(self, name: str, done: float, total: float) -> None:
        """Demo data `name` is being downloaded, in bytes; the last call has done == total."""


class Nobody:
    """Watches nothing."""

    def stage_started(self, task: str, round: int, stage: str) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def stage_ended(self, record: StageRecord) -> None: ...

    def note(self, text: str) -> None: ...

    def asking(self) -> None: ...

    def fetching(self, name: str, done: float, total: float) -> None: ...


@dataclass
class Line:
    """Runs the stages of one task, one round at a time, and keeps the table of what they took."""

    workspace: Workspace
    task: str
    watcher: LineWatcher = field(default_factory=Nobody)
    round: int = 1
    records: list[StageRecord] = field(default_factory=list[StageRecord])
    ceiling: Ceiling = field(default_factory=Ceiling)
    desk: bool = False
    """People are asked at the desk in the console (`pickaxe.flows.desk`), not at this terminal."""

    def stage(
        self,
        stage: str,
        step: Callable[..., Any],
        config: Config,
        inputs: Mapping[str, Artifact],
        *,
        counts: str | None = None,
        scope: str = "",
        cores: int | None = None,
    ) -> RunResult:
        """Run one step as ``<task>/<stage>``; `counts` names the output whose rows the table shows."""
        self.watcher.stage_started(self.task, self.round, stage)
        started = time.monotonic()
        available = self.workspace.engine.cores
        name, held = f"{scope or self.task}/{stage}", min(cores or available, available)
        spec = self.workspace.spec(step, config, name=name, inputs=inputs)
        if (known := self.workspace.runs.cached(spec.key)) is not None:
            result = self.workspace.result(known, cached=True)
        else:
            self._foresee(stage, spec, held)
            result = self.workspace.run(step, config, name=name, inputs=inputs, cores=held, watcher=self.watcher.progress)
        charges = self.workspace.ledger.charges([result.run.id])
        record = StageRecord(
            task=self.task,
            round=self.round,
            stage=stage,
            rows=result[counts].meta.get("rows") if counts else None,
            seconds=time.monotonic() - started,
            nano=sum(charge.nano or 0 for charge in charges),
            cached=result.cached,
            run_id=result.run.id,
        )
        self.records.append(record)
        self.watcher.stage_ended(record)
        return result

    def _foresee(self, stage: str, spec: RunSpec, cores: int) -> None:
        """Forecast a stage, keep the forecast beside what will be read, and hold it against the ceiling."""
        forecast = forecast_run(self.workspace, spec, cores)
        if forecast.meters:
            self.workspace.emit(EVENT, spec.run_id, name=stage, value=forecast.seconds, body=forecast.body())
        spent = [record for record in self.records if not record.cached]
        self.ceiling.admit(
            stage,
            forecast,
            spent_nano=sum(record.nano for record in spent),
            spent_seconds=sum(record.seconds for record in spent),
        )

    def is_cached(self, stage: str, step: Callable[..., Any], config: Config, inputs: Mapping[str, Artifact]) -> bool:
        """Whether `stage` would come from the cache."""
        spec = self.workspace.spec(step, config, name=f"{self.task}/{stage}", inputs=inputs)
        return self.workspace.runs.cached(spec.key) is not None
