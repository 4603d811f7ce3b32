"""What a job is to do: a task as it was handed in, which may name uploaded files instead of paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pickaxe.flows.task import DEMO, Task, files_of, with_files
from pickaxe.kernel.access.scopes import Caller
from pickaxe.kernel.errors import BadInput
from pickaxe.serve.errors import Forbidden

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

ARTIFACT = "artifact:"
"""What the files of a job's task begin with when they mean an uploaded file of the workspace."""


def checked_task(workspace: Workspace, spec: Mapping[str, Any]) -> Task:
    """The task of a job that could begin now. Raises `BadInput` for what is no task, and for what the line would refuse at once."""
    from pickaxe.flows.people import refuse_early

    task = task_of(workspace, spec)
    refuse_early(task)
    return task


def task_of(workspace: Workspace, spec: Mapping[str, Any]) -> Task:
    """The task, with what it names as ``artifact:REF`` given a path."""
    values = with_files(spec, lambda named: _placed(workspace, named))
    return Task.parse({key: value for key, value in values.items() if value is not None}, where="task")


def refuse_paths(caller: Caller, values: Mapping[str, Any]) -> None:
    """The server's own files are its user's: without sign-in that is who calls, with it nobody who calls.

    Raises `Forbidden`, and `BadInput` for a path that is not whole.
    """
    for value in files_of(values):
        if value.startswith((DEMO, ARTIFACT)):
            continue
        if caller.kind != "local":
            raise Forbidden(
                "a path on the server cannot be named here",
                expected="demo:NAME, or artifact:REF of an upload",
                got=f"{value!r:.100}",
                remedy="upload the file first: POST /v1/imports",
            )
        if not PurePath(value).is_absolute():
            raise BadInput(
                f"{value!r:.100} is not a whole path",
                expected="an absolute path, demo:NAME or artifact:REF",
                remedy="name it from the root on, or upload the file (POST /v1/imports) and say artifact:REF",
            )


def _placed(workspace: Workspace, value: str) -> str:
    if value.startswith(ARTIFACT):
        return str(workspace.files(workspace.artifact(value.removeprefix(ARTIFACT))))
    return value
