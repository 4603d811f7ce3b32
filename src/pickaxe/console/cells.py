"""Cells of tables: any value on one line, and the small bars of a column's histogram."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from pickaxe.kernel.tables.arrow import python_values

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST = 240


class Cell(NamedTuple):
    """A value as text. `number` aligns to the right; `cut` says that there is more."""

    text: str | None
    number: bool = False
    cut: bool = False


class Grid(NamedTuple):
    """A table for the template: names with whether the column holds numbers, and the rows."""

    names: list[tuple[str, bool]]
    rows: list[list[Cell]]


def grid(table: pa.Table | None) -> Grid:
    """Every row of `table`, which should be short; nothing for None."""
    if table is None:
        return Grid([], [])
    rows = [
        [cell(value) for value in values] for values in zip(*(python_values(column) for column in table.columns), strict=True)
    ]
    numbers = [all(row[at].number or row[at].text is None for row in rows) for at in range(table.num_columns)]
    return Grid(list(zip(table.column_names, numbers, strict=True)), rows)


def cell(value: Any) -> Cell:
    """`value` for a table; None stays None, so that it can be told from a text."""
    if value is None:
        return Cell(None)
    if isinstance(value, bool):
        return Cell("true" if value else "false")
    if isinstance(value, int):
        return Cell(str(value), number=True)
    if isinstance(value, float):
        return Cell(f"{value:.6g}", number=True)
    if isinstance(value, bytes):
        text = value[:_LONGEST].hex(" ")
    elif isinstance(value, datetime):
        text = f"{value:%Y-%m-%d %H:%M:%S}"
    elif isinstance(value, list | dict | tuple):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    return Cell(text[:_LONGEST], cut=len(text) > _LONGEST)


def bars(counts: Sequence[int]) -> Markup:
    """A histogram as small as a word."""
    if not counts or not max(counts):
        return Markup("")
    width, top = 120 / len(counts), max(counts)
    drawn = Markup("").join(
        Markup('<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>').format(
            at * width, 28 - 28 * count / top, max(width - 0.8, 0.4), 28 * count / top
        )
        for at, count in enumerate(counts)
        if count
    )
    return Markup('<svg class="bins" viewBox="0 0 120 28" preserveAspectRatio="none" aria-hidden="true">{}</svg>').format(drawn)
