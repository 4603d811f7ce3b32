"""From an answer in production back to the rows that speak for it and the people who labelled them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.lineage import ancestry, upstream
from pickaxe.kernel.nouns import Artifact, Event
from pickaxe.kernel.workspace import Workspace
from pickaxe.monitor.evidence import Neighbour, nearest

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Evidence:
    """One training row near to the text, and who gave its label: people by name, or a model by ref."""

    row: Neighbour
    labelled_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One answered text: what was said, by which model, made of what, and the training rows nearest to it.

    `evidence` is of all rows; `people` of those whose label people gave, so that some are always a step away.
    """

    trace_id: str
    text: str
    answer: Mapping[str, Any]
    model: Artifact
    evidence: tuple[Evidence, ...]
    people: tuple[Evidence, ...]


class HasTables(Protocol):
    """A workspace, here or behind a server."""

    def read_table(self, artifact: Artifact, columns: Sequence[str] | None = None) -> pa.Table: ...


def explain(workspace: Workspace, trace_id: str, *, index: int = 0, count: int = 5) -> Explanation:
    """Explain text number `index` of a trace by its `count` nearest training rows, and as many of those that people labelled.

    Raises `NotFound` for an unknown trace or text.
    """
    import pyarrow.compute as pc

    event = _answered(workspace, trace_id)
    texts = event.body["texts"]
    if not 0 <= index < len(texts):
        raise NotFound(f"trace {trace_id} has no text {index}", expected=f"0 to {len(texts) - 1}")
    model = workspace.artifact(event.body["artifact_id"])
    training = training_set_of(workspace, model)
    answer = {"label": event.body["labels"][index], "probs": event.body["probs"][index], "at": event.at}
    if training is None:
        return Explanation(trace_id, texts[index], answer, model, (), ())
    rows = workspace.read_table(training)
    by_people = rows.filter(pc.equal(rows["origin"], "human"))
    evidence, people = (_named(workspace, nearest(texts[index], some, count)) for some in (rows, by_people))
    return Explanation(trace_id, texts[index], answer, model, evidence, people)


def training_set_of(workspace: Workspace, model: Artifact) -> Artifact | None:
    """The newest table of kind ``training`` upstream of a model, None for a model that was not trained here."""
    _, ids = upstream(ancestry(workspace, model.id), model.id)
    tables = [item for id in ids if (item := workspace.artifact(id)).kind == "training"]
    return max(tables, key=lambda item: item.created_at, default=None)


def annotators_of(workspace: HasTables, annotations: Artifact) -> list[tuple[str, int, bool]]:
    """Who answered in a table of kind ``annotations``: name, number of answers, simulated or not; most answers first."""
    table = workspace.read_table(annotations, ["annotator", "simulated"])
    counts = Counter(zip(table["annotator"].to_pylist(), table["simulated"].to_pylist(), strict=True))
    return [(name, count, simulated) for (name, simulated), count in counts.most_common()]


def _answered(workspace: Workspace, trace_id: str) -> Event:
    found = workspace.events(kind="trace", subject=trace_id, limit=1)
    if not found:
        raise NotFound(f"no trace {trace_id!r:.80}", expected="the trace_id of an answer", see="traces")
    return found[0]


def _named(workspace: Workspace, rows: Sequence[Neighbour]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(row, tuple(workspace.artifact(name).ref if name.startswith("art-") else name for name in row.labelled_by))
        for row in rows
    )
