"""Jobs behind a server; the other side is `pickaxe.wire.native.routes_jobs`."""

from __future__ import annotations

from itertools import islice
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from pickaxe.flows.job_spec import ARTIFACT
from pickaxe.flows.job_view import JobView
from pickaxe.flows.preview import data_size
from pickaxe.flows.task import DEMO, Task
from pickaxe.wire.native.api import Api

_VIEW: TypeAdapter[JobView] = TypeAdapter(JobView)
_PAGE = 200


class RemoteJobs:
    """The same methods as `pickaxe.flows.left_jobs.LeftJobs`, over HTTP."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self, *, limit: int = 50) -> list[JobView]:
        """Newest first."""
        found = islice(self._api.pages("/v1/jobs", limit=min(limit, _PAGE)), limit)
        return [_job(told) for told in found]

    def get(self, job_id: str) -> JobView:
        """Raises `NotFound`."""
        return _job(self._api.get(f"/v1/jobs/{quote(job_id, safe='')}"))

    def forecast(self, task: Task) -> dict[str, Any]:
        """What the line for `task` should take there, as `pickaxe.flows.preview.Preview.body`. Nothing is uploaded, nothing started."""
        values = task.model_dump(mode="json")
        size = None if task.data.startswith((DEMO, ARTIFACT)) else data_size(task)
        return self._api.post("/v1/jobs/forecast", {"kind": "produce", "task": values, "data_bytes": size})

    def cancel(self, job_id: str) -> JobView:
        """Raises `NotFound`, and `Conflict` when it has ended."""
        return _job(self._api.post(f"/v1/jobs/{quote(job_id, safe='')}/cancel"))


def _job(told: Any) -> JobView:
    return _VIEW.validate_python(told)
