"""Where a task's data and its encoder are: on this machine, or to be fetched first."""

from __future__ import annotations

from pathlib import Path

from pickaxe.flows.demo_data import fetch
from pickaxe.flows.line import LineWatcher
from pickaxe.flows.task import DEMO, Task
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace


def encoder_of(workspace: Workspace, task: Task, watcher: LineWatcher) -> Artifact:
    """The pretrained encoder, shared by every task of the workspace that names it."""
    path = located(task.encoder, watcher)
    name = task.encoder.removeprefix(DEMO) if task.encoder.startswith(DEMO) else path.name.lower()
    return workspace.import_files(path, f"encoders/{name}", kind="encoder")


def located(data: str, watcher: LineWatcher) -> Path:
    """A path as it is; demo data fetched and checked, and `watcher` told while it is downloaded."""
    if not data.startswith(DEMO):
        return Path(data)
    name = data.removeprefix(DEMO)
    return fetch(name, progress=lambda done, total, note: watcher.fetching(name, done, total))
