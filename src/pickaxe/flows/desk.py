"""People at the desk in the browser: a batch that a line wants answered becomes the queue of its task, and the line ends there.

It ends with `AnswersWanted`. Its stages are cached, so whoever carries it out runs it again once `Queue.missing` says 0: it comes
back to the same place, finds the answers on record and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from pickaxe.data.label.questions import KIND, QueueConfig
from pickaxe.data.label.queue import Queues, create_queue
from pickaxe.data.label.rows import queued_schema
from pickaxe.data.label.select import Chosen
from pickaxe.data.label.standing import Standing
from pickaxe.kernel.errors import NotFound, Unavailable
from pickaxe.kernel.wording import counted

if TYPE_CHECKING:
    from pickaxe.flows.line import Line
    from pickaxe.flows.task import Task
    from pickaxe.kernel.workspace import Workspace


class AnswersWanted(Unavailable):
    """A line cannot go on before people have answered. `count` answers are missing."""

    def __init__(self, task: str, count: int) -> None:
        super().__init__(f"{counted(count, 'answer')} wanted for {task}", remedy=f"give them in the console: {address(task)}")
        self.task, self.count = task, count


def address(task: str) -> str:
    """Where people label for `task`, on any server of the workspace."""
    return f"/label/{quote(task)}"


def answers_wanted(workspace: Workspace, task: str) -> int:
    """How many answers the newest batch of `task` still wants; 0 when it has no queue."""
    try:
        return Queues.of(workspace).get(workspace, task).missing()
    except NotFound:
        return 0


def answers_each(task: Task) -> int:
    """How many people answer an item of the pool: the task's number where every item is to get several, else one.

    Who will come to the desk is not known beforehand, so a share of items for three people might wait for ever for the third.
    """
    return task.label.overlap_annotators if task.label.overlap_share == 1 else 1


def wait_for(
    line: Line,
    task: Task,
    standing: Standing,
    batch: Sequence[Chosen],
    texts: Mapping[str, str],
    *,
    round: int = 0,
    overlap: int = 1,
    purpose: str = "",
) -> None:
    """Return when `batch` has been answered in `standing`; else see to it that it is the task's queue, and raise `AnswersWanted`."""
    missing = standing.missing([item.row_key for item in batch], overlap)
    if not missing:
        return
    _put(line, task, batch, texts, round=round, overlap=overlap, purpose=purpose)
    raise AnswersWanted(task.name, sum(missing.values()))


def _put(
    line: Line, task: Task, batch: Sequence[Chosen], texts: Mapping[str, str], *, round: int, overlap: int, purpose: str
) -> None:
    """Make `batch` the newest version of the queue, unless it is that already."""
    import pyarrow as pa

    workspace = line.workspace
    asked = [{"row_key": item.row_key, "text": texts[item.row_key], "arm": item.arm, "round": round} for item in batch]
    rows = workspace.import_table(pa.Table.from_pylist(asked, schema=queued_schema()), f"{task.name}/to-label")
    settings = {
        "labels": task.label.classes,
        "guidelines": "\n".join(filter(None, (purpose, task.intended_use))),
        "overlap": overlap,
    }
    newest = workspace.artifacts.find(name=f"{task.name}/{KIND}")
    if newest is not None:
        known = QueueConfig.parse(workspace.read_json(newest))
        if known == QueueConfig.parse({"rows": rows.id, **settings, "after": known.after}):
            return
    create_queue(workspace, task.name, rows, replaces=True, **settings, after=newest.id if newest else None)
