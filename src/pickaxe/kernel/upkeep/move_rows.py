"""The catalog's rows from one database to another, and the proof that they are the same.

Both sides are read through the schema's own types, so what is sealed in one is opened and, where the other is encrypted too, sealed
anew with the other's key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import artifacts, keyring, metadata

_BATCH = 2_000
_TABLES = [table for table in metadata.sorted_tables if table is not keyring]
"""In an order that foreign keys allow. Keys of encryption are each workspace's own."""


@dataclass(frozen=True, slots=True)
class RowsOf:
    """One table: how many rows, and the SHA-256 of their values in the order of their keys."""

    count: int
    digest: str


def copy_rows(source: Catalog, target: Catalog, pins: Mapping[tuple[str, int], Mapping[str, Any]]) -> None:
    """Every row, in one transaction of the target; `pins`: where the tables lie there, by name and snapshot here."""
    with source.read() as reading, target.write() as writing:
        for table in _TABLES:
            for rows in _batches(reading, table):
                if table is artifacts:
                    for row in rows:
                        row["pin"] = (
                            pins[row["pin"]["name"], row["pin"]["snapshot_id"]] if row["stored"] == "table" else row["pin"]
                        )
                writing.execute(table.insert(), rows)
        target.numbers_taken(writing)


def rows_of(catalog: Catalog, *, counts_only: bool = False) -> dict[str, RowsOf]:
    """Each table's rows, `pin` of artifacts left out (it is the store's own); with `counts_only` those that have any, not hashed."""
    found: dict[str, RowsOf] = {}
    with catalog.read() as connection:
        for table in _TABLES:
            count = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            if not counts_only:
                found[table.name] = RowsOf(count, _digest(connection, table))
            elif count:
                found[table.name] = RowsOf(count, "")
    return found


def is_empty(catalog: Catalog) -> bool:
    return not rows_of(catalog, counts_only=True)


def _digest(connection: sa.Connection, table: sa.Table) -> str:
    hasher = hashlib.sha256()
    for rows in _batches(connection, table):
        for row in rows:
            if table is artifacts:
                del row["pin"]
            hasher.update(json.dumps(row, sort_keys=True).encode())
            hasher.update(b"\n")
    return "sha256:" + hasher.hexdigest()


def _batches(connection: sa.Connection, table: sa.Table) -> Iterator[list[dict[str, Any]]]:
    """The rows in the order of the primary key, a page at a time: no cursor is held open while the other side writes."""
    keys = list(table.primary_key.columns)
    query = sa.select(table).order_by(*keys).limit(_BATCH)
    after: tuple[Any, ...] | None = None
    while True:
        page = query if after is None else query.where(sa.tuple_(*keys) > sa.tuple_(*(sa.literal(value) for value in after)))
        rows = [dict(row) for row in connection.execute(page).mappings()]
        if rows:
            yield rows
        if len(rows) < _BATCH:
            return
        after = tuple(rows[-1][key.name] for key in keys)
