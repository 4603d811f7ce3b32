"""Data: every table with its rows, its columns and its versions; and SQL over all of it, with charts and saved queries."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from pickaxe.console.answer_chart import KINDS, Drawing
from pickaxe.console.cells import bars, grid
from pickaxe.console.forms import Place, Text, fields_of
from pickaxe.console.site import Site, link
from pickaxe.data.summary import ColumnSummary, summarise
from pickaxe.flows.query import query
from pickaxe.flows.records import RECORDS
from pickaxe.kernel import browse
from pickaxe.kernel.errors import BadInput, PickaxeError
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import caller_of
from pickaxe.serve.auditing import note

PAGE = 50
TABLES = 60
SUMMARISED = 200_000
"""Rows that a summary is taken of: the first ones."""
_SAVED = "queries/"
_SAVED_KIND = "query"
_LONGEST_QUERY = 20_000
_ANSWER_ROWS = 1_000
_SECONDS = 10.0

Sql = Annotated[str, Query(max_length=_LONGEST_QUERY)]


async def _posted(request: Request) -> dict[str, str]:
    return await fields_of(request, largest=3 * _LONGEST_QUERY)


def router(site: Site) -> APIRouter:
    routes, reading, writing = APIRouter(), site.router(), site.router("write")
    summaries = Summaries()

    @reading.get("/data")
    def tables(request: Request, q: Text = "") -> Response:
        workspace = site.workspace_of(request)
        found = browse.tables(workspace, contains=q.strip(), limit=TABLES + 1)
        return site.page(
            request,
            "data.html",
            tables=found[:TABLES],
            more=len(found) > TABLES,
            q=q,
            records=list(RECORDS),
            saved=_saved(workspace),
        )

    # "-" begins no name, so nothing below it can be meant as an artifact.
    @reading.get("/data/-/sql")
    def sql(request: Request, q: Sql = "", chart: Text = "", x: Text = "", y: Text = "", colour: Text = "") -> Response:
        workspace, drawing = site.workspace_of(request), Drawing(chart, x, y, colour)
        answer, error = _answered(workspace, q) if q.strip() else (None, None)
        others = site.words_of(request)("data.chart_others")
        return site.page(
            request,
            "data_sql.html",
            status=error.status if error else 200,
            q=q,
            error=error,
            columns=answer.column_names if answer is not None else [],
            grid=grid(answer),
            drawing=drawing,
            kinds=KINDS,
            spec=None if answer is None else drawing.of(answer, others=others),
            saved=_saved(workspace),
            records=list(RECORDS),
            may_write=caller_of(request).may("write"),
        )

    @writing.post("/data/-/queries")
    def save(request: Request, fields: Annotated[dict[str, str], Depends(_posted)]) -> Response:
        text, name, drawing = fields.get("q", ""), fields.get("name", "").strip(), Drawing.kept(fields)
        if not text.strip():
            raise BadInput("there is no query to save", expected="a SELECT", reason="query_none")
        kept = site.workspace_of(request).import_json({"sql": text, **drawing.as_dict()}, _SAVED + name, kind=_SAVED_KIND)
        note(request, kept.id, query=name)
        return RedirectResponse(Saved(name, text, drawing).address, status_code=303)

    @reading.get("/data/-/queries/{name:path}")
    def saved(request: Request, name: str) -> Response:
        """A saved query by its name, as it is now: for links that outlive a change of it."""
        workspace = site.workspace_of(request)
        item = workspace.artifact(_SAVED + name)
        if item.kind != _SAVED_KIND:
            raise BadInput(
                f"{item.ref} is no saved query",
                expected=f"kind {_SAVED_KIND}",
                got=item.kind,
                see="data",
                reason="query_not_saved",
                ref=item.ref,
                kind=_SAVED_KIND,
            )
        return RedirectResponse(_opened(workspace, item).address, status_code=303)

    @reading.get("/data/-/columns/{ref:path}")
    def columns(request: Request, ref: str) -> Response:
        workspace = site.workspace_of(request)
        artifact = _table(workspace, ref)
        found = summaries.of(workspace, artifact)
        return site.page(
            request, "data_columns.html", columns=found, bars=bars, sampled=min(SUMMARISED, int(artifact.meta.get("rows", 0)))
        )

    @reading.get("/data/{ref:path}")
    def table(request: Request, ref: str, begin: Place = 0) -> Response:
        workspace = site.workspace_of(request)
        artifact = _table(workspace, ref)
        total = int(artifact.meta.get("rows", 0))
        begin = min(begin, max(0, total - 1) // PAGE * PAGE)  # beyond the end is the last page
        shown = workspace.read_rows(artifact, begin, PAGE)
        versions = [item for item in workspace.artifacts.list(prefix=artifact.name) if item.name == artifact.name]
        return site.page(
            request,
            "data_table.html",
            artifact=artifact,
            grid=grid(shown),
            begin=begin,
            total=total,
            following=begin + PAGE if begin + PAGE < total else None,
            previous=max(0, begin - PAGE) if begin else None,
            versions=sorted(versions, key=lambda item: item.version, reverse=True)[:50],
        )

    for part in (reading, writing):
        routes.routes.extend(part.routes)
    return routes


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved query and its chart."""

    name: str
    text: str
    drawing: Drawing

    @property
    def address(self) -> str:
        """Of its answer; it holds the whole query."""
        return link("data", "-", "sql", q=self.text, **self.drawing.as_dict())


class Summaries:
    """Summaries of the tables looked at last: an artifact never changes, so neither does its summary."""

    _KEPT = 64

    def __init__(self) -> None:
        self._found: OrderedDict[str, list[ColumnSummary]] = OrderedDict()
        self._turn = threading.Lock()

    def of(self, workspace: Workspace, artifact: Artifact) -> list[ColumnSummary]:
        with self._turn:
            if artifact.id not in self._found:
                self._found[artifact.id] = summarise(workspace.read_rows(artifact, 0, SUMMARISED))
                while len(self._found) > self._KEPT:
                    self._found.popitem(last=False)
            self._found.move_to_end(artifact.id)
            return self._found[artifact.id]


def _table(workspace: Workspace, ref: str) -> Artifact:
    artifact = workspace.artifact(ref)
    if artifact.stored != "table":
        raise BadInput(
            f"{artifact.ref} is not a table",
            expected="a table",
            got=artifact.stored,
            remedy=f"see /artifacts/{artifact.name}",
            reason="table_none",
            ref=artifact.ref,
            name=artifact.name,
        )
    return artifact


def _saved(workspace: Workspace) -> list[Saved]:
    """The saved queries, by name."""
    newest = {item.name: item for item in workspace.artifacts.list(kind=_SAVED_KIND, prefix=_SAVED)}
    return [_opened(workspace, newest[name]) for name in sorted(newest)]


def _opened(workspace: Workspace, item: Artifact) -> Saved:
    document = workspace.read_json(item)
    return Saved(item.name.removeprefix(_SAVED), str(document["sql"]), Drawing.kept(document))


def _answered(workspace: Workspace, text: str) -> tuple[Any, PickaxeError | None]:
    """The answer's first rows as a table, or what was wrong with the question."""
    from pickaxe.kernel.tables.sql import SqlLimits

    limits = SqlLimits(rows=_ANSWER_ROWS, seconds=_SECONDS, memory="512MB", threads=1)
    try:
        return query(workspace, text, limits=limits), None
    except PickaxeError as error:
        return None, error
