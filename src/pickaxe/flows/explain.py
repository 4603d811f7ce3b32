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
    """One answered text: what was said, by which model, made of what, and the training rows nearest to it."""

    trace_id: str
    text: str
    answer: Mapping[str, Any]
    model: Artifact
    evidence: tuple[Evidence, ...]


class Elsewhere(Protocol):
    """A workspace behind a server, which looks for itself."""

    def explain(self, trace_id: str, *, index: int = 0, count: int = 5) -> Explanation: ...

    def read_table(self, artifact: Artifact, columns: Sequence[str] | None = None) -> pa.Table: ...


def explain(workspace: Workspace | Elsewhere, trace_id: str, *, index: int = 0, count: int = 5) -> Explanation:
    """Explain text number `index` of a trace by its `count` nearest training rows.

    Raises `NotFound` for an unknown trace or text.
    """
    if not isinstance(workspace, Workspace):
        return workspace.explain(trace_id, index=index, count=count)
    event = _answered(workspace, trace_id)
    texts = event.body["texts"]
    if not 0 <= index < len(texts):
        raise NotFound(f"trace {trace_id} has no text {index}", expected=f"0 to {len(texts) - 1}")
    model = workspace.artifact(event.body["artifact_id"])
    training = training_set_of(workspace, model)
    found = nearest(texts[index], workspace.read_table(training), count) if training else []
    answer = {"label": event.body["labels"][index], "probs": event.body["probs"][index], "at": event.at}
    return Explanation(trace_id, texts[index], answer, model, tuple(_with_names(workspace, row) for row in found))


def training_set_of(workspace: Workspace, model: Artifact) -> Artifact | None:
    """The newest table of kind ``training`` upstream of a model, None for a model that was not trained here."""
    _, ids = upstream(ancestry(workspace, model.id), model.id)
    tables = [item for id in ids if (item := workspace.artifact(id)).kind == "training"]
    return max(tables, key=lambda item: item.created_at, default=None)


def annotators_of(workspace: Workspace | Elsewhere, annotations: Artifact) -> list[tuple[str, int, bool]]:
    """Who answered in a table of kind ``annotations``: name, number of answers, simulated or not; most answers first."""
    table = workspace.read_table(annotations, ["annotator", "simulated"])
    counts = Counter(zip(table["annotator"].to_pylist(), table["simulated"].to_pylist(), strict=True))
    return [(name, count, simulated) for (name, simulated), count in counts.most_common()]


def _answered(workspace: Workspace, trace_id: str) -> Event:
    found = workspace.events(kind="trace", subject=trace_id, limit=1)
    if not found:
        raise NotFound(f"no trace {trace_id!r:.80}", expected="the trace_id of an answer", remedy="list them: GET /v1/traces")
    return found[0]


def _with_names(workspace: Workspace, row: Neighbour) -> Evidence:
    names = [workspace.artifact(name).ref if name.startswith("art-") else name for name in row.labelled_by]
    return Evidence(row, tuple(names))
