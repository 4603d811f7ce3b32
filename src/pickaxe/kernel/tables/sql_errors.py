"""What DuckDB says of a query that fails, in our words: what is wrong, what there is instead, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nearest import did_you_mean, nearest

_COLUMN = re.compile(
    r'Referenced column "(?P<a>[^"]+)" not found|not have a column named "(?P<b>[^"]+)"|Column "(?P<c>[^"]+)" does not exist'
)
_TABLE = re.compile(r'Referenced table "([^"]+)" not found')
_FUNCTION = re.compile(r"Function with name (\S+) does not exist!\s*(?:Did you mean \"([^\"]+)\")?")
_NO_SUCH_TYPES = re.compile(r"No function matches the given name and argument types ('.*?')\.")
_RESERVED = re.compile(r'(?<!["\w.])at(?!["\w])|(?<!order )(?<!group )(?<!partition )(?<!["\w.])by(?!["\w])', re.IGNORECASE)
"""Columns of our own records that SQL has another use for, written without quotes."""
_MOST_COLUMNS = 40


def mistake(error: Exception, query: str, columns: Mapping[str, Sequence[str]] | None = None, memory: str = "") -> BadInput:
    """`error` of `query` over tables with these `columns`, within `memory`."""
    said = str(error).partition("\n\nStack Trace")[0]
    place = said[said.find("LINE ") :] if "LINE " in said else None
    known = columns or {}
    if "Out of Memory" in said:
        return too_much_memory(memory)
    if found := _COLUMN.search(said):
        name = next(part for part in found.groups() if part)
        every = list(dict.fromkeys(column for names in known.values() for column in names))
        near = {"near": " / ".join(nearest(name, every))}
        return BadInput(
            f"no column {name!r}",
            expected=_told(known),
            got=place,
            remedy=did_you_mean(name, every),
            reason="sql_no_column",
            name=name,
            **near,
        )
    if found := _TABLE.search(said):
        return BadInput(
            f"no table {found[1]!r} in this query", expected=_told(known), got=place, reason="sql_no_table", name=found[1]
        )
    if found := _FUNCTION.search(said):
        near = did_you_mean(found[1], [found[2]] if found[2] else [])
        return BadInput(
            f"no function {found[1]!r}",
            expected="a function of DuckDB's SQL",
            got=place,
            remedy=near,
            reason="sql_no_function",
            name=found[1],
            near=found[2] or "",
        )
    if found := _NO_SUCH_TYPES.search(said):
        return BadInput(
            f"nothing computes {found[1]}",
            got=place,
            remedy="cast what has the wrong type, for example CAST(x AS DOUBLE)",
            reason="sql_wrong_types",
            call=found[1],
        )
    if said.startswith("Parser Error"):
        reserved = _RESERVED.search(query)
        remedy = f'a name that is a word of SQL too goes in double quotes: "{reserved[0].lower()}"' if reserved else None
        return BadInput(
            "the query cannot be read",
            expected="one SELECT",
            got=said.removeprefix("Parser Error: "),
            remedy=remedy,
            reason="sql_unreadable",
            word=f'"{reserved[0].lower()}"' if reserved else "",
        )
    return BadInput("the query failed", got=said, reason="sql_failed")


def too_much_memory(memory: str) -> BadInput:
    return BadInput(
        "the query needs more memory than it may take",
        expected=f"at most {memory}" if memory else None,
        remedy="filter and aggregate before sorting and joining, and name the columns instead of *",
        reason="sql_memory",
        most=memory,
    )


def too_long(seconds: float) -> BadInput:
    return BadInput(
        "the query took too long",
        expected=f"at most {seconds:g} s",
        remedy="read less: a WHERE on kind, subject, name, seq or at leaves the other events unread, on endpoint the other traces; "
        "name the columns instead of *",
        reason="sql_too_long",
        most=f"{seconds:g}",
    )


def _told(known: Mapping[str, Sequence[str]]) -> str | None:
    """``headlines/rows: text, label``"""
    some = [
        f"{table}: {', '.join(names[:_MOST_COLUMNS])}{', …' if len(names) > _MOST_COLUMNS else ''}"
        for table, names in known.items()
    ]
    return "; ".join(some) or None
