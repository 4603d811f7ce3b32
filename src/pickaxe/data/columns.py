"""Which column holds the text, and which the label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pickaxe.data.readers.base import Record
from pickaxe.data.readers.jsonl import MISSING, paths, reach
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nearest import nearest

Getter = Callable[[dict[str, Any]], Any]
"""Takes a record's values; gives the column's value or `MISSING`."""

_TEXT_NAMES = (
    *("text", "texts", "sentence", "content", "headline", "title", "body", "message", "review", "comment", "utterance"),
    *("document", "description", "question", "query", "tweet", "post", "abstract"),
)


def getter(column: str) -> Getter:
    return lambda values: reach(values, column)


def columns_of(sample: Sequence[Record]) -> list[str]:
    """Every column of the sampled records, in order of appearance (paths for nested ones)."""
    return list(dict.fromkeys(path for record in sample for path in paths(record.values)))


def text_column(sample: Sequence[Record], asked: str | None, source: str) -> str:
    """The column that holds the text.

    Without `asked` it is the only column with a usual name, or the only one that reads like prose (three words on average).
    Raises `BadInput` with the columns when it is missing or cannot be told.
    """
    columns = columns_of(sample)
    if asked is not None:
        return _present(sample, columns, asked, source, "text")
    named = [column for column in columns if column.lower() in _TEXT_NAMES]
    if len(named) == 1 or len(columns) == 1:
        return (named or columns)[0]
    prose = [column for column in columns if _words(sample, column) >= 3]
    if len(prose) == 1:
        return prose[0]
    found = "several columns could be the text" if named or prose else "no column reads like text"
    raise BadInput(
        f"{source}: {found}",
        expected="the name of the text column",
        got=f"columns {', '.join(map(repr, columns))}",
        remedy=f"name it, e.g. text = {(named or prose or columns or ['text'])[0]!r}",
        columns=columns,
        reason="column_of_text_several" if named or prose else "column_of_text_none",
        source=source,
        first=(named or prose or columns or ["text"])[0],
    )


def label_column(sample: Sequence[Record], asked: str | None, source: str) -> str | None:
    """The label column, which is never guessed. Raises `BadInput` when the one asked for is missing."""
    return None if asked is None else _present(sample, columns_of(sample), asked, source, "label")


def _present(sample: Sequence[Record], columns: list[str], asked: str, source: str, role: str) -> str:
    if any(reach(record.values, asked) is not MISSING for record in sample):
        return asked
    near = nearest(asked, columns)
    raise BadInput(
        f"{source} has no column {asked!r}",
        expected=f"a {role} column",
        got=f"columns {', '.join(map(repr, columns))}",
        remedy=f"did you mean {' or '.join(map(repr, near))}?" if near else f"set {role} to one of the columns above",
        columns=columns,
        nearest=near,
        reason="column_missing",
        source=source,
        name=asked,
        role=role,
        near=" / ".join(near),
    )


def _words(sample: Sequence[Record], column: str) -> float:
    values = [reach(record.values, column) for record in sample]
    texts = [value for value in values if isinstance(value, str)]
    return sum(len(text.split()) for text in texts) / len(texts) if texts else 0.0
