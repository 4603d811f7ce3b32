"""SQL over named tables: read only, in a sandbox, within limits of time, memory and rows."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pickaxe.serve.http import RequestBody, reply
from pickaxe.wire.native.arrow import arrow_reply, json_rows, wants_arrow
from pickaxe.wire.native.door import Door, declared


class Query(RequestBody):
    """One SELECT."""

    query: str = Field(min_length=1, max_length=50_000)
    params: list[Any] = Field(default=[], max_length=200, description="values for ?")
    limit: int = Field(default=1000, ge=1, le=1_000_000, description="rows of the answer at most; more is refused")
    seconds: float = Field(default=20.0, gt=0, le=120)


class Column(BaseModel):
    name: str
    type: str


class Answer(BaseModel):
    columns: list[Column]
    rows: list[list[Any]]


_ANSWER = {"columns": [{"name": "label", "type": "string"}, {"name": "n", "type": "int64"}], "rows": [["sarcastic", 512]]}


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["data"])

    @routes.post(
        "/sql",
        summary="Ask in SQL",
        **declared(
            "read",
            Answer,
            _ANSWER,
            form=Query,
            body_example={"query": 'SELECT label, count(*) AS n FROM "headlines/auto_labels" GROUP BY label'},
        ),
    )
    def sql(request: Request, given: Query = door.body(Query)) -> Response:
        """Tables are artifacts by reference (``"headlines/rows:1"``) and runs, artifacts, events, traces, feedback, labels, charges.

        With ``Accept: application/vnd.apache.arrow.stream`` the answer is an Arrow IPC stream.
        """
        from pickaxe.flows.query import query
        from pickaxe.kernel.tables.sql import SqlLimits

        limits = SqlLimits(rows=given.limit, seconds=given.seconds, memory="1GB", threads=1)
        table = query(door.seen(request), given.query, given.params, limits=limits)
        if wants_arrow(request):
            return arrow_reply(table)
        columns = [{"name": field.name, "type": str(field.type)} for field in table.schema]
        return reply(request, {"columns": columns, "rows": json_rows(table)})

    return routes
