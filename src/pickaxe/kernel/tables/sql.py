"""A query over tables, in a sandbox.

The query runs in a DuckDB of its own that holds the pinned rows and nothing else: no files, no network, no lake, no settings
to change. It may therefore come from a stranger; what it can still take is time and memory, and both are limited.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING, Any, cast

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.tables.sql_errors import mistake
from pickaxe.kernel.tables.streamed import Streamed, wanted_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_./@:-]{0,299}")
"""A name, or an artifact's reference (in double quotes in the query)."""


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """What one query may take: rows of answer, seconds, memory (DuckDB's spelling) and threads."""

    rows: int = 1_000_000
    seconds: float = 60.0
    memory: str = "1GB"
    threads: int = 2


def answer(query: str, tables: Mapping[str, pa.Table | Streamed], params: Sequence[Any], limits: SqlLimits) -> pa.Table:
    """The answer to one SELECT over `tables` by alias. What is streamed is read within the limits of time and memory too.

    Raises `BadInput` for anything but one SELECT, a mistake in it, or a limit reached.
    """
    import duckdb

    for alias in tables:
        if not _ALIAS.fullmatch(alias):
            raise BadInput("not an alias", expected="letters, digits and _./@:-, a letter first", got=f"{alias!r:.100}")
    connection = _sandbox(limits)
    streamed = [table for table in tables.values() if isinstance(table, Streamed)]
    timer = Timer(limits.seconds, _interrupt, [connection, streamed])
    timer.daemon = True
    try:
        for alias, table in tables.items():
            connection.register(alias, table)
        connection.execute("SET lock_configuration = true")
        _refuse_all_but_select(connection, query)
        timer.start()
        _tell_what_is_wanted(connection, query, params, streamed)
        result = connection.execute(query, list(params)).to_arrow_reader()
        return _limited(result, limits.rows)
    except duckdb.InterruptException:
        raise _too_long(limits) from None
    except (duckdb.Error, OSError) as error:  # what breaks off while the answer is read comes from Arrow
        failed = next((one.failed for one in streamed if one.failed is not None), None)
        if failed is not None:
            raise failed from None
        if not timer.is_alive() or "INTERRUPT" in str(error):
            raise _too_long(limits) from None
        raise mistake(error, query, {name: _names(table) for name, table in tables.items()}, limits.memory) from None
    finally:
        timer.cancel()
        for table in streamed:
            table.stop()
        connection.close()


def _interrupt(connection: duckdb.DuckDBPyConnection, streamed: Sequence[Streamed]) -> None:
    connection.interrupt()  # heeded between rows that the query gets; a stream may yield none for long
    for table in streamed:
        table.stop()


def _tell_what_is_wanted(
    connection: duckdb.DuckDBPyConnection, query: str, params: Sequence[Any], streamed: Sequence[Streamed]
) -> None:
    import duckdb

    if not streamed:
        return
    try:
        plan = connection.execute(f"EXPLAIN (FORMAT json) {query}", list(params)).fetchall()[0][1]
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return  # a mistake shows again when the query itself runs, at its own place; what has no plan (DESCRIBE) is read as a whole
    for table in streamed:
        table.wanted = wanted_of(plan, table.schema)


def _names(table: pa.Table | Streamed) -> list[str]:
    return table.schema.names


def _too_long(limits: SqlLimits) -> BadInput:
    return BadInput(
        "the query took too long",
        expected=f"at most {limits.seconds:g} s",
        remedy="read less: a WHERE on kind, subject, name, seq or at leaves the other events unread, on endpoint the other traces; "
        "name the columns instead of *",
    )


def tables_named(query: str) -> list[str]:
    """The tables that a query reads, sorted; names that the query makes itself (WITH) left out. Raises `BadInput` for no SELECT."""
    import duckdb

    with duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}) as connection:
        try:
            _refuse_all_but_select(connection, query)
        except duckdb.Error as error:
            raise mistake(error, query) from None
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()
    parsed = json.loads(row[0] if row else "{}")
    if parsed.get("error", True):
        raise BadInput("the query cannot be read", expected="one SELECT", got=str(parsed.get("error_message"))[:500])
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


def _sandbox(limits: SqlLimits) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(
        config={
            "threads": limits.threads,
            "memory_limit": limits.memory,
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    return connection


def _refuse_all_but_select(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    import duckdb

    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise BadInput(
            "only one query that reads is allowed",
            expected="one SELECT",
            got=", ".join(statement.type.name for statement in statements) or "nothing",
            remedy="ask with a SELECT; a table itself never changes, what is changed becomes its next version",
        )


def _limited(reader: pa.RecordBatchReader, limit: int) -> pa.Table:
    import pyarrow as pa

    batches: list[pa.RecordBatch] = []
    rows = 0
    for batch in reader:
        rows += batch.num_rows
        if rows > limit:
            raise BadInput("the answer is too large", expected=f"at most {limit} rows", remedy="add a LIMIT or aggregate")
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=reader.schema)
