"""Jobs of a workspace that no server looks after: they were left there, and wait for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pickaxe.flows.job_carrier import ended
from pickaxe.flows.job_view import JOB, JobView, job_of, jobs_page
from pickaxe.kernel.errors import Conflict

if TYPE_CHECKING:
    from pickaxe.flows.task import Task
    from pickaxe.kernel.workspace import Workspace


class LeftJobs:
    """The jobs of `workspace` for whoever has it open: to look at, or, where it is open for writing, to call off."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def list(self, *, limit: int = 50) -> list[JobView]:
        """Newest first."""
        return jobs_page(self._workspace, limit=limit)

    def get(self, job_id: str) -> JobView:
        """Raises `NotFound`."""
        return job_of(self._workspace, job_id)

    def forecast(self, task: Task) -> dict[str, Any]:
        """What the line for `task` should take here, as `pickaxe.flows.preview.Preview.body`. Nothing is started."""
        from pickaxe.flows.preview import preview

        return preview(self._workspace, task).body()

    def cancel(self, job_id: str) -> JobView:
        """The next server does not take it up. Raises `NotFound`, and `Conflict` when it has ended.

        In a catalog that servers share one of them may be at it: it is asked to stop, and ends the job itself.
        """
        job = self.get(job_id)
        if job.ended_at:
            raise Conflict(f"{job_id} has ended", expected="a job that is queued, waiting or running", got=job.state)
        self._workspace.emit(JOB, job_id, name="cancel")
        if not self._workspace.catalog.shared:
            ended(self._workspace, job_id, "cancelled")
        return self.get(job_id)
