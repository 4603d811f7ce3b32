"""The five nouns, and who owns them. Plain frozen values: the stores fill them, the rooms read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The worker or the engine died; the same run may be started again and resumes from its checkpoint."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """An immutable, content-addressed version of a thing.

    Attributes:
        name: slash-separated, e.g. ``headlines/student``.
        version: 1, 2, 3… within the name.
        kind: dataset, labels, model, index, prompt, app, report…
        digest: ``sha256:…`` of the content, whatever store holds it.
        stored: where the content is: ``table``, ``files`` or ``json``.
        run_id: the run that made it, None for an import.
    """

    id: str
    name: str
    version: int
    kind: str
    digest: str
    stored: str
    size: int
    created_at: datetime
    run_id: str | None = None
    aliases: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def ref(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Run:
    """One execution: code + config + input digests -> output artifacts."""

    id: str
    name: str
    key: str
    state: RunState
    step: str
    config: Mapping[str, Any]
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    heartbeat_at: datetime | None = None
    attempt: int = 0
    error: Mapping[str, Any] | None = None
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    outputs: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Event:
    """An append-only fact about a run, endpoint, lease or trace."""

    seq: int
    at: datetime
    kind: str
    subject: str
    name: str = ""
    value: float | None = None
    step: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Route:
    """A share of an endpoint's traffic: an artifact version and its weight."""

    artifact_id: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Something callable that is serving."""

    id: str
    name: str
    routes: tuple[Route, ...]
    state: str
    created_at: datetime
    meta: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Lease:
    """`amount` units of a pool (cores, accelerators) held for a time. Times are integer nanoseconds since the epoch."""

    id: str
    pool_id: str
    holder: str
    amount: int
    start_ns: int
    end_ns: int | None


@dataclass(frozen=True, slots=True)
class Tenant:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts: a person, a key or a service of a tenant."""

    id: str
    tenant_id: str
    name: str
    kind: str
