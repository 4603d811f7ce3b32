"""Where a workspace stands, in a short text: a page carries it, a live stream tells the newest, and where they differ a page is old."""

from __future__ import annotations

from typing import Any

from pickaxe.kernel.workspace import Workspace

_NEWEST_RUNS = 20


def state_of(workspace: Workspace) -> str:
    """A short text that changes whenever a page may have: the newest event and artifact, and where the newest runs stand."""
    newest: list[Any] = [event.seq for event in workspace.log.list(limit=1, newest_first=True)]
    made = [item.id[-6:] for item in workspace.artifacts.page(limit=1)[0]]
    runs = [f"{run.id[-4:]}{run.state[0]}{run.attempt}" for run in workspace.runs.list(limit=_NEWEST_RUNS)]
    return f"{newest[0] if newest else 0}-{''.join(made)}-{''.join(runs)}"
