"""Runs: a state machine over (code, config, inputs) -> outputs, with one row per key.

The same key is the same run: a second attempt goes on in the same row, and a succeeded one is the cache.

    queued -> running -> succeeded
                      -> failed | cancelled | interrupted -> queued (another attempt)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from pickaxe.kernel.artifacts import Artifacts, Stored, artifact_id, checked_name
from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import edges, runs
from pickaxe.kernel.errors import Conflict, NotFound
from pickaxe.kernel.nouns import Artifact, Run, RunState
from pickaxe.kernel.paging import MANY, batched, cursor_of, newest_first
from pickaxe.kernel.system.clock import SECOND, as_datetime
from pickaxe.kernel.system.retry import retried

HEARTBEAT_EVERY = timedelta(seconds=2)
STALE_AFTER = timedelta(seconds=8)
"""A running run whose heart has not beaten for this long is shown as interrupted, whoever looks."""

GONE_AFTER = timedelta(seconds=20)
"""Where several processes write, the others take a run (or a pool) for orphaned after so long a silence."""

_UNDER_WAY = runs.c.state.in_([RunState.RUNNING, RunState.QUEUED])
_AFTER = {
    RunState.QUEUED: {RunState.RUNNING, RunState.CANCELLED},
    RunState.RUNNING: {RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED},
    RunState.SUCCEEDED: set[RunState](),
    RunState.FAILED: {RunState.QUEUED},
    RunState.CANCELLED: {RunState.QUEUED},
    RunState.INTERRUPTED: {RunState.QUEUED},
}


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What decides a run: its key, and what the key was made of."""

    key: str
    name: str
    step: str
    config: Mapping[str, Any]
    inputs: Mapping[str, Artifact]

    @property
    def run_id(self) -> str:
        return run_id_of(self.key)


def run_id_of(key: str) -> str:
    return "run-" + key[:24]


class Runs:
    """Reads and moves the runs of one tenant."""

    def __init__(self, catalog: Catalog, artifacts: Artifacts, tenant_id: str, principal_id: str) -> None:
        self._catalog = catalog
        self._artifacts = artifacts
        self._tenant_id = tenant_id
        self._principal_id = principal_id

    def queue(self, spec: RunSpec) -> Run:
        """Put the run (or another attempt of it) in the queue; raises `Conflict` if it is already under way."""
        self._queue(spec)
        return self.get(spec.run_id)

    @retried
    def _queue(self, spec: RunSpec) -> None:
        now = self._catalog.clock.now_ns()
        with self._catalog.write() as connection:
            if self._catalog.shared:
                silent = sa.func.coalesce(runs.c.heartbeat_ns, runs.c.created_ns) < self._catalog.silent_since_ns(GONE_AFTER)
                interrupt(connection, sa.and_(runs.c.id == spec.run_id, silent))
            state = connection.execute(sa.select(runs.c.state).where(runs.c.key == spec.key)).scalar()
            if state is None:
                connection.execute(
                    runs.insert().values(
                        id=spec.run_id,
                        tenant_id=self._tenant_id,
                        principal_id=self._principal_id,
                        name=checked_name(spec.name),
                        key=spec.key,
                        state=RunState.QUEUED,
                        step=spec.step,
                        config=dict(spec.config),
                        attempt=0,
                        created_ns=now,
                        heartbeat_ns=now,
                    )
                )
                self._artifacts.must_own(connection, {artifact.id for artifact in spec.inputs.values()})
                for role, artifact in spec.inputs.items():
                    connection.execute(
                        edges.insert().values(run_id=spec.run_id, direction="in", role=role, artifact_id=artifact.id)
                    )
            else:
                self._move(connection, spec.run_id, RunState.QUEUED, heartbeat_ns=now)

    def start(self, run_id: str) -> Run:
        """Claim the run: of several who try, one gets it and the others a `Conflict`."""
        self._start(run_id)
        return self.get(run_id)

    @retried
    def _start(self, run_id: str) -> None:
        now = self._catalog.clock.now_ns()
        with self._catalog.write() as connection:
            self._move(
                connection,
                run_id,
                RunState.RUNNING,
                started_ns=now,
                heartbeat_ns=now,
                ended_ns=None,
                error=None,
                attempt=runs.c.attempt + 1,
            )

    def beat(self, run_id: str) -> None:
        with self._catalog.write() as connection:
            connection.execute(
                runs.update()
                .where(runs.c.tenant_id == self._tenant_id, runs.c.id == run_id, runs.c.state == RunState.RUNNING)
                .values(heartbeat_ns=self._catalog.clock.now_ns())
            )

    def succeed(
        self, connection: sa.Connection, spec: RunSpec, outputs: Mapping[str, Stored], *, attempt: int | None = None
    ) -> None:
        """Publish every output and the success in the caller's transaction. Raises `Conflict` when it is another attempt's by now."""
        now = self._catalog.clock.now_ns()
        self._move(connection, spec.run_id, RunState.SUCCEEDED, of_attempt=attempt, ended_ns=now)
        scope = spec.name.rpartition("/")[0]
        for role, stored in outputs.items():
            id = artifact_id(spec.key, role)
            name = f"{scope}/{role}" if scope else role
            self._artifacts.add(connection, name, stored, id=id, run_id=spec.run_id, at_ns=now)
            connection.execute(edges.insert().values(run_id=spec.run_id, direction="out", role=role, artifact_id=id))

    def end(
        self,
        connection: sa.Connection,
        run_id: str,
        state: RunState,
        error: Mapping[str, Any] | None,
        *,
        attempt: int | None = None,
    ) -> None:
        """Record an end without outputs. Raises `Conflict` when it is another attempt's by now."""
        now = self._catalog.clock.now_ns()
        self._move(connection, run_id, state, of_attempt=attempt, ended_ns=now, error=dict(error) if error else None)

    @retried
    def get(self, run_id: str) -> Run:
        with self._catalog.read() as connection:
            row = connection.execute(sa.select(runs).where(runs.c.tenant_id == self._tenant_id, runs.c.id == run_id)).first()
            if row is None:
                raise NotFound(f"no run {run_id!r:.120}", see="runs", reason="no_run", name=run_id[:120])
            return self._runs(connection, [row])[0]

    @retried
    def cached(self, key: str) -> Run | None:
        """The succeeded run of this key, if there is one."""
        query = sa.select(runs).where(runs.c.tenant_id == self._tenant_id, runs.c.key == key, runs.c.state == RunState.SUCCEEDED)
        with self._catalog.read() as connection:
            row = connection.execute(query).first()
            return self._runs(connection, [row])[0] if row else None

    def list(self, *, prefix: str = "", limit: int = 1000) -> list[Run]:
        """Newest first."""
        return self.page(prefix=prefix, limit=limit)[0]

    @retried
    def page(
        self,
        *,
        name: str = "",
        prefix: str = "",
        step: str = "",
        states: Collection[str] = (),
        names: Collection[str] | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[list[Run], str | None]:
        """Runs that match everything given, newest first, and the cursor (`after`) that goes on; None at the end.

        `names`: any of these.
        """
        query = sa.select(runs).where(runs.c.tenant_id == self._tenant_id)
        for column, wanted in ((runs.c.name, name), (runs.c.step, step)):
            if wanted:
                query = query.where(column == wanted)
        if prefix:
            query = query.where(runs.c.name.startswith(prefix, autoescape=True))
        if states:
            query = query.where(runs.c.state.in_(states))
        with self._catalog.read() as connection:
            if names is None:
                rows = connection.execute(newest_first(query, runs, after).limit(limit + 1)).all()
            else:
                rows = self._named(connection, query, names, after, limit + 1)
            return self._runs(connection, rows[:limit]), cursor_of(rows, limit)

    def _named(
        self, connection: sa.Connection, query: sa.Select[Any], names: Collection[str], after: str | None, limit: int
    ) -> Sequence[Any]:
        """Rows of `query` with any of `names`: frequent names are among the newest runs, rare ones are found by their index."""
        newest = newest_first(query, runs, after).limit(_LOOKED_THROUGH).subquery()
        among = sa.select(newest).where(newest.c.name.in_(names))
        rows = connection.execute(among.order_by(newest.c.created_ns.desc(), newest.c.id.desc()).limit(limit)).all()
        if len(rows) < limit:
            # Not by time, which has an index too and would be read to its end; so it is ordered by as a value.
            rare = newest_first(query.where(runs.c.name.in_(names)), runs, after)
            rare = rare.order_by(None).order_by((runs.c.created_ns + 0).desc(), runs.c.id.desc())
            rows = connection.execute(rare.limit(limit)).all()
        return rows

    def each_alone(self, *, page: int = 5_000) -> Iterator[Run]:
        """Every run, newest first, without what it read and made: for whoever reads very many."""
        after: str | None = None
        while True:
            query = newest_first(sa.select(runs).where(runs.c.tenant_id == self._tenant_id), runs, after).limit(page + 1)
            rows = self._rows(query)
            yield from (self._run(row, {"in": {}, "out": {}}) for row in rows[:page])
            if (after := cursor_of(rows, page)) is None:
                return

    @retried
    def _rows(self, query: sa.Select[Any]) -> Sequence[Any]:
        with self._catalog.read() as connection:
            return connection.execute(query).all()

    def many(self, ids: Sequence[str]) -> dict[str, Run]:
        """Those of the runs `ids` that the tenant has, by id."""
        found: dict[str, Run] = {}
        with self._catalog.read() as connection:
            for some in batched(ids, MANY):
                rows = connection.execute(sa.select(runs).where(runs.c.id.in_(some))).all()
                found |= {
                    run.id: run for run in self._runs(connection, [row for row in rows if row.tenant_id == self._tenant_id])
                }
        return found

    def _move(
        self, connection: sa.Connection, run_id: str, state: RunState, *, of_attempt: int | None = None, **values: Any
    ) -> None:
        before = [old for old, after in _AFTER.items() if state in after]
        here = [runs.c.tenant_id == self._tenant_id, runs.c.id == run_id, runs.c.state.in_(before)]
        if of_attempt is not None:
            here.append(runs.c.attempt == of_attempt)
        if not connection.execute(runs.update().where(*here).values(state=state, **values)).rowcount:
            ours = sa.select(runs.c.state).where(runs.c.tenant_id == self._tenant_id, runs.c.id == run_id)
            now = connection.execute(ours).scalar()
            raise Conflict(f"run {run_id} cannot become {state}", expected=f"one of {', '.join(before)}", got=str(now))

    def _runs(self, connection: sa.Connection, rows: Sequence[Any]) -> list[Run]:
        ends: dict[str, dict[str, dict[str, str]]] = {row.id: {"in": {}, "out": {}} for row in rows}
        for some in batched(ends, MANY):
            for edge in connection.execute(sa.select(edges).where(edges.c.run_id.in_(some)).order_by(edges.c.role)):
                ends[edge.run_id][edge.direction][edge.role] = edge.artifact_id
        return [self._run(row, ends[row.id]) for row in rows]

    def _run(self, row: Any, ends: dict[str, dict[str, str]]) -> Run:
        return Run(
            id=row.id,
            name=row.name,
            key=row.key,
            state=self._seen_state(row),
            step=row.step,
            config=row.config,
            created_at=as_datetime(row.created_ns),
            started_at=as_datetime(row.started_ns) if row.started_ns else None,
            ended_at=as_datetime(row.ended_ns) if row.ended_ns else None,
            heartbeat_at=as_datetime(row.heartbeat_ns) if row.heartbeat_ns else None,
            attempt=row.attempt,
            error=row.error,
            inputs=ends["in"],
            outputs=ends["out"],
        )

    def _seen_state(self, row: Any) -> RunState:
        """What a reader should believe: a run whose engine died without a word is interrupted before anybody writes so."""
        stale = STALE_AFTER / timedelta(seconds=1) * SECOND
        if row.state == RunState.RUNNING and self._catalog.clock.now_ns() - row.heartbeat_ns > stale:
            return RunState.INTERRUPTED
        return RunState(row.state)


_LOOKED_THROUGH = 1_000
"""Newest runs among which some of a name are looked for first."""


def interrupt_orphans(catalog: Catalog) -> list[str]:
    """Mark what a dead writer left under way, of every tenant. Only the holder of the workspace's lock may call this."""
    with catalog.write() as connection:
        return interrupt(connection, sa.true())


def interrupt(connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[str]:
    """Mark those of the runs under way that `which` picks, at their last heartbeat; their ids."""
    orphans = list(connection.execute(sa.select(runs.c.id).where(_UNDER_WAY, which)).scalars())
    error = {"code": "interrupted", "message": "the process that ran it ended", "remedy": "start it again; it resumes"}
    ended = sa.func.coalesce(runs.c.heartbeat_ns, runs.c.created_ns)
    connection.execute(
        runs.update().where(runs.c.id.in_(orphans)).values(state=RunState.INTERRUPTED, error=error, ended_ns=ended)
    )
    return orphans


@retried
def beat_under_way(catalog: Catalog, run_ids: Collection[str]) -> None:
    """The heartbeat of a process for its runs, also while they wait or land."""
    if not run_ids:
        return
    with catalog.write() as connection:
        beating = runs.update().where(runs.c.id.in_(run_ids), _UNDER_WAY)
        connection.execute(beating.values(heartbeat_ns=catalog.clock.now_ns()))
