"""A query over tables, in a sandbox.

The query runs in a process of its own (`pickaxe.kernel.tables.sandbox`), in a DuckDB that holds the pinned rows and nothing else:
no files, no network, no lake, no settings to change. It may therefore come from a stranger; what it can still take is time and
memory, and both are limited.
"""

from __future__ import annotations

import atexit
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.tables.sql_errors import mistake

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from pickaxe.kernel.tables.sandbox import Sandboxes
    from pickaxe.kernel.tables.streamed import Streamed

_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_./@:-]{0,299}")
"""A name, or an artifact's reference (in double quotes in the query)."""
_MEMORY = re.compile(r"(\d{1,6}) ?([KMGT])B")
_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """What one query may take: rows and bytes of answer, seconds, memory (``512MB``, ``1GB``) and threads."""

    rows: int = 1_000_000
    seconds: float = 60.0
    memory: str = "1GB"
    threads: int = 2
    size: int = 256 << 20

    @property
    def memory_bytes(self) -> int:
        found = _MEMORY.fullmatch(self.memory)
        if found is None:
            raise BadInput(f"{self.memory!r:.40} is no amount of memory", expected="such as 512MB or 1GB")
        return int(found[1]) * _UNITS[found[2]]


def answer(query: str, tables: Mapping[str, pa.Table | Streamed], params: Sequence[Any], limits: SqlLimits) -> pa.Table:
    """The answer to one SELECT over `tables` by alias. What is streamed is read within the limits of time and memory too.

    Raises `BadInput` for anything but one SELECT, a mistake in it, or a limit reached.
    """
    for alias in tables:
        if not _ALIAS.fullmatch(alias):
            raise BadInput("not an alias", expected="letters, digits and _./@:-, a letter first", got=f"{alias!r:.100}")
    return _sandboxes().ask(query, tables, params, limits)


@cache
def _sandboxes() -> Sandboxes:
    from pickaxe.kernel.tables.sandbox import Sandboxes

    sandboxes = Sandboxes()
    atexit.register(sandboxes.close)
    return sandboxes


def tables_named(query: str) -> list[str]:
    """The tables that a query reads, sorted; names that the query makes itself (WITH) left out. Raises `BadInput` for no SELECT."""
    import duckdb

    with duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}) as connection:
        try:
            refuse_all_but_select(connection, query)
        except duckdb.Error as error:
            raise mistake(error, query) from None
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()
    parsed = json.loads(row[0] if row else "{}")
    if parsed.get("error", True):
        raise BadInput(
            "the query cannot be read",
            expected="one SELECT",
            got=str(parsed.get("error_message"))[:500],
            reason="sql_unreadable",
            word="",
        )
    named, made = set[str](), set[str]()
    _collect(parsed["statements"], named, made)
    return sorted(named - made)


def _collect(node: Any, named: set[str], made: set[str]) -> None:
    """Table names of DuckDB's own parse tree, and the names of common table expressions."""
    if isinstance(node, list):
        for item in cast(list[Any], node):
            _collect(item, named, made)
    elif isinstance(node, dict):
        values = cast(dict[str, Any], node)
        if values.get("type") == "BASE_TABLE":
            named.add(values["table_name"])
        made.update(entry["key"] for entry in (values.get("cte_map") or {}).get("map", []))
        for value in values.values():
            _collect(value, named, made)


def refuse_all_but_select(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raises `BadInput`, and DuckDB's error for what cannot be read."""
    import duckdb

    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise BadInput(
            "only one query that reads is allowed",
            expected="one SELECT",
            got=", ".join(statement.type.name for statement in statements) or "nothing",
            remedy="ask with a SELECT; a table itself never changes, what is changed becomes its next version",
            reason="sql_only_select",
        )
