"""A tenant's records as tables for SQL: runs, artifacts, events, traces, feedback, labels, charges.

Those that grow without end (runs, events, traces, feedback) are streamed: a query reads what it needs, within its own limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.ledger.cost import as_money
from pickaxe.kernel.tables.streamed import Chunk, Streamed, Wanted
from pickaxe.serve.traces import materialise_feedback, trace_rows, trace_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.workspace import Workspace

_RUNS = 5_000
"""Of a chunk."""
_TRACES = 5_000
"""Of a chunk: their texts are in it."""
_OF_TRACES = {"subject": {"trace_id", "ord"}, "name": {"endpoint"}, "at_ns": {"at"}, "value": {"ms"}}
"""What the log keeps beside a trace's body -> the columns that show it."""
_ORDER_SLACK = timedelta(minutes=1)
"""Events are numbered when they are written and dated just before: between several writers the two orders differ by moments."""


def _runs(workspace: Workspace) -> Streamed:
    """id, name, state, step, attempt, created_at, started_at, ended_at, seconds, error."""
    import pyarrow as pa

    time = pa.timestamp("us", tz="UTC")
    texts = [(name, pa.string()) for name in ("id", "name", "state", "step")]
    times = [(name, time) for name in ("created_at", "started_at", "ended_at")]
    fields = [*texts, ("attempt", pa.int32()), *times, ("seconds", pa.float64()), ("error", pa.string())]

    def read(wanted: Wanted) -> Iterator[Chunk]:
        runs = workspace.runs.each_alone(page=_RUNS)
        while page := list(islice(runs, _RUNS)):
            yield {
                "id": [run.id for run in page],
                "name": [run.name for run in page],
                "state": [str(run.state) for run in page],
                "step": [run.step for run in page],
                "attempt": [run.attempt for run in page],
                "created_at": [run.created_at for run in page],
                "started_at": [run.started_at for run in page],
                "ended_at": [run.ended_at for run in page],
                "seconds": [
                    (run.ended_at - run.started_at).total_seconds() if run.ended_at and run.started_at else None for run in page
                ],
                "error": [(run.error or {}).get("message") for run in page],
            }

    return Streamed(pa.schema(fields), read)


def _events(workspace: Workspace) -> Streamed:
    """seq, at, kind, subject, name, value, step, body (JSON text)."""
    import pyarrow as pa

    fields = {
        "seq": pa.int64(),
        "at": pa.timestamp("us", tz="UTC"),
        "kind": pa.string(),
        "subject": pa.string(),
        "name": pa.string(),
        "value": pa.float64(),
        "step": pa.int64(),
        "body": pa.string(),
    }
    kept = {"at": "at_ns"}
    made: Mapping[str, Callable[[Any], Any]] = {"at": lambda ns: ns // 1000}

    def read(wanted: Wanted) -> Iterator[Chunk]:
        names = [name for name in fields if name == "seq" or wanted.takes(name)]
        first, last = _numbers(workspace, wanted)
        pages = workspace.log.columns(
            [kept.get(name, name) for name in names],
            kind=wanted.among.get("kind"),
            subject=wanted.among.get("subject"),
            name=wanted.among.get("name"),
            after_seq=first,
            up_to_seq=last,
        )
        for rows in pages:
            columns = dict(zip(names, zip(*rows, strict=True), strict=True))
            yield {name: [made[name](value) for value in values] if name in made else values for name, values in columns.items()}

    return Streamed(pa.schema(list(fields.items())), read)


def _numbers(workspace: Workspace, wanted: Wanted) -> tuple[int, int | None]:
    """The numbers between which the wanted events lie: beyond the first of the two, up to the second."""
    first = max(0, int(least) - 1) if isinstance(least := wanted.least.get("seq"), int) else 0
    last = most if isinstance(most := wanted.most.get("seq"), int) else None
    if isinstance(begin := wanted.least.get("at"), datetime):
        first = max(first, workspace.log.seq_before(_ns(begin - _ORDER_SLACK)))
    if isinstance(end := wanted.most.get("at"), datetime):
        before = workspace.log.seq_before(_ns(end + _ORDER_SLACK))
        last = before if last is None else min(last, before)
    return first, last


def _traces(workspace: Workspace) -> Streamed:
    """One row per answered text; see `pickaxe.serve.traces.trace_rows`."""
    schema = trace_schema()

    def read(wanted: Wanted) -> Iterator[pa.Table]:
        columns = frozenset(schema.names) if wanted.columns is None else wanted.columns
        kept = ["body", *(name for name, shown in _OF_TRACES.items() if not columns.isdisjoint(shown))]
        pages = workspace.log.columns(kept, kind="trace", page=_TRACES, **_told(workspace, wanted))
        positions: dict[str, int] = {}
        for page in pages:
            yield trace_rows(page, columns, positions)

    return Streamed(schema, read)


def _feedback(workspace: Workspace) -> Streamed:
    """One row per feedback; see `pickaxe.serve.traces.materialise_feedback`."""

    def read(wanted: Wanted) -> Iterator[pa.Table]:
        for events in workspace.log.parts("feedback", **_told(workspace, wanted)):
            yield materialise_feedback(events)

    return Streamed(materialise_feedback([]).schema, read)


def _told(workspace: Workspace, wanted: Wanted) -> dict[str, Any]:
    """Which events of answers are wanted: of what endpoint and trace, between which numbers."""
    first, last = _numbers(workspace, wanted)
    return {
        "subject": wanted.among.get("trace_id"),
        "name": wanted.among.get("endpoint"),
        "after_seq": first,
        "up_to_seq": last,
    }


def _artifacts(workspace: Workspace) -> pa.Table:
    """id, name, version, kind, digest, stored, size, rows, run_id, created_at, aliases."""
    import pyarrow as pa

    found = workspace.artifacts.list()
    names = ("id", "name", "version", "kind", "digest", "stored", "size")
    columns: dict[str, Any] = {name: [getattr(item, name) for item in found] for name in names}
    columns["rows"] = pa.array([item.meta.get("rows") for item in found], pa.int64())
    columns["run_id"] = pa.array([item.run_id for item in found], pa.string())
    columns["created_at"] = pa.array([item.created_at for item in found], pa.timestamp("us", tz="UTC"))
    columns["aliases"] = pa.array([list(item.aliases) for item in found], pa.list_(pa.string()))
    return pa.table(columns)


def _ns(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def _charges(workspace: Workspace) -> pa.Table:
    """holder, meter, quantity, basis, nano (billionths of a dollar, null without a price), money (for people)."""
    import pyarrow as pa

    found = workspace.ledger.charges()
    return pa.table(
        {
            "holder": pa.array([item.holder for item in found], pa.string()),
            "meter": pa.array([item.meter for item in found], pa.string()),
            "quantity": pa.array([item.quantity for item in found], pa.int64()),
            "basis": pa.array([item.basis for item in found], pa.string()),
            "nano": pa.array([item.nano for item in found], pa.int64()),
            "money": pa.array([None if item.nano is None else as_money(item.nano) for item in found], pa.string()),
        }
    )


def _labels(workspace: Workspace) -> pa.Table:
    """Every label that anybody gave, by artifact: the newest version of each table of kind ``annotations``, with its name."""
    import pyarrow as pa

    newest = {item.name: item for item in workspace.artifacts.list(kind="annotations")}
    tables = []
    for item in newest.values():
        table = workspace.read_table(item)
        tables.append(table.add_column(0, "artifact", pa.array([item.ref] * table.num_rows, pa.string())))
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({"artifact": pa.array([], pa.string())})


RECORDS: Mapping[str, Callable[[Workspace], pa.Table | Streamed]] = {
    "runs": _runs,
    "artifacts": _artifacts,
    "events": _events,
    "traces": _traces,
    "feedback": _feedback,
    "labels": _labels,
    "charges": _charges,
}
"""What is no artifact, by the name that a query uses. An artifact of the same name is asked for with its version."""
