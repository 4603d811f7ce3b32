"""The process that answers queries: ``python -m pickaxe.kernel.tables.sandboxed FD``, started by `pickaxe.kernel.tables.sandbox`.

It has no file and no secret of the workspace. Each query gets a DuckDB of its own; rows come from the parent as each scan asks
for them, the answer goes back through a pipe. DuckDB heeds a limit of memory and an interruption in most places, not in all: one
call of ``repeat`` or ``levenshtein`` sees neither. So the system limits what this process may take, and the parent ends it.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from threading import Event, Lock, Timer
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import BadInput, PickaxeError, Unavailable
from pickaxe.kernel.system.confined import limit_memory, limit_time
from pickaxe.kernel.system.frames import Frame, receive, send
from pickaxe.kernel.tables.sql import SqlLimits, refuse_all_but_select
from pickaxe.kernel.tables.sql_errors import mistake, too_long, too_much_memory
from pickaxe.kernel.tables.streamed import Streamed, Wanted

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_ROOM = 256 << 20
"""Memory beside twice what DuckDB may count: it also reserves that much before it uses any."""


def main() -> None:
    """Answer one query after the other until the parent closes the socket."""
    import duckdb  # before a limit is set: what is loaded once belongs to nobody's query
    import pyarrow as pa

    duckdb.connect().close()
    pa.schema([]).serialize()
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        send(parent, Frame({"ready": True}))
        while (job := receive(parent)) is not None:
            send(parent, Frame(_outcome(parent, job)))


def _outcome(parent: socket.socket, job: Frame) -> dict[str, Any]:
    limits = SqlLimits(**job.said["limits"])
    try:
        with os.fdopen(job.descriptors[0], "wb") as sink:
            limit_memory(2 * limits.memory_bytes + _ROOM)
            limit_time(limits.seconds, limits.threads)
            _answer(parent, job, limits, sink)
    except PickaxeError as error:
        return {"error": error.as_dict()}
    except MemoryError:
        return {"error": too_much_memory(limits.memory).as_dict()}
    except BrokenPipeError:  # the parent wants no more of it
        return {"error": BadInput("the answer is too large").as_dict()}
    except Exception as error:  # noqa: BLE001 - whatever a query brings about is an answer to it
        return {"error": BadInput("the query cannot be answered", got=f"{type(error).__name__}: {error!s:.300}").as_dict()}
    return {"done": True}


def _answer(parent: socket.socket, job: Frame, limits: SqlLimits, sink: Any) -> None:
    import duckdb
    import pyarrow as pa

    query, params = job.said["query"], _params(job.body)
    asking = Lock()
    schemas = {alias: pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(told))) for alias, told in job.said["tables"].items()}
    tables = {alias: _rows(parent, asking, alias, schema) for alias, schema in schemas.items()}
    connection = _database(limits)
    time_is_up = Event()
    timer = Timer(limits.seconds, _interrupt, [time_is_up, connection, list(tables.values())])
    timer.daemon = True
    try:
        for number, (alias, table) in enumerate(tables.items()):
            table.show(connection, alias, number)
        connection.execute("SET lock_configuration = true")
        refuse_all_but_select(connection, query)
        timer.start()
        _tell_what_is_wanted(connection, query, params, list(tables.values()))
        _write(connection.execute(query, params).to_arrow_reader(), limits.rows, sink)
    except duckdb.InterruptException:
        raise too_long(limits.seconds) from None
    except BrokenPipeError:
        raise
    except (duckdb.Error, OSError) as error:  # what breaks off while the answer is read comes from Arrow
        if time_is_up.is_set() or "INTERRUPT" in str(error):
            raise too_long(limits.seconds) from None
        raise mistake(error, query, {name: table.schema.names for name, table in tables.items()}, limits.memory) from None
    finally:
        timer.cancel()
        for table in tables.values():
            table.stop()
        connection.close()


def _params(body: bytes) -> list[Any]:
    import pyarrow as pa

    if not body:
        return []
    [row] = pa.ipc.open_stream(body).read_all().to_pylist()
    return list(row.values())


def _rows(parent: socket.socket, asking: Lock, alias: str, schema: pa.Schema) -> Streamed:
    """A table whose rows the parent sends, anew for every scan."""
    import pyarrow as pa

    def read(wanted: Wanted) -> Iterator[pa.Table]:
        with asking:
            send(parent, Frame({"read": alias, "wanted": wanted.as_json()}))
            given = receive(parent)
        if given is None or not given.descriptors:
            raise Unavailable("the rows do not come any more")
        with os.fdopen(given.descriptors[0], "rb") as source, pa.ipc.open_stream(source) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch], schema)

    return Streamed(schema, read)


def _interrupt(time_is_up: Event, connection: duckdb.DuckDBPyConnection, tables: Sequence[Streamed]) -> None:
    time_is_up.set()  # first: what breaks off now breaks off for this reason
    connection.interrupt()  # heeded between rows that the query gets; a stream may yield none for long
    for table in tables:
        table.stop()


def _tell_what_is_wanted(
    connection: duckdb.DuckDBPyConnection, query: str, params: Sequence[Any], tables: Sequence[Streamed]
) -> None:
    import duckdb

    if not tables:
        return
    try:
        plan = connection.execute(f"EXPLAIN (FORMAT json) {query}", list(params)).fetchall()[0][1]
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return  # a mistake shows again when the query itself runs, at its own place; what has no plan (DESCRIBE) is read as a whole
    for table in tables:
        table.learn(plan)


def _write(reader: pa.RecordBatchReader, limit: int, sink: Any) -> None:
    import pyarrow as pa

    rows = 0
    with pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            rows += batch.num_rows
            if rows > limit:
                raise BadInput("the answer is too large", expected=f"at most {limit} rows", remedy="add a LIMIT or aggregate")
            writer.write_batch(batch)


def _database(limits: SqlLimits) -> duckdb.DuckDBPyConnection:
    import duckdb

    settings: Mapping[str, Any] = {
        "threads": limits.threads,
        "memory_limit": limits.memory,
        "temp_directory": "",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_persistent_secrets": False,
        "python_enable_replacements": False,
    }
    connection = duckdb.connect(config=dict(settings))
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    return connection


if __name__ == "__main__":
    main()
