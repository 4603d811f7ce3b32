"""What a job is to do: a task as it was handed in, which may name uploaded files instead of paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pickaxe.flows.task import Task
    from pickaxe.kernel.workspace import Workspace

ARTIFACT = "artifact:"
"""What `data`, `encoder` and `traffic.foreign` of a job's task begin with when they mean an uploaded file of the workspace."""


def checked_task(workspace: Workspace, spec: Mapping[str, Any]) -> Task:
    """The task of a job that could begin now. Raises `BadInput` for what is no task, and for what the line would refuse at once."""
    from pickaxe.flows.people import refuse_early

    task = task_of(workspace, spec)
    refuse_early(task)
    return task


def task_of(workspace: Workspace, spec: Mapping[str, Any]) -> Task:
    """The task, with what it names as ``artifact:REF`` given a path."""
    from pickaxe.flows.task import Task

    values = dict(spec)
    for key in ("data", "encoder"):
        values[key] = _placed(workspace, values.get(key))
    if isinstance(traffic := values.get("traffic"), dict) and "foreign" in traffic:
        values["traffic"] = traffic | {"foreign": _placed(workspace, traffic["foreign"])}
    return Task.parse({key: value for key, value in values.items() if value is not None}, where="task")


def _placed(workspace: Workspace, value: Any) -> Any:
    if isinstance(value, str) and value.startswith(ARTIFACT):
        return str(workspace.files(workspace.artifact(value.removeprefix(ARTIFACT))))
    return value
