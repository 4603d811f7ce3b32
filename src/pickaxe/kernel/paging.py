"""Keyset paging: a page goes on after the last row seen, whatever was added meanwhile, at the same speed at any depth."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from pickaxe.kernel.errors import BadInput

_T = TypeVar("_T")
MANY = 1000
"""Ids in one statement: databases limit its parameters."""

MANY_NAMES = 5_000
"""Different names that are looked through for a part of one, in the order of the index: some 30 ms."""


def newest_first(query: sa.Select[Any], table: sa.Table, after: str | None) -> sa.Select[Any]:
    """`query` in the order of ``(created_ns, id)``, newest first, beyond the cursor `after`. Raises `BadInput` for none of ours."""
    if after is not None:
        at, id = _decoded(after)
        query = query.where(sa.tuple_(table.c.created_ns, table.c.id) < sa.tuple_(at, id))
    return query.order_by(table.c.created_ns.desc(), table.c.id.desc())


def cursor_of(rows: Sequence[Any], limit: int) -> str | None:
    """The cursor after `limit` rows, None when `rows` (one more was asked for) ends there."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return base64.urlsafe_b64encode(json.dumps([last.created_ns, last.id]).encode()).decode().rstrip("=")


def _decoded(cursor: str) -> tuple[int, str]:
    try:
        at, id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError):
        at, id = None, None
    if type(at) is not int or not 0 <= at < 2**63 or not isinstance(id, str):
        raise BadInput(f"{cursor!r:.60} is not a cursor", expected="`next` of the page before", remedy="begin again without it")
    return at, id


def keyed(
    items: Iterable[_T], key: Callable[[_T], str], after: str | None, limit: int, *, last_first: bool = False
) -> tuple[list[_T], str | None]:
    """A page of what is in memory, in the order of `key`, beyond the key `after`; and the key to go on after, None at the end."""
    ordered = sorted(items, key=key, reverse=last_first)
    rest = [item for item in ordered if after is None or (key(item) < after if last_first else key(item) > after)]
    return rest[:limit], key(rest[limit - 1]) if len(rest) > limit else None


def beginning(column: sa.ColumnElement[str], begin: str) -> list[sa.ColumnElement[bool]]:
    """That `column` begins with `begin`, as a range of an index: no database makes one of an escaped LIKE."""
    return [column >= begin, column < begin[:-1] + chr(ord(begin[-1]) + 1)] if begin else []


def distinct(
    column: sa.ColumnElement[str], *ours: sa.ColumnElement[bool], begin: str = "", beyond: str = "", most: int = MANY_NAMES
) -> sa.Select[str]:
    """The values of `column` that begin with `begin`, each once and in order, up to `most`: a look into the index for each of them.

    Those after `beyond`, where that is given. `ours` are equalities on the columns that come before it in an index; the rows between
    two values are not read.
    """
    here = [*ours, *beginning(column, begin)]

    def first(there: sa.ColumnElement[bool]) -> sa.ScalarSelect[str]:
        # In the index's own order: a minimum over all that is beyond would read all of it.
        return sa.select(column).where(*here, there).order_by(column).limit(1).scalar_subquery()

    # Only the first look goes by `beyond`: two bounds at once, and the index is read from the lower one each time.
    each = sa.select(first(column > beyond if beyond else column >= begin).label("value"), sa.literal(1).label("place")).cte(
        "each", recursive=True
    )
    following = sa.select(first(column > each.c.value).correlate(each), each.c.place + 1)
    each = each.union_all(following.where(each.c.value.is_not(None), each.c.place < most))
    return sa.select(each.c.value).where(each.c.value.is_not(None))


def batched(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """`ids` in lists of at most `size`."""
    rest = iter(ids)
    while some := list(islice(rest, size)):
        yield some
