"""Annotations as values and as tables.

Annotations are append-only: a person who corrects an answer adds another row, and the latest row of a (row_key, annotator) holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    import pyarrow as pa

REVIEW = "review"
"""The arm of a reviewer's decision: it holds, whatever was answered, and is no answer itself."""
ARMS = ("active", "random", "audit", "test", "feedback", REVIEW)


class AnnotationRow(NamedTuple):
    """One answer: who said what about which text, in how many seconds, and why the text was asked about (`arm`)."""

    row_key: str
    annotator: str
    label: str
    seconds: float
    round: int
    arm: str
    simulated: bool
    note: str = ""
    """Only in events; the table does not hold it."""

    def body(self) -> dict[str, Any]:
        """The body of an ``annotation`` event."""
        return self._asdict()

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self | None:
        """What the body of an ``annotation`` event says; None for one that somebody else wrote and that is no answer."""
        try:
            row = cls(**body)
        except TypeError:
            return None
        return row if all(isinstance(text, str) for text in (row.row_key, row.annotator, row.label, row.arm, row.note)) else None


def latest(rows: Iterable[AnnotationRow]) -> list[AnnotationRow]:
    """The rows that hold: for each (row_key, annotator) the last one, in the order of the first."""
    found: dict[tuple[str, str], AnnotationRow] = {}
    for row in rows:
        found[row.row_key, row.annotator] = row
    return list(found.values())


def arms(rows: Iterable[AnnotationRow]) -> dict[str, str]:
    """The arm of each row_key: that of its first annotation."""
    found: dict[str, str] = {}
    for row in rows:
        found.setdefault(row.row_key, row.arm)
    return found


def parted(rows: Iterable[AnnotationRow]) -> tuple[list[AnnotationRow], dict[str, AnnotationRow]]:
    """The answers, and the reviewers' decisions by row_key, the last of each."""
    answers: list[AnnotationRow] = []
    decisions: dict[str, AnnotationRow] = {}
    for row in rows:
        if row.arm == REVIEW:
            decisions[row.row_key] = row
        else:
            answers.append(row)
    return answers, decisions


def annotations_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("row_key", pa.string()),
            ("annotator", pa.string()),
            ("label", pa.string()),
            ("seconds", pa.float64()),
            ("round", pa.int64()),
            ("arm", pa.string()),
            ("simulated", pa.bool_()),
        ]
    )


def gold_schema() -> pa.Schema:
    """`label` after adjudication, `confidence` its posterior probability, `annotators` who answered, `arm` why it was asked."""
    import pyarrow as pa

    return pa.schema(
        [
            ("row_key", pa.string()),
            ("text", pa.string()),
            ("label", pa.string()),
            ("confidence", pa.float64()),
            ("annotators", pa.list_(pa.string())),
            ("arm", pa.string()),
        ]
    )


def batch_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([("row_key", pa.string()), ("text", pa.string()), ("arm", pa.string())])


def queued_schema() -> pa.Schema:
    """A batch for a queue: with the arm and the round of each row."""
    import pyarrow as pa

    return batch_schema().append(pa.field("round", pa.int64()))


def to_table(rows: Sequence[AnnotationRow]) -> pa.Table:
    import pyarrow as pa

    schema = annotations_schema()
    columns = [pa.array([getattr(row, field.name) for row in rows], type=field.type) for field in schema]
    return pa.table(columns, schema=schema)


def from_table(table: pa.Table) -> list[AnnotationRow]:
    names = AnnotationRow._fields[:-1]
    return [AnnotationRow(*values) for values in zip(*(table[name].to_pylist() for name in names), strict=True)]
