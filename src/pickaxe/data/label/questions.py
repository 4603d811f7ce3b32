"""What a queue asks: its settings, and the items of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from pickaxe.data.label.forms import COLUMNS, FEWEST_LABELS, Form
from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.workspace import Workspace

KIND = "queue"
MOST_OVERLAP = 20


class QueueConfig(Config):
    """What is asked, and how."""

    rows: str = Field(
        description="id of the table: row_key and text; for pairs also first and second; with columns arm and round each row says "
        "itself why it is asked about, and in which round"
    )
    form: Form = Field(default="choice", description="one class, marked spans, or the better of two")
    labels: tuple[str, ...] = Field(default=(), description="the classes, or the labels of spans", max_length=1000)
    guidelines: str = Field(default="", description="shown beside each item", max_length=20_000)
    overlap: int = Field(default=1, ge=1, le=MOST_OVERLAP, description="how many people answer each item")
    prelabels: str | None = Field(default=None, description="id of a table with row_key and label, shown as a suggestion")
    blind: bool = Field(default=True, description="hide the suggestion until the answer is given")
    arm: str = Field(default="active", description="why these items are asked about")
    after: str | None = Field(default=None, description="id of the version that this one took the place of")

    @model_validator(mode="after")
    def _labels_fit_the_form(self) -> QueueConfig:
        if len(set(self.labels)) < FEWEST_LABELS[self.form]:
            raise ValueError("a choice needs two different labels or more, spans one or more")
        if len(set(self.labels)) < len(self.labels) or not all(label.strip() for label in self.labels):
            raise ValueError("labels need to be different, and not empty")
        return self


@dataclass(frozen=True, slots=True)
class Item:
    """One question. `first` and `second` are set for pairs; `prelabel` is a suggestion, if there is one.

    `given` is what the annotator had answered before they took it back.
    """

    row_key: str
    text: str
    first: str | None = None
    second: str | None = None
    prelabel: str | None = None
    given: Given | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as it was handed in: `value` is the class, the preference, or the list of spans."""

    value: str | list[dict[str, Any]]
    note: str


def items_of(workspace: Workspace, config: QueueConfig) -> list[Item]:
    """The questions, in the order of the table. Raises `BadInput` when it lacks a column of the form, or texts in one."""
    table = workspace.read_table(workspace.artifact(config.rows))
    missing = [column for column in COLUMNS[config.form] if column not in table.column_names]
    if missing:
        raise BadInput(
            f"the table has no column {missing[0]!r}",
            expected=", ".join(COLUMNS[config.form]),
            got=", ".join(table.column_names),
            remedy="rename the columns, or choose another form",
        )
    for column in COLUMNS[config.form]:
        _refuse_no_text(table, column)
    suggested = _suggestions(workspace, config)
    rows: list[Mapping[str, Any]] = table.select(list(COLUMNS[config.form])).to_pylist()
    return [Item(**row, prelabel=suggested.get(row["row_key"])) for row in rows]


def reasons_of(workspace: Workspace, config: QueueConfig) -> dict[str, tuple[str, int]]:
    """Arm and round of each row_key, where the table has them."""
    table = workspace.read_table(workspace.artifact(config.rows))
    if not {"arm", "round"} <= set(table.column_names):
        return {}
    return {row["row_key"]: (row["arm"], row["round"]) for row in table.select(["row_key", "arm", "round"]).to_pylist()}


def _suggestions(workspace: Workspace, config: QueueConfig) -> dict[str, str | None]:
    if config.prelabels is None:
        return {}
    table = workspace.read_table(workspace.artifact(config.prelabels), ["row_key", "label"])
    labels = (label if label is None or isinstance(label, str) else str(label) for label in table["label"].to_pylist())
    return dict(zip(table["row_key"].to_pylist(), labels, strict=True))


def _refuse_no_text(table: pa.Table, column: str) -> None:
    import pyarrow as pa

    kind, empty = table.schema.field(column).type, table[column].null_count
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)) or empty:
        raise BadInput(
            f"the column {column!r} cannot be asked about",
            expected="a text in every row",
            got=f"{empty} of {table.num_rows} rows without one" if empty else f"values of type {kind}",
            remedy="leave those rows out" if empty else "turn the values into texts",
        )
