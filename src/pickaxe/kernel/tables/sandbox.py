"""Queries in processes of their own: what a stranger's query does to one of them, it does to nobody else.

A process is started at the first query and kept for the next ones; it is ended when a query does not stop in time, or goes down
with it. It gets no secret, no file, and of the tables only what a scan asks for (see `pickaxe.kernel.tables.sandboxed`).
"""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import BadInput, Unavailable, from_dict
from pickaxe.kernel.system.confined import started_apart
from pickaxe.kernel.system.frames import Frame, receive, send
from pickaxe.kernel.tables.sql_errors import too_long, too_much_memory
from pickaxe.kernel.tables.streamed import Streamed, Wanted

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.tables.sql import SqlLimits

_START_SECONDS = 60.0
_GRACE_SECONDS = 1.0
"""Beyond a query's time, for the process to end it in order and say so."""
_IDLE_SECONDS = 60.0
_MOST_IDLE = 2
_PART = 1 << 20


class Sandbox:
    """One process."""

    def __init__(self) -> None:
        self.process, self.socket = started_apart("pickaxe.kernel.tables.sandboxed")
        self.started_by = os.getpid()
        self.ends: threading.Timer | None = None
        self.socket.settimeout(_START_SECONDS)
        try:
            begun = receive(self.socket)
        except OSError:
            begun = None
        if begun is None:
            self.end()
            raise Unavailable(
                "the process that answers queries did not start",
                remedy="to see why: python -m pickaxe.kernel.tables.sandboxed 0",
            )

    def ask(self, query: str, tables: Mapping[str, pa.Table | Streamed], params: Sequence[Any], limits: SqlLimits) -> pa.Table:
        """The answer. Raises as `pickaxe.kernel.tables.sql.answer` does; afterwards the process is either ready for the next, or gone."""
        schemas = {alias: table.schema.serialize().to_pybytes().hex() for alias, table in tables.items()}
        said, packed = {"query": query, "limits": asdict(limits), "tables": schemas}, _packed(params)
        readable, writable = os.pipe()
        try:
            send(self.socket, Frame(said, packed, [writable]))
        except BaseException:
            os.close(readable)
            self.end()
            raise
        finally:
            os.close(writable)
        feeding = _Feeding(tables)
        with os.fdopen(readable, "rb", buffering=0) as source:
            try:
                outcome, content = self._followed(source, feeding, limits)
            except BaseException:
                self.end()
                raise
            finally:
                feeding.stop()
        return _told(outcome, content, feeding)

    def _followed(self, source: Any, feeding: _Feeding, limits: SqlLimits) -> tuple[Mapping[str, Any], bytearray]:
        """What came of it, and the answer's bytes; meanwhile the scans get their rows."""
        until = time.monotonic() + limits.seconds + _GRACE_SECONDS
        content, outcome = bytearray(), None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.socket, selectors.EVENT_READ)
            waiting.register(source, selectors.EVENT_READ)
            while waiting.get_map():
                left = until - time.monotonic()
                if left <= 0:
                    raise too_long(limits.seconds)
                for key, _ in waiting.select(left):
                    if key.fileobj is source:
                        if part := source.read(_PART):
                            content += part
                        else:
                            waiting.unregister(source)
                        if len(content) > limits.size:
                            raise BadInput(
                                "the answer is too large",
                                expected=f"at most {limits.size >> 20} MiB",
                                remedy="name the columns instead of *, add a LIMIT or aggregate",
                                reason="sql_too_large",
                                most=limits.size >> 20,
                            )
                    elif outcome := self._heard(feeding, limits):
                        waiting.unregister(self.socket)
        return outcome or {}, content

    def _heard(self, feeding: _Feeding, limits: SqlLimits) -> Mapping[str, Any] | None:
        """What came of the query, once it is over; a scan that asks for rows gets them."""
        try:
            frame = receive(self.socket)
        except ConnectionError:
            frame = None
        if frame is None:  # ended by the system, or by what DuckDB does without memory
            raise feeding.failed or too_much_memory(limits.memory)
        if "read" not in frame.said:
            return frame.said
        descriptor = feeding.begin(frame.said["read"], Wanted.from_json(frame.said["wanted"]))
        try:
            send(self.socket, Frame({}, descriptors=[descriptor]))
        finally:
            os.close(descriptor)
        return None

    @property
    def usable(self) -> bool:
        return self.started_by == os.getpid() and self.process.poll() is None

    def end(self) -> None:
        """At once. A forked child leaves its parent's process alone."""
        self.socket.close()
        if self.started_by == os.getpid():
            with suppress(OSError):
                self.process.kill()
            self.process.wait()


class _Feeding:
    """The threads that send rows to the scans of one query."""

    def __init__(self, tables: Mapping[str, pa.Table | Streamed]) -> None:
        self._tables = tables
        self._threads: list[threading.Thread] = []
        self.failed: Exception | None = None

    def begin(self, alias: str, wanted: Wanted) -> int:
        """The descriptor from which one scan reads its rows; the caller closes it."""
        readable, writable = os.pipe()
        thread = threading.Thread(target=self._feed, args=[self._tables[alias], wanted, writable], daemon=True)
        self._threads.append(thread)
        thread.start()
        return readable

    def _feed(self, table: pa.Table | Streamed, wanted: Wanted, descriptor: int) -> None:
        import pyarrow as pa

        try:
            with os.fdopen(descriptor, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
                for batch in _batches(table, wanted):
                    writer.write_batch(batch)
        except BrokenPipeError:
            pass  # the scan has all that it wants
        except Exception as error:  # noqa: BLE001 - raised again where the answer is waited for
            self.failed = self.failed or error

    def stop(self) -> None:
        """End every stream; when this returns, nothing is read any more. Nobody holds the other ends of the pipes by then, or needs them."""
        for table in self._tables.values():
            if isinstance(table, Streamed):
                table.stop()
        for thread in self._threads:
            thread.join(_GRACE_SECONDS)


def _batches(table: pa.Table | Streamed, wanted: Wanted) -> Iterable[pa.RecordBatch]:
    """All rows, with nothing in the columns that nobody wants."""
    import pyarrow as pa

    if isinstance(table, Streamed):
        table.wanted = wanted  # the same for every scan of a query
        return table.batches(table.schema)
    columns = [
        column if wanted.takes(field.name) else pa.nulls(table.num_rows, field.type)
        for field, column in zip(table.schema, table.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=table.schema).to_batches()


def _packed(params: Sequence[Any]) -> bytes:
    """The values for ``?``, as a table of one row. Raises `BadInput`."""
    import pyarrow as pa

    if not params:
        return b""
    try:
        row = pa.Table.from_arrays([pa.array([value]) for value in params], names=[str(place) for place in range(len(params))])
    except (pa.ArrowException, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise BadInput("a parameter cannot be used", expected="numbers, texts, lists of one type", got=str(error)[:200]) from None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, row.schema) as writer:
        writer.write_table(row)
    return sink.getvalue().to_pybytes()


def _told(outcome: Mapping[str, Any], content: bytearray, feeding: _Feeding) -> pa.Table:
    import pyarrow as pa

    if feeding.failed is not None:
        raise feeding.failed
    if "error" in outcome:
        raise from_dict(outcome["error"])
    return pa.ipc.open_stream(pa.py_buffer(content)).read_all()


class Sandboxes:
    """The processes that wait for a query."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Sandbox] = []

    def ask(self, query: str, tables: Mapping[str, pa.Table | Streamed], params: Sequence[Any], limits: SqlLimits) -> pa.Table:
        """See `Sandbox.ask`."""
        sandbox = self._taken()
        try:
            return sandbox.ask(query, tables, params, limits)
        finally:
            self._given_back(sandbox)

    def _taken(self) -> Sandbox:
        with self._lock:
            while self._idle:
                sandbox = self._idle.pop()
                if sandbox.ends is not None:
                    sandbox.ends.cancel()
                if sandbox.usable:
                    return sandbox
                sandbox.end()
        return Sandbox()

    def _given_back(self, sandbox: Sandbox) -> None:
        if not sandbox.usable:
            return
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(sandbox)
                sandbox.ends = threading.Timer(_IDLE_SECONDS, self._let_go, [sandbox])
                sandbox.ends.daemon = True
                sandbox.ends.start()
                return
        sandbox.end()

    def _let_go(self, sandbox: Sandbox) -> None:
        with self._lock:
            if sandbox not in self._idle:
                return
            self._idle.remove(sandbox)
        sandbox.end()

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        for sandbox in idle:
            if sandbox.ends is not None:
                sandbox.ends.cancel()
            sandbox.end()
