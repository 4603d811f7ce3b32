"""Work that goes on behind a server: production lines, one at a time, taken up again after a kill.

A job is a view over events whose subject is the job's id. Kind ``job``, by name: ``queued`` (body: what is to be done, and for
whom), ``started``, ``stopped`` (with its server, in order), ``waiting`` (for answers of people; body: task, missing, address),
``resumed``, ``cancel`` (somebody asked), ``ended`` (body: state, result, error). Kind ``stage``: a stage of the line started (body: task, round) or ended (also rows,
seconds, nano, cached, run_id). Nothing else is stored, so a job that has not ended when a server opens the workspace is simply
queued again: the line's stages are cached, and it goes on where it was. One that waits for people holds no thread and no cores.
Where several servers share a catalog, a job belongs to the one that queued or ``claimed`` it last, for as long as that one lives.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pickaxe.data.label.queue import Queues
from pickaxe.flows.job_carrier import Carrier, ended
from pickaxe.flows.job_spec import checked_task
from pickaxe.flows.job_view import JOB, JobView, facts_of, job_of
from pickaxe.kernel.errors import BadInput, Conflict
from pickaxe.kernel.peers import living_pools

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

log = logging.getLogger(__name__)
KINDS = ("produce",)
_ENDED = ("succeeded", "failed", "cancelled")
_LOOK_SECONDS = 10.0
_COUNT_SECONDS = 1.0
"""How often the answers of the jobs that wait for people are counted."""


_Item = tuple[str, str, str]
"""(tenant, principal, job)"""


class Jobs:
    """The queue of one workspace, carried out by one thread of the process that writes it."""

    def __init__(self, workspace: Workspace) -> None:
        self._root = workspace
        self._queue: deque[_Item] = deque()
        self._waiting: dict[_Item, str] = {}  # -> the task whose queue it waits for
        self._looked = 0.0
        self._room = threading.Condition()
        self._closing = False
        self._current: Carrier | None = None
        self._thread = threading.Thread(target=self._work, name="pickaxe-jobs", daemon=True)

    def start(self) -> list[str]:
        """Take up what an earlier process left undone, oldest first; returns the ids."""
        left = self._adopted()
        with self._room:
            self._queue.extend(left)
        self._thread.start()
        return [job_id for _, _, job_id in left]

    def _adopted(self) -> list[tuple[str, str, str]]:
        """Jobs that nobody living looks after, claimed for this process."""
        found = _undone(self._root)
        if not self._root.catalog.shared:
            return [job for job, _ in found]
        living = living_pools(self._root.catalog)
        return [job for job, pool_id in found if pool_id not in living and self._claimed(job, pool_id)]

    def _claimed(self, job: tuple[str, str, str], pool_id: str) -> bool:
        """Take the job over, unless another server was quicker: the catalog lets one process write at a time."""
        workspace = self._root.for_tenant(job[0], job[1])
        with self._root.catalog.write() as connection:
            facts = facts_of(workspace, job[2])
            if [event.body.get("pool", "") for event in facts if event.name in ("queued", "claimed")][-1] != pool_id:
                return False
            claim = {"kind": JOB, "subject": job[2], "name": "claimed", "body": {"pool": self._root.stores.pool_id}}
            workspace.log.emit_many([claim], connection=connection)
        return True

    def stop(self, seconds: float = 20.0) -> None:
        """Interrupt what is under way; it goes on when the next server opens the workspace."""
        with self._room:
            self._closing = True
            if self._current is not None:
                self._current.stop()
            self._room.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def submit(self, workspace: Workspace, kind: str, spec: Mapping[str, Any], *, by: str) -> JobView:
        """Queue a job for the tenant of `workspace`; on record when this returns. Raises `BadInput` for a spec that cannot begin."""
        if kind not in KINDS:
            raise BadInput(f"unknown kind of job {kind!r:.40}", expected=f"one of {', '.join(KINDS)}")
        checked_task(workspace, spec)
        job_id = f"job-{uuid.uuid4().hex[:24]}"
        body = {"kind": kind, "spec": dict(spec), "by": by, "as": workspace.principal_id, "pool": workspace.stores.pool_id}
        workspace.emit(JOB, job_id, name="queued", body=body)
        with self._room:
            self._queue.append((workspace.tenant_id, workspace.principal_id, job_id))
            self._room.notify_all()
        return job_of(workspace, job_id)

    def cancel(self, workspace: Workspace, job_id: str) -> JobView:
        """Stop a job: at once when it waits, for its turn or for people, within a second when it runs.

        Raises `NotFound`, `Conflict` when it has ended.
        """
        job = job_of(workspace, job_id)
        if job.state in _ENDED:
            raise Conflict(
                f"{job_id} has ended", expected="a job that is queued or running", got=job.state, reason="job_ended", job=job_id
            )
        workspace.emit(JOB, job_id, name="cancel")
        with self._room:
            waiting = next((item for item in (*self._queue, *self._waiting) if item[2] == job_id), None)
            if waiting is not None:
                if self._waiting.pop(waiting, None) is None:
                    self._queue.remove(waiting)
            elif self._current is not None and self._current.job_id == job_id:
                self._current.cancel()
        if waiting is not None:
            ended(workspace, job_id, "cancelled")
        return job_of(workspace, job_id)

    def _work(self) -> None:
        while True:
            with self._room:
                seconds = _COUNT_SECONDS if self._waiting else _LOOK_SECONDS
                self._room.wait_for(lambda: self._closing or bool(self._queue), seconds)
                if self._closing:
                    return
                if not self._queue and self._root.catalog.shared and time.monotonic() - self._looked >= _LOOK_SECONDS:
                    self._looked = time.monotonic()
                    self._queue.extend(self._adopted())  # a peer may have died over its jobs
                item = self._queue.popleft() if self._queue else None
                carrier = Carrier(self._root.for_tenant(*item[:2]), item[2]) if item is not None else None
                self._current = carrier
            if item is not None and carrier is not None:
                self._carry(item, carrier)
            self._take_up_answered()

    def _carry(self, item: _Item, carrier: Carrier) -> None:
        try:
            carrier.run()
        except Exception:
            log.exception("job %s could not even be recorded as failed; it is tried again at the next start", item[2])
        finally:
            with self._room:
                self._current = None
                if carrier.waits_for is not None:
                    self._waiting[item] = carrier.waits_for

    def _take_up_answered(self) -> None:
        """Queue again what has the answers that it waited for, and what another server of the catalog was told to stop."""
        with self._room:
            waiting = list(self._waiting.items())
        for item, task in waiting:
            try:
                ready = self._is_ready(self._root.for_tenant(*item[:2]), item[2], task)
            except Exception:
                log.exception("the answers that job %s waits for cannot be counted now", item[2])
                continue
            with self._room:
                if ready and self._waiting.pop(item, None) is not None:
                    self._queue.append(item)

    def _is_ready(self, workspace: Workspace, job_id: str, task: str) -> bool:
        facts = facts_of(workspace, job_id)
        return any(event.name == "cancel" for event in facts) or not Queues.of(workspace).get(workspace, task).missing()


def _undone(root: Workspace) -> list[tuple[tuple[str, str, str], str]]:
    """Every job of any tenant that was queued and has not ended, oldest first: (tenant, principal, job), and whose pool has it."""
    open_jobs: dict[str, tuple[tuple[str, str, str], str]] = {}
    for tenant_id in root.catalog.tenant_ids():
        for event in root.for_tenant(tenant_id, root.principal_id).log.each(JOB):
            if event.name == "queued":
                open_jobs[event.subject] = (tenant_id, event.body["as"], event.subject), event.body.get("pool", "")
            elif event.name == "claimed":
                open_jobs[event.subject] = open_jobs[event.subject][0], event.body["pool"]
            elif event.name == "ended":
                open_jobs.pop(event.subject, None)
    return list(open_jobs.values())
