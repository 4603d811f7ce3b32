"""One job, carried out: the line runs, and what it tells becomes the job's events."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pickaxe.flows.desk import AnswersWanted, address
from pickaxe.flows.job_spec import task_of
from pickaxe.flows.job_view import JOB, STAGE, facts_of, job_of, starts_in_vain
from pickaxe.kernel.errors import PickaxeError, RunCancelled

if TYPE_CHECKING:
    from pickaxe.flows.line import StageRecord
    from pickaxe.kernel.engine.engine import Progress
    from pickaxe.kernel.workspace import Workspace

log = logging.getLogger(__name__)
_MAX_IN_VAIN = 5
"""Servers that may die over a job, one after the other, without a stage done in between."""


class Carrier:
    """Carries out one job, and is the line's watcher meanwhile."""

    def __init__(self, workspace: Workspace, job_id: str) -> None:
        self._ws = workspace
        self.job_id = job_id
        self._cancelled = self._stopped = False
        self._run_id: str | None = None
        self._told = self._looked = -1.0
        self.waits_for: str | None = None
        """The task whose queue has to be answered before the job can go on; known after `run`."""

    def run(self) -> None:
        job = job_of(self._ws, self.job_id)
        if self._is_called_off():  # while it waited, or just before the server was killed
            ended(self._ws, self.job_id, "cancelled")
            return
        waited = job.state == "waiting"
        in_vain = 0 if waited else starts_in_vain(self._ws, self.job_id)
        if in_vain >= _MAX_IN_VAIN:
            said = f"the server died {in_vain} times over it without getting a stage further"
            error = {"code": "run_failed", "message": said, "remedy": "see the server's log, and free memory"}
            ended(self._ws, self.job_id, "failed", error=error)
            return
        self._ws.emit(JOB, self.job_id, name="resumed" if waited else "started")
        try:
            result = _produce(self._ws, job.spec, self)
        except RunCancelled as error:
            if self._stopped:  # the job is not over
                self._ws.emit(JOB, self.job_id, name="stopped")
            else:
                ended(self._ws, self.job_id, "cancelled" if self._cancelled else "failed", error=error.as_dict())
        except AnswersWanted as wanted:
            self._wait(wanted)
        except PickaxeError as error:
            ended(self._ws, self.job_id, "failed", error=error.as_dict())
        except Exception as error:  # a defect of ours; the job is over all the same
            log.exception("job %s failed", self.job_id)
            ended(self._ws, self.job_id, "failed", error={"code": "internal", "message": f"{type(error).__name__}: {error}"})
        else:
            ended(self._ws, self.job_id, "succeeded", result=result)

    def _wait(self, wanted: AnswersWanted) -> None:
        if self._cancelled and not self._stopped:
            ended(self._ws, self.job_id, "cancelled")
            return
        told = {"task": wanted.task, "missing": wanted.count, "address": address(wanted.task)}
        self._ws.emit(JOB, self.job_id, name="waiting", body=told)
        self.waits_for = wanted.task

    def cancel(self) -> None:
        self._cancelled = True
        if self._run_id is not None:
            self._ws.engine.cancel(self._run_id)

    def stop(self) -> None:
        self._stopped = True
        self.cancel()

    # What the line tells (`pickaxe.flows.line.LineWatcher`)

    def stage_started(self, task: str, round: int, stage: str) -> None:
        self._run_id = None
        self._refuse_if_cancelled()
        self._ws.emit(STAGE, self.job_id, name=stage, body={"task": task, "round": round, "state": "started"})

    def progress(self, progress: Progress) -> None:
        if self._run_id != progress.run.id:
            self._run_id = progress.run.id
            self._ws.emit(STAGE, self.job_id, name=progress.run.name, body={"run_id": progress.run.id, "state": "running"})
        if self._cancelled or (self._ws.catalog.shared and self._is_called_off()):
            self.cancel()

    def stage_ended(self, record: StageRecord) -> None:
        told = {"task": record.task, "round": record.round, "state": "ended", "rows": record.rows, "seconds": record.seconds}
        told |= {"nano": record.nano, "cached": record.cached, "run_id": record.run_id}
        self._ws.emit(STAGE, self.job_id, name=record.stage, body=told)

    def note(self, text: str) -> None:
        self._ws.emit("log", self.job_id, name="info", body={"text": text})

    def asking(self) -> None:
        """Nobody is asked on a server's terminal: people answer at the desk."""

    def fetching(self, name: str, done: float, total: float) -> None:
        self._refuse_if_cancelled()
        share = done / total if total else 0.0
        if share >= 1 or share - self._told >= 0.05:
            self._told = share
            self._ws.emit("progress", self.job_id, name=f"fetching {name}", value=share)

    def _is_called_off(self) -> bool:
        """Whether somebody asked, perhaps another server of the same catalog; looked up once a second at most."""
        if time.monotonic() - self._looked > 1:
            self._looked = time.monotonic()
            facts = facts_of(self._ws, self.job_id)
            self._cancelled = self._cancelled or any(event.name == "cancel" for event in facts)
        return self._cancelled

    def _refuse_if_cancelled(self) -> None:
        if self._cancelled or (self._ws.catalog.shared and self._is_called_off()):
            raise RunCancelled("the job was cancelled")


def _produce(workspace: Workspace, spec: Mapping[str, Any], watcher: Carrier) -> dict[str, Any]:
    import tempfile
    from pathlib import Path

    from pickaxe.flows.produce import produce
    from pickaxe.flows.report_elsewhere import write_report_elsewhere

    product = produce(task_of(workspace, spec), workspace, watcher=watcher, desk=True)
    with tempfile.TemporaryDirectory(dir=workspace.scratch) as folder:
        page = Path(folder) / f"{product.task.name}.html"
        write_report_elsewhere(workspace, product, page)
        report = workspace.import_files(page, f"{product.task.name}/report", kind="page")
    return {
        "task": product.task.name,
        "rounds": [
            {"number": turn.number, "model": turn.model.id, "artifacts": {role: item.id for role, item in turn.artifacts.items()}}
            for turn in product.rounds
        ],
        "report": report.id,
        "stages": [
            {"task": record.task, "round": record.round, "stage": record.stage, "rows": record.rows, "seconds": record.seconds}
            | {"nano": record.nano, "cached": record.cached, "run_id": record.run_id}
            for record in product.records
        ],
    }


def ended(
    workspace: Workspace,
    job_id: str,
    state: str,
    *,
    result: Mapping[str, Any] | None = None,
    error: Mapping[str, Any] | None = None,
) -> None:
    """Keep how a job ended; nothing comes after it."""
    workspace.emit(JOB, job_id, name="ended", body={"state": state, "result": result, "error": error})
