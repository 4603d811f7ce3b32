"""Where each sort of thing is listed, for whoever reads an error: a command at a shell, a route in a program, a page in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Reader = Literal["command", "route", "page"]


class Listed(NamedTuple):
    """`command` is empty where the command line has none."""

    command: str
    route: str
    page: str


LISTED: Mapping[str, Listed] = {
    "runs": Listed("pickaxe runs", "GET /v1/runs", "/runs"),
    "artifacts": Listed("pickaxe artifacts", "GET /v1/artifacts", "/artifacts"),
    "data": Listed("pickaxe artifacts", "GET /v1/artifacts", "/data"),
    "endpoints": Listed("pickaxe endpoints", "GET /v1/endpoints", "/endpoints"),
    "tasks": Listed("pickaxe runs", "GET /v1/tasks", "/tasks"),
    "traces": Listed("", "GET /v1/traces", "/traces"),
    "jobs": Listed("pickaxe jobs", "GET /v1/jobs", "/"),
    "people": Listed("pickaxe user list", "GET /v1/people", "/settings"),
    "keys": Listed("pickaxe api-key list", "GET /v1/keys", "/settings"),
    "tenants": Listed("pickaxe tenant list", "GET /v1/tenants", "/settings"),
}

_SAID: Mapping[str, Listed] = {
    "routes": Listed("see: pickaxe --help", "the routes: GET /v1, in full /openapi.json", "/"),
    "schema": Listed("correct what is named above", "correct the fields named in details; the schema is in /openapi.json", ""),
}


def where(sort: object, reader: Reader) -> str | None:
    """``list them: pickaxe runs``; None for a sort that is not listed."""
    if said := _SAID.get(str(sort)):
        return getattr(said, reader) or None
    listed = LISTED.get(str(sort))
    return f"list them: {getattr(listed, reader) or listed.route}" if listed else None
