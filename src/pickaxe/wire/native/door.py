"""What every native route shares: whose workspace it sees, what it declares, how it is described."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Query, Request
from pydantic import AfterValidator
from starlette.responses import Response

from pickaxe.kernel.access.scopes import Scope
from pickaxe.kernel.errors import Unavailable
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import caller_of, needs
from pickaxe.serve.attempts import Attempts
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.http import Envelope, Failure, RequestBody, read_json, reply
from pickaxe.serve.routes import json_body
from pickaxe.wire.native.examples import TRACE

if TYPE_CHECKING:
    from pickaxe.flows.jobs import Jobs
    from pickaxe.wire.native.live import Live

_Form = TypeVar("_Form", bound=RequestBody)

After = Annotated[str | None, Query(max_length=300, description="`next` of the page before")]
Instant = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]
"""``2026-11-22T09:00:00Z`` or ``2026-11-22``; in UTC where it does not say where."""
Limit = Annotated[int, Query(ge=1, le=1000, description="items at most")]
Ids = Annotated[
    list[str] | None,
    Query(max_length=100, description="those of these that there are, and nothing else is then looked at; at most 100"),
]


@dataclass
class Door:
    """The workspace behind the routes, and what runs beside it."""

    workspace: Workspace
    live: Live
    jobs: Jobs | None = None
    limits: ServeConfig = field(default_factory=ServeConfig)
    attempts: Attempts = field(default_factory=Attempts)
    """Wrong passwords, at every place where one is asked for."""

    def seen(self, request: Request) -> Workspace:
        """The workspace as the caller's tenant sees it."""
        return self.workspace.for_caller(caller_of(request))

    def running(self) -> Jobs:
        if self.jobs is None:
            raise Unavailable("this server runs no jobs", remedy="start it with `pickaxe up`")
        return self.jobs

    def body(self, form: type[_Form]) -> Any:
        """A dependency that reads the body as a `form`, within the server's limits."""

        async def read(request: Request) -> _Form:
            return await read_json(request, form, self.limits)

        return Depends(read)


def declared(
    scope: Scope, answer: Any, example: Any, *, status: int = 200, form: type[RequestBody] | None = None, body_example: Any = None
) -> dict[str, Any]:
    """The keyword arguments of a route: its scope, the answer's model and an example of it, the refusals, the body."""
    said = {"data": example, "error": None, "trace_id": TRACE}
    refusals: dict[int | str, dict[str, Any]] = {code: {"model": Failure} for code in (401, 403, 404, 409, 422)}
    told: dict[str, Any] = {
        "dependencies": [needs(scope)],
        "response_model": Envelope[answer],
        "status_code": status,
        "responses": {status: {"content": {"application/json": {"example": said}}}, **refusals},
    }
    if form is not None:
        told["openapi_extra"] = json_body(form)
        told["openapi_extra"]["requestBody"]["content"]["application/json"]["example"] = body_example
    return told


def page_reply(request: Request, items: list[Any], after: str | None) -> Response:
    return reply(request, {"items": items, "next": after})
