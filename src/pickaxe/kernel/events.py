"""Events: append-only facts, readable live from any process."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.database_json import loads
from pickaxe.kernel.catalog.schema import events
from pickaxe.kernel.catalog.sealed import OpenedText
from pickaxe.kernel.nouns import Event
from pickaxe.kernel.paging import distinct
from pickaxe.kernel.system.clock import as_datetime
from pickaxe.kernel.system.retry import retried

_PAGE = 10_000
_BODY = sa.type_coerce(sa.cast(events.c.body, sa.Text), OpenedText("events.body")).label("body")
_READ = ("at_ns", "kind", "subject", "name", "value", "step", "body")


class Events:
    """Reads and appends the events of one tenant."""

    def __init__(self, catalog: Catalog, tenant_id: str, *, connection: sa.Connection | None = None) -> None:
        self._catalog = catalog
        self._tenant_id = tenant_id
        self._connection = connection

    @contextmanager
    def turn(self) -> Iterator[Events]:
        """The log to oneself: what is read is the newest there is, and nobody's events come between it and what is then emitted.

        All of it happens when the block ends, or nothing. Keep it short: other writers wait.
        """
        with self._catalog.write() as connection:
            yield Events(self._catalog, self._tenant_id, connection=connection)

    def emit(
        self,
        kind: str,
        subject: str,
        *,
        name: str = "",
        value: float | None = None,
        step: int | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one fact; when this returns, it survives a kill."""
        self.emit_many([{"kind": kind, "subject": subject, "name": name, "value": value, "step": step, "body": body or {}}])

    def emit_many(self, facts: Iterable[Mapping[str, Any]], *, connection: sa.Connection | None = None) -> None:
        """Append facts (keys kind, subject and optionally name, value, step, body) in one transaction: all or none."""
        now = self._catalog.clock.now_ns()
        rows = [
            {
                "tenant_id": self._tenant_id,
                "at_ns": now,
                "kind": fact["kind"],
                "subject": fact["subject"],
                "name": fact.get("name") or "",
                "value": fact.get("value"),
                "step": fact.get("step"),
                "body": dict(fact.get("body") or {}),
            }
            for fact in facts
        ]
        if not rows:
            return
        connection = connection or self._connection
        if connection is not None:
            connection.execute(events.insert(), rows)
            return
        self._append(rows)

    @retried
    def _append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        with self._catalog.write() as connection:
            connection.execute(events.insert(), rows)

    @retried
    def list(
        self,
        *,
        kind: str | Sequence[str] | None = None,
        subject: str | None = None,
        name: str | Sequence[str] | None = None,
        after_seq: int = 0,
        beyond: int = 0,
        up_to: int | None = None,
        limit: int = 1000,
        newest_first: bool = False,
    ) -> list[Event]:
        """A page of events in order; go on with ``after_seq=page[-1].seq``.

        With `newest_first` the page ends the log, and `after_seq` (when not 0) means: older than that. Either way only numbers
        greater than `beyond` and not greater than `up_to` are read.
        """
        query = sa.select(events).where(events.c.tenant_id == self._tenant_id).limit(limit)
        # Of one subject there are few: found by the subject and then sorted, not looked for among all in the order of their numbers.
        place = events.c.seq if subject is None else events.c.seq + 0
        if newest_first:
            query = query.order_by(place.desc())
            if after_seq:
                query = query.where(place < after_seq)
        else:
            query = query.order_by(place).where(place > after_seq)
        if beyond:
            query = query.where(place > beyond)
        if up_to is not None:
            query = query.where(place <= up_to)
        if kind is not None:
            query = query.where(events.c.kind.in_([kind] if isinstance(kind, str) else list(kind)))
        if subject is not None:
            query = query.where(events.c.subject == subject)
        if name is not None:
            query = query.where(events.c.name.in_([name] if isinstance(name, str) else list(name)))
        if self._connection is not None:
            return [_event(row) for row in self._connection.execute(query).all()]
        with self._catalog.read() as connection:
            return [_event(row) for row in connection.execute(query).all()]

    @retried
    def names(self, kind: str) -> list[str]:
        """The different names of events of a kind; by an index, however many events there are."""
        ours = events.c.tenant_id == self._tenant_id, events.c.kind == kind
        # As they are stored: sealed ones have an order too, which is enough to go from one to the next.
        stored = distinct(sa.type_coerce(events.c.name, sa.String), *ours).subquery()
        with self._catalog.read() as connection:
            return list(connection.execute(sa.select(sa.type_coerce(stored.c.value, events.c.name.type))).scalars())

    @retried
    def newest_by_name(self, kind: str, names: Sequence[str], *, limit: int) -> dict[str, list[Event]]:
        """The newest events of a kind of each name, newest first, up to `limit` of each; in one look."""
        ours = events.c.tenant_id == self._tenant_id, events.c.kind == kind
        each = [
            sa.select(sa.select(events).where(*ours, events.c.name == name).order_by(events.c.seq.desc()).limit(limit).subquery())
            for name in names
        ]
        found: dict[str, list[Event]] = {name: [] for name in names}
        if each:
            with self._catalog.read() as connection:
                for row in connection.execute(sa.union_all(*each)):
                    found[row.name].append(_event(row))
        return {name: sorted(of_name, key=lambda event: -event.seq) for name, of_name in found.items()}

    @retried
    def newest_seqs(self, kind: str, subjects: Collection[str]) -> dict[str, int]:
        """subject -> number of the newest event of a kind about it, of those that have one."""
        query = sa.select(events.c.subject, sa.func.max(events.c.seq).label("newest")).group_by(events.c.subject)
        query = query.where(events.c.tenant_id == self._tenant_id, events.c.kind == kind, events.c.subject.in_(subjects))
        with self._catalog.read() as connection:
            return {row.subject: row.newest for row in connection.execute(query)}

    @retried
    def values(self, kind: str, name: str, *, limit: int) -> list[tuple[int, float | None]]:
        """Instant (ns) and value of the newest events of one name, newest first; their bodies are not read."""
        query = (
            sa.select(events.c.at_ns, events.c.value)
            .where(events.c.tenant_id == self._tenant_id, events.c.kind == kind, events.c.name == name)
            .order_by(events.c.seq.desc())
            .limit(limit)
        )
        with self._catalog.read() as connection:
            return [(row.at_ns, row.value) for row in connection.execute(query)]

    def each(self, kind: str) -> Iterator[Event]:
        """Every event of a kind, oldest first."""
        for part in self.parts(kind):
            yield from part

    def columns(
        self,
        names: Collection[str],
        *,
        kind: str | Sequence[str] | None = None,
        subject: str | Sequence[str] | None = None,
        name: str | Sequence[str] | None = None,
        after_seq: int = 0,
        up_to_seq: int | None = None,
        page: int = 20_000,
    ) -> Iterator[Sequence[Any]]:
        """Pages of rows in order, with the columns `names` of the catalog and ``seq``: for whoever reads very many.

        A body is the JSON text that is kept.
        """
        query = sa.select(events.c.seq, *(_BODY if column == "body" else events.c[column] for column in names if column != "seq"))
        query = query.where(events.c.tenant_id == self._tenant_id)
        for column, given in ((events.c.kind, kind), (events.c.subject, subject), (events.c.name, name)):
            if given is not None:
                query = query.where(column.in_([given] if isinstance(given, str) else list(given)))
        if up_to_seq is not None:
            query = query.where(events.c.seq <= up_to_seq)
        query = query.order_by(events.c.seq).limit(page)
        while rows := self._rows(query.where(events.c.seq > after_seq)):
            yield rows
            after_seq = rows[-1].seq

    def parts(self, kind: str, **wanted: Any) -> Iterator[list[Event]]:
        """Events of a kind by the page, oldest first; `wanted` as for `columns`."""
        for rows in self.columns(_READ, kind=kind, **wanted):
            yield [_event(row, loads(row.body)) for row in rows]

    @retried
    def _rows(self, query: sa.Select[Any]) -> Sequence[Any]:
        with self._catalog.read() as connection:
            return connection.execute(query).all()

    @retried
    def seq_before(self, at_ns: int) -> int:
        """Number of the last event of any tenant before an instant, 0 when there is none: found by halves, as numbers grow with time."""
        with self._catalog.read() as connection:
            low, high = 0, connection.execute(sa.select(sa.func.coalesce(sa.func.max(events.c.seq), 0))).scalar_one()
            while low < high:
                middle = (low + high + 1) // 2
                newest = sa.select(events.c.at_ns).where(events.c.seq <= middle).order_by(events.c.seq.desc()).limit(1)
                found = connection.execute(newest).scalar()
                low, high = (middle, high) if found is None or found < at_ns else (low, middle - 1)
        return low

    def newest_seq(self) -> int:
        """Number of the newest event of any tenant, 0 when there is none: has anything happened?"""
        with self._catalog.read() as connection:
            return connection.execute(sa.select(sa.func.coalesce(sa.func.max(events.c.seq), 0))).scalar_one()

    @retried
    def count(self, kind: str, *, name: str | None = None, after_seq: int = 0, up_to_seq: int | None = None) -> int:
        query = sa.select(sa.func.count()).where(events.c.tenant_id == self._tenant_id, events.c.kind == kind)
        if name is not None:
            query = query.where(events.c.name == name)
        if after_seq:
            query = query.where(events.c.seq > after_seq)
        if up_to_seq is not None:
            query = query.where(events.c.seq <= up_to_seq)
        with self._catalog.read() as connection:
            return connection.execute(query).scalar_one()


def _event(row: Any, body: Mapping[str, Any] | None = None) -> Event:
    return Event(
        row.seq, as_datetime(row.at_ns), row.kind, row.subject, row.name, row.value, row.step, row.body if body is None else body
    )
