"""The JSON envelope, and reading a request's body without trusting it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from pickaxe.kernel.errors import BadInput, PickaxeError
from pickaxe.kernel.fields import fields_of, finding
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.errors import SlowClient, TooLarge, UnsupportedMedia
from pickaxe.serve.tracecontext import TraceContext, trace_context

TRACE = "pickaxe.trace"
"""Key in the ASGI scope under which the request's `TraceContext` is kept."""

_DEEPEST, _ROOM_ABOVE = 200, 54
"""Levels of a body; together they are what orjson writes."""

_Body = TypeVar("_Body", bound="RequestBody")
_Data = TypeVar("_Data")


class RequestBody(BaseModel):
    """Base of every body: unknown keys and look-alike types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ErrorBody(BaseModel):
    """What went wrong, what was expected, what came, what to do next."""

    code: str = Field(examples=["not_found"])
    message: str = Field(examples=["no endpoint 'headline'"])
    expected: str | None = Field(default=None, examples=["one of: headlines"])
    got: str | None = None
    remedy: str | None = None
    details: dict[str, Any] | None = Field(
        default=None, description="what programs may go by; `reason` says more closely than `code` what is wrong"
    )
    said: dict[str, str] | None = Field(
        default=None,
        description="message, expected and remedy in the `language` that Accept-Language asks for, where there are words",
    )


class Envelope(BaseModel, Generic[_Data]):
    """Every answer: `data`, or `error`, and the trace it belongs to."""

    data: _Data
    error: None = None
    trace_id: str = Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736"])


class Failure(BaseModel):
    """Every refusal."""

    data: None = None
    error: ErrorBody
    trace_id: str = Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736"])


def trace_of(request: Request) -> TraceContext:
    """The request's place in a trace; drawn at the first call."""
    context = request.scope.get(TRACE)
    if context is None:
        header = request.headers.get("traceparent")
        context = request.scope[TRACE] = trace_context(header.encode("latin-1") if header else None)
    return context


def reply(request: Request, data: Any, *, status: int = 200) -> Response:
    """`data` in the envelope."""
    body = orjson.dumps({"data": data, "error": None, "trace_id": trace_of(request).trace_id})
    return Response(body, status_code=status, media_type="application/json")


def refusal(trace_id: str, error: PickaxeError, said: Mapping[str, str] | None = None) -> Response:
    """`error` in the envelope, with its status; `said`: what of it there is in the caller's language."""
    told = error.as_dict() | ({"said": said} if said else {})
    body = orjson.dumps({"data": None, "error": told, "trace_id": trace_id}, default=str)
    retry_after = error.details.get("retry_after")
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    return Response(body, status_code=error.status, headers=headers, media_type="application/json")


async def read_json(request: Request, form: type[_Body], config: ServeConfig) -> _Body:
    """The body as a `form`. Raises `UnsupportedMedia`, `TooLarge`, `SlowClient` and `BadInput` that names each bad field."""
    declared = request.headers.get("content-type", "")
    if declared.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMedia(
            "the body is not declared as JSON", expected="Content-Type: application/json", got=declared[:100] or "none"
        )
    body = await read_body(
        request, most=config.max_body_bytes, seconds=config.body_seconds, remedy="send the texts in several requests"
    )
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadInput("the body is not JSON", expected="a JSON object in UTF-8", got=str(error)[:200]) from None
    if body.count(b"[") + body.count(b"{") > _DEEPEST:
        _refuse_deep(document)
    try:
        return form.model_validate(document)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False), form) from None


def _refuse_deep(document: Any) -> None:
    """What is read may be kept and given back, in answers that nest it further; JSON can be read deeper than it can be written."""
    for _ in range(_ROOM_ABOVE):
        document = [document]
    try:
        orjson.dumps(document)
    except orjson.JSONEncodeError:
        raise BadInput("the body is nested too deeply", expected=f"at most {_DEEPEST} levels") from None


def invalid(problems: Any, form: type[BaseModel] | None = None) -> BadInput:
    """Pydantic's findings as one `BadInput`."""
    found = [
        {
            "field": ".".join(str(part) for part in problem["loc"]) or "body",
            **finding(problem, form),
            "got": "nothing" if problem["type"] == "missing" else _shown(problem["loc"], problem.get("input")),
        }
        for problem in problems[:20]
    ]
    return BadInput(
        "; ".join(f"{item['field']}: {item['problem']}" for item in found),
        expected=f"an object with {fields_of(form)}" if form else None,
        see="schema",
        reason="body_fields",
        keys=", ".join(form.model_fields) if form else "",
        fields=found,
    )


_SECRETS = frozenset({"password", "old", "new", "secret"})


def _shown(place: Sequence[str | int], value: Any) -> str:
    """What came, for a refusal: never a secret, so never a whole object either."""
    if not _SECRETS.isdisjoint(place):
        return "(not shown)"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return f"{value!r:.80}"


async def read_body(request: Request, *, most: int, seconds: float, what: str = "body", remedy: str | None = None) -> bytes:
    """The body. Raises `TooLarge` for more than `most` bytes, `SlowClient` when it has not come within `seconds`."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > most:
        raise _too_large(what, most, declared[:20], remedy)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(what, most, f"more than {most}", remedy)
                parts.append(part)
    except TimeoutError:
        raise SlowClient(f"the {what} did not arrive within {seconds:g} s", got=f"{size} bytes") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(what: str, most: int, got: str, remedy: str | None) -> TooLarge:
    return TooLarge(f"the {what} is too large", expected=f"at most {most} bytes", got=got, remedy=remedy)
