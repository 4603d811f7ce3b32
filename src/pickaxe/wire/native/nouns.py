"""The nouns as JSON: one model for each, made from the kernel's values and turned back into them by the client."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from pickaxe.kernel.nouns import Artifact, Endpoint, Event, Route, Run, RunState

_Item = TypeVar("_Item")


class Page(BaseModel, Generic[_Item]):
    """Some of the items, in order. Go on with ``after=next``; null when there is nothing more for now."""

    items: list[_Item]
    next: str | None = None


class RunInfo(BaseModel):
    """One execution: code + config + input digests -> output artifacts."""

    id: str
    name: str
    key: str
    state: RunState
    step: str
    config: dict[str, Any]
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    heartbeat_at: datetime | None = None
    attempt: int = 0
    error: dict[str, Any] | None = None
    inputs: dict[str, str] = Field(default_factory=dict, description="role -> artifact id")
    outputs: dict[str, str] = Field(default_factory=dict, description="role -> artifact id")

    def noun(self) -> Run:
        return Run(**dict(self))


class ArtifactInfo(BaseModel):
    """An immutable version of a thing."""

    id: str
    name: str
    version: int
    ref: str = Field(description="name:version")
    kind: str
    digest: str
    stored: str = Field(description="where the content is: table, files or json")
    size: int = Field(description="bytes")
    created_at: datetime
    run_id: str | None = Field(default=None, description="the run that made it; null for an import")
    aliases: list[str] = []
    meta: dict[str, Any] = {}

    def noun(self) -> Artifact:
        return Artifact(**{**self.model_dump(exclude={"ref"}), "aliases": tuple(self.aliases)})


class EventInfo(BaseModel):
    """An append-only fact."""

    seq: int
    at: datetime
    kind: str
    subject: str
    name: str = ""
    value: float | None = None
    step: int | None = None
    body: dict[str, Any] = {}

    def noun(self) -> Event:
        return Event(**dict(self))


class RouteInfo(BaseModel):
    artifact_id: str
    weight: float = 1.0


class EndpointNoun(BaseModel):
    """What is published under a name; whether it is loaded here stands in ``GET /v1/endpoints``."""

    id: str
    name: str
    routes: list[RouteInfo]
    state: str
    created_at: datetime
    meta: dict[str, Any] = {}

    def noun(self) -> Endpoint:
        routes = tuple(Route(route.artifact_id, route.weight) for route in self.routes)
        return Endpoint(self.id, self.name, routes, self.state, self.created_at, self.meta)


def run_json(run: Run) -> dict[str, Any]:
    return _plain(run)


def artifact_json(artifact: Artifact) -> dict[str, Any]:
    return _plain(artifact) | {"ref": artifact.ref}


def event_json(event: Event) -> dict[str, Any]:
    return _plain(event)


def endpoint_json(endpoint: Endpoint) -> dict[str, Any]:
    return _plain(endpoint)


def _plain(noun: Run | Artifact | Event | Endpoint) -> dict[str, Any]:
    """The noun's own fields as they are: they are written once, and copying a thousand configurations for that takes its time."""
    return {name: getattr(noun, name) for name in noun.__slots__}
