"""SQL over everything a tenant has: its tables by reference, and its records (runs, artifacts, events, traces, charges) by name.

``SELECT label, count(*) FROM "headlines/auto_labels@production" GROUP BY label``: a table is named as everywhere else, in quotes where
SQL wants them. Older versions are there too (``"headlines/rows:1"``): a version is what time travel is made of here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.errors import BadInput, NotFound
from pickaxe.kernel.ledger.cost import as_money

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.tables.sql import SqlLimits
    from pickaxe.kernel.workspace import Workspace

_MOST_EVENTS = 2_000_000


def query(workspace: Workspace, sql: str, params: Sequence[Any] = (), *, limits: SqlLimits | None = None) -> pa.Table:
    """The answer to one SELECT over the tables it names; nothing else can be reached from it.

    Raises `BadInput` (a mistake in the query, a limit reached, an artifact that is no table) and `NotFound` (no such table).
    """
    from pickaxe.kernel.tables.sql import SqlLimits, answer, tables_named

    wanted = tables_named(sql)
    return answer(sql, {name: _table(workspace, name) for name in wanted}, params, limits or SqlLimits())


def _table(workspace: Workspace, name: str) -> pa.Table:
    if name in RECORDS:
        return RECORDS[name](workspace)
    try:
        artifact = workspace.artifact(name)
    except NotFound as error:
        raise NotFound(
            f"no table {name!r:.120}", expected=f"a table artifact, or one of {', '.join(RECORDS)}", remedy=error.remedy
        ) from None
    if artifact.stored != "table":
        raise BadInput(f"{artifact.ref} is not a table", expected="a table artifact", got=artifact.stored)
    return workspace.read_table(artifact)


def _runs(workspace: Workspace) -> pa.Table:
    """id, name, state, step, attempt, created_at, started_at, ended_at, seconds, error."""
    import pyarrow as pa

    found = workspace.runs.list(limit=1_000_000)
    time = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "id": [run.id for run in found],
            "name": [run.name for run in found],
            "state": [str(run.state) for run in found],
            "step": [run.step for run in found],
            "attempt": pa.array([run.attempt for run in found], pa.int32()),
            "created_at": pa.array([run.created_at for run in found], time),
            "started_at": pa.array([run.started_at for run in found], time),
            "ended_at": pa.array([run.ended_at for run in found], time),
            "seconds": pa.array(
                [(run.ended_at - run.started_at).total_seconds() if run.ended_at and run.started_at else None for run in found],
                pa.float64(),
            ),
            "error": pa.array([(run.error or {}).get("message") for run in found], pa.string()),
        }
    )


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


def _events(workspace: Workspace, kinds: Iterable[str] | None = None) -> pa.Table:
    """seq, at, kind, subject, name, value, step, body (JSON text)."""
    import json

    import pyarrow as pa

    rows: list[tuple[Any, ...]] = []
    after = 0
    while page := workspace.events(kind=list(kinds) if kinds else None, after_seq=after, limit=10_000):
        rows += [
            (item.seq, item.at, item.kind, item.subject, item.name, item.value, item.step, json.dumps(dict(item.body)))
            for item in page
        ]
        after = page[-1].seq
        if len(rows) > _MOST_EVENTS:
            raise BadInput(
                "there are too many events for one query", expected=f"at most {_MOST_EVENTS:,}", remedy="ask for one kind"
            )
    schema = pa.schema(
        [
            ("seq", pa.int64()),
            ("at", pa.timestamp("us", tz="UTC")),
            ("kind", pa.string()),
            ("subject", pa.string()),
            ("name", pa.string()),
            ("value", pa.float64()),
            ("step", pa.int64()),
            ("body", pa.string()),
        ]
    )
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def _traces(workspace: Workspace) -> pa.Table:
    """One row per answered text; see `pickaxe.serve.traces.materialise_traces` (with timings)."""
    from pickaxe.serve.traces import materialise_traces

    return materialise_traces(workspace.log.each("trace"), timings=True)


def _feedback(workspace: Workspace) -> pa.Table:
    from pickaxe.serve.traces import materialise_feedback

    return materialise_feedback(workspace.log.each("feedback"))


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


RECORDS: Mapping[str, Callable[[Workspace], pa.Table]] = {
    "runs": _runs,
    "artifacts": _artifacts,
    "events": _events,
    "traces": _traces,
    "feedback": _feedback,
    "labels": _labels,
    "charges": _charges,
}
"""What is no artifact, by the name that a query uses. An artifact of the same name is asked for with its version."""
