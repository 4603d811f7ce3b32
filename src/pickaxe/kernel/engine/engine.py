"""The engine: finds runs in the cache, gives the others a lease and a worker, meters them, and lands their outputs.

One worker process per attempt, wherever the executor finds room. A worker that was killed is noticed and started again up to
`MAX_ATTEMPTS` times with its checkpoint; an exception in the step is final until code, config or input change or somebody
starts it again.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.artifacts import Stored
from pickaxe.kernel.config import Config
from pickaxe.kernel.engine.attempt import Limits, Listener, Outcome
from pickaxe.kernel.engine.executor import Slot
from pickaxe.kernel.engine.worker import address_of
from pickaxe.kernel.errors import Conflict, PickaxeError, RunCancelled, RunFailed
from pickaxe.kernel.ledger.ledger import Usage
from pickaxe.kernel.nouns import Artifact, Run, RunState
from pickaxe.kernel.runs import HEARTBEAT_EVERY, RunSpec
from pickaxe.kernel.system.disk import storage_errors
from pickaxe.kernel.system.retry import retried

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

MAX_ATTEMPTS = 3
_PROGRESS_EVENT_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, for whoever watches. `total` is 0 while unknown."""

    run: Run
    done: float
    total: float
    note: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunResult:
    """A succeeded run and its outputs by the step's own names."""

    run: Run
    outputs: Mapping[str, Artifact]
    cached: bool

    def __getitem__(self, output: str) -> Artifact:
        return self.outputs[output]


Watcher = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Job:
    """Everything an attempt needs but its folder."""

    spec: RunSpec
    step: Callable[..., Any]
    config: Config
    cores: int
    limits: Limits
    watcher: Watcher | None


class RunHandle:
    """A run under way in this process."""

    def __init__(self, work: Callable[[Callable[[], bool]], RunResult], run_id: str) -> None:
        self.run_id = run_id
        self._cancel = threading.Event()
        self._result: RunResult | BaseException | None = None
        self._thread = threading.Thread(target=self._work, args=(work,), name=f"engine-{run_id}", daemon=True)
        self._thread.start()

    @property
    def under_way(self) -> bool:
        return self._thread.is_alive()

    def cancel(self) -> None:
        """Ask the run to stop; its worker is gone within a second. `result` then raises `RunCancelled`."""
        self._cancel.set()

    def result(self, timeout: float | None = None) -> RunResult:
        """Wait for the end; raises what the run ended with. An interrupt of the waiting thread cancels the run."""
        try:
            self._thread.join(timeout)
        except BaseException:
            self.cancel()
            self._thread.join()
            raise
        if self._thread.is_alive():
            raise TimeoutError(f"{self.run_id} is still under way after {timeout} s")
        assert self._result is not None
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result

    def _work(self, work: Callable[[Callable[[], bool]], RunResult]) -> None:
        try:
            self._result = work(self._cancel.is_set)
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            self._result = error


class Engine:
    """One tenant's runs, on the workspace's executor."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace

    @property
    def cores(self) -> int:
        """Most cores that one run can be given."""
        return self._ws.stores.executor.largest

    def submit(self, job: Job) -> RunHandle:
        """Queue a run that is not in the cache."""
        self._ws.runs.queue(job.spec)
        handle = RunHandle(lambda cancelled: self._carry_out(job, cancelled), job.spec.run_id)
        self._ws.stores.handles[handle.run_id] = handle
        return handle

    def cancel(self, run_id: str) -> bool:
        """Ask a run of this process to stop, whoever started it; False when it is not under way here."""
        handle = self._ws.stores.handles.get(run_id)
        if handle is None or not handle.under_way:
            return False
        handle.cancel()
        return True

    @contextmanager
    def hold(self, holder: str, cores: int) -> Iterator[None]:
        """Lease cores of the pool for work that is not a run, such as serving; charged to `holder` for as long as the block lasts."""
        with self._ws.stores.cores.taken(cores):
            lease_id = self._ws.ledger.grant(self._ws.stores.pool_id, holder, cores)
            try:
                yield
            finally:
                self._release(lease_id)

    @retried
    def _release(self, lease_id: str) -> None:
        with self._ws.catalog.write() as connection:
            self._ws.ledger.release(connection, lease_id)

    def _carry_out(self, job: Job, cancelled: Callable[[], bool]) -> RunResult:
        outcome = self._attempt(job, cancelled)
        for _ in range(MAX_ATTEMPTS - 1):
            if outcome.state is not RunState.INTERRUPTED:
                break
            self._ws.runs.queue(job.spec)
            outcome = self._attempt(job, cancelled)
        return self._concluded(job, outcome)

    def _attempt(self, job: Job, cancelled: Callable[[], bool]) -> Outcome:
        with self._ws.stores.executor.slot(job.cores, cancelled) as slot:
            return self._call_off(job) if slot is None else self._attempt_in(slot, job, cancelled)

    def _attempt_in(self, slot: Slot, job: Job, cancelled: Callable[[], bool]) -> Outcome:
        run = self._ws.runs.start(job.spec.run_id)
        lease_id = self._ws.ledger.grant(slot.pool_id, run.id, job.cores)
        try:
            with storage_errors(self._ws.path):
                return self._watched(slot, job, run, lease_id, cancelled)
        except PickaxeError as error:
            self._abort(run, lease_id, error)
            raise
        except Exception as error:
            # Nobody else would end it: the row would say "running", and nothing could start it again.
            failed = RunFailed(f"{run.name} could not be carried out ({type(error).__name__}: {error})", run=run.id)
            self._abort(run, lease_id, failed)
            raise failed from error

    def _watched(self, slot: Slot, job: Job, run: Run, lease_id: str, cancelled: Callable[[], bool]) -> Outcome:
        """The attempt in folders of its own, from its worker's start to its landing."""
        teller = _Teller(self._ws, run, job.watcher)
        checkpoint = self._ws.checkpoints / run.id
        checkpoint.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{run.id}-", dir=self._ws.scratch, ignore_cleanup_errors=True) as folder:
            scratch, outputs = Path(folder) / "scratch", Path(folder) / "outputs"
            scratch.mkdir()
            outputs.mkdir()
            worker_job = self._worker_job(job, scratch, outputs, checkpoint)
            listener = Listener(message=teller.take, tick=teller.tick, cancelled=cancelled)
            outcome = slot.run(worker_job, job.limits, listener, threads=job.cores)
            teller.end(outcome.state)
            self._land(job, run, lease_id, outcome)
        if outcome.state is RunState.SUCCEEDED:
            shutil.rmtree(checkpoint, ignore_errors=True)
        return outcome

    def _worker_job(self, job: Job, scratch: Path, outputs: Path, checkpoint: Path) -> dict[str, Any]:
        return {
            "workspace": str(self._ws.path),
            "location": {
                "catalog": self._ws.stores.location.catalog,
                "objects": self._ws.stores.location.objects,
                "key": self._ws.stores.location.key,
            },
            "acts_as": [self._ws.tenant_id, self._ws.principal_id],
            "step": address_of(job.step),
            "config_class": address_of(type(job.config)),
            "config": job.config.model_dump(mode="json"),
            "inputs": {name: artifact.id for name, artifact in job.spec.inputs.items()},
            "scratch": str(scratch),
            "outputs": str(outputs),
            "checkpoint": str(checkpoint),
            "seed": int(job.spec.key[:8], 16),
        }

    def _land(self, job: Job, run: Run, lease_id: str, outcome: Outcome) -> None:
        """Outputs into the stores first; then, in one transaction, their rows, the end of the run and what it used."""
        stored = self._ws.store(job.spec.name, outcome.outputs) if outcome.state is RunState.SUCCEEDED else {}
        readings = [*outcome.readings, *self._ws.measured_outputs(stored, outcome.outputs, job.spec.inputs)]
        self._record(job, run, lease_id, outcome, stored, readings)

    @retried
    def _record(
        self, job: Job, run: Run, lease_id: str, outcome: Outcome, stored: Mapping[str, Stored], readings: list[Usage]
    ) -> None:
        with self._ws.catalog.write() as connection:
            self._ws.ledger.release(connection, lease_id)
            self._ws.ledger.record(connection, run.id, run.attempt, readings)
            if outcome.state is RunState.SUCCEEDED:
                self._ws.runs.succeed(connection, job.spec, stored, attempt=run.attempt)
            else:
                self._ws.runs.end(connection, run.id, outcome.state, outcome.error, attempt=run.attempt)

    @retried
    def _call_off(self, job: Job) -> Outcome:
        """Cancelled while it waited for cores."""
        outcome = Outcome(RunState.CANCELLED, {"code": RunCancelled.code, "message": "cancelled before it began"})
        with self._ws.catalog.write() as connection:
            self._ws.runs.end(connection, job.spec.run_id, outcome.state, outcome.error)
        return outcome

    @retried
    def _abort(self, run: Run, lease_id: str, error: PickaxeError) -> None:
        with self._ws.catalog.write() as connection:
            self._ws.ledger.release(connection, lease_id)
            # An attempt that others have taken for dead is not this one's to end any more.
            with suppress(Conflict):
                self._ws.runs.end(connection, run.id, RunState.FAILED, error.as_dict(), attempt=run.attempt)

    def _concluded(self, job: Job, outcome: Outcome) -> RunResult:
        run = self._ws.runs.get(job.spec.run_id)
        if outcome.state is RunState.SUCCEEDED:
            return self._ws.result(run, cached=False)
        raise _as_error(run, outcome)


class _Teller:
    """Turns a worker's messages into events, in batches, and passes progress on to whoever watches."""

    def __init__(self, workspace: Workspace, run: Run, watcher: Watcher | None) -> None:
        self._ws = workspace
        self._run = run
        self._watcher = watcher
        self._started = time.monotonic()
        self._waiting: list[dict[str, Any]] = []
        self._progress: list[Any] = [0.0, 0.0, ""]
        self._told = self._beaten = time.monotonic()

    def take(self, message: dict[str, Any]) -> None:
        if "progress" in message:
            self._progress = message["progress"]
        elif "metric" in message:
            name, value, step = message["metric"]
            self._waiting.append({"kind": "metric", "subject": self._run.id, "name": name, "value": value, "step": step})
        elif "system" in message:
            fact = {"kind": "system", "subject": self._run.id, "step": message["second"], "body": message["system"]}
            self._waiting.append(fact)
        elif "log" in message:
            self._waiting.append(
                {"kind": "log", "subject": self._run.id, "name": message["level"], "body": {"text": message["log"]}}
            )

    def tick(self) -> None:
        now = time.monotonic()
        if self._watcher is not None:
            done, total, note = self._progress
            self._watcher(Progress(self._run, done, total, note, now - self._started))
        if now - self._told >= _PROGRESS_EVENT_EVERY:
            self._told = now
            self.flush()
        if now - self._beaten >= HEARTBEAT_EVERY.total_seconds():
            self._beaten = now
            self._ws.runs.beat(self._run.id)

    def end(self, state: RunState) -> None:
        """The last word: a step that stopped early because it had nothing left to do is done all the same."""
        if state is RunState.SUCCEEDED:
            self._progress[0] = self._progress[1]
        self.flush()

    def flush(self) -> None:
        done, total, note = self._progress
        if total:
            fact = {"kind": "progress", "subject": self._run.id, "value": done / total, "body": {"done": done, "total": total}}
            self._waiting.append(fact | {"name": note})
        self._ws.log.emit_many(self._waiting)
        self._waiting = []


def _as_error(run: Run, outcome: Outcome) -> PickaxeError:
    """What the caller gets: the step's own error with its advice, or a description of the end."""
    assert outcome.error is not None
    error = dict(outcome.error)
    kind = RunCancelled if outcome.state is RunState.CANCELLED else _KINDS.get(error["code"], RunFailed)
    return kind(
        f"{run.name}: {error['message']}",
        expected=error.get("expected"),
        got=error.get("got"),
        remedy=error.get("remedy") or f"see its log: pickaxe logs {run.id}",
        run=run.id,
    )


def _all_kinds(cls: type[PickaxeError]) -> dict[str, type[PickaxeError]]:
    kinds = {cls.code: cls}
    for child in cls.__subclasses__():
        kinds |= _all_kinds(child)
    return kinds


_KINDS = _all_kinds(PickaxeError)
