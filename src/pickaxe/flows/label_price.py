"""What one training label cost: who gave it, how long it took, and what that is worth; a model's label by its share of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.lineage import ancestry, upstream
from pickaxe.kernel.nouns import Artifact, Run

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

_ROW = ("row_key", "text", "label", "origin", "labelled_by")


@dataclass(frozen=True, slots=True)
class Given:
    """A label that somebody gave to a row. `nano` is its price, None where the meter has none.

    Attributes:
        by: a person's name, or the ref of a model.
        seconds: of the person; None for a model.
        source: the table that holds the label; run: what made it (None for an import).
        shared_by: rows that share the cost of the run alike (1 for a person's label).
    """

    label: str
    by: str
    nano: int | None
    source: Artifact
    run: Run | None
    seconds: float | None = None
    round: int | None = None
    arm: str = ""
    simulated: bool = False
    shared_by: int = 1


@dataclass(frozen=True, slots=True)
class RowLabels:
    """A row of a training set: what it says, the label that was learned from, and every label that went into it."""

    row_key: str
    text: str
    label: str
    origin: str
    training: Artifact
    given: tuple[Given, ...]

    @property
    def nano(self) -> int:
        return sum(item.nano or 0 for item in self.given)


def labels_of_row(workspace: Workspace, training: Artifact, row_key: str) -> RowLabels:
    """Every label of row `row_key` that the table `training` was made from, with its price. Raises `NotFound`."""
    found = _rows(workspace, training, row_key, _ROW)
    if not found:
        raise NotFound(f"the training set {training.ref} has no row {row_key!r:.40}", expected="a row key of 16 hex digits")
    row, models = found[0], [name for name in found[0]["labelled_by"] or () if name.startswith("art-")]
    given: dict[tuple[str, str], Given] = {}
    for table in _tables_upstream(workspace, training):
        if table.kind == "annotations":
            for item in _of_people(workspace, table, row_key):
                given[item.by, item.label] = item  # the oldest table that has it comes last, and is where it was given
        elif models and "labelled_by" in table.meta.get("columns", ()):
            for item in _of_models(workspace, table, row_key):
                given[item.by, item.label] = item
    return RowLabels(row_key, row["text"], row["label"], row["origin"], training, tuple(given.values()))


def _tables_upstream(workspace: Workspace, training: Artifact) -> list[Artifact]:
    """Tables with rows that the training set was made from, the newest first."""
    ids = upstream(ancestry(workspace, training.id), training.id)[1]
    found = workspace.artifacts.many([id for id in ids if id != training.id]).values()
    with_rows = [item for item in found if item.stored == "table" and "row_key" in item.meta.get("columns", ())]
    return sorted(with_rows, key=lambda item: item.created_at, reverse=True)


def _of_people(workspace: Workspace, table: Artifact, row_key: str) -> list[Given]:
    """Their time at the price of the moment when the table was made: by then it was spent."""
    tariff = workspace.ledger.tariffs().get("human_ms")
    at_ns = int(table.created_at.timestamp() * 1e9)
    run = workspace.runs.get(table.run_id) if table.run_id else None
    columns = ("row_key", "annotator", "label", "seconds", "round", "arm", "simulated")
    return [
        Given(
            label=row["label"],
            by=row["annotator"],
            nano=tariff.quantity(round(1000 * row["seconds"]), at_ns) if tariff else None,
            source=table,
            run=run,
            seconds=row["seconds"],
            round=row["round"],
            arm=row["arm"],
            simulated=row["simulated"],
        )
        for row in _rows(workspace, table, row_key, columns)
    ]


def _of_models(workspace: Workspace, table: Artifact, row_key: str) -> list[Given]:
    """What the run that accepted the labels and the runs that made its predictions were charged, shared by the labels alike."""
    rows = _rows(workspace, table, row_key, ("row_key", "label", "labelled_by"))
    if not rows or table.run_id is None:
        return []
    run, count = workspace.runs.get(table.run_id), max(1, table.meta.get("rows", 1))
    said = [item.run_id for item in workspace.artifacts.many(list(run.inputs.values())).values() if item.kind == "predictions"]
    spent = sum(charge.nano or 0 for charge in workspace.ledger.charges([run.id, *{id for id in said if id}]))
    names = rows[0]["labelled_by"]
    by = [names] if isinstance(names, str) else list(names or ())
    refs = workspace.artifacts.many([name for name in by if name.startswith("art-")])
    return [
        Given(rows[0]["label"], refs[name].ref if name in refs else name, spent // count, table, run, shared_by=count)
        for name in by
    ]


def _rows(workspace: Workspace, table: Artifact, row_key: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of that key, with those of the columns that the table has."""
    import pyarrow.compute as pc

    read = workspace.read_table(table, [name for name in columns if name in table.meta["columns"]])
    return read.filter(pc.equal(read["row_key"], row_key)).to_pylist()
