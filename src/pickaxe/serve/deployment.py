"""An endpoint as it stands in this process: loaded models and their shares of the traffic."""

from __future__ import annotations

import asyncio
import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from pickaxe.kernel.nouns import Endpoint
from pickaxe.serve.running import Runner

Name = tuple[str, str]
"""A tenant's id and the name of one of its endpoints: tenants may use the same names."""


class Problem(NamedTuple):
    """Why an endpoint could not be loaded, how often that was tried, and when it will be again (`time.monotonic`)."""

    endpoint: Endpoint
    message: str
    tries: int
    again: float


class Load(NamedTuple):
    """An endpoint whose models are being loaded."""

    endpoint: Endpoint
    task: asyncio.Task[None]


@dataclass(frozen=True)
class Deployment:
    """An endpoint as it stands: its routes' models, loaded, and their shares. Replaced as a whole, never changed."""

    endpoint: Endpoint
    runners: tuple[Runner, ...]
    bounds: tuple[float, ...]
    """Upper ends of the routes' shares of [0, 1); the last one is 1."""

    @classmethod
    def of(cls, endpoint: Endpoint, runners: dict[str, Runner]) -> Deployment:
        routes = [route for route in endpoint.routes if route.weight > 0]
        total = sum(route.weight for route in routes)
        bounds = list(accumulate(route.weight / total for route in routes))
        bounds[-1] = 1.0
        return cls(endpoint, tuple(runners[route.artifact_id] for route in routes), tuple(bounds))

    def choose(self, trace_id: str) -> Runner:
        """The route of this trace: the same trace always takes the same one, and endpoints split independently."""
        if len(self.runners) == 1:
            return self.runners[0]
        drawn = hashlib.blake2b(trace_id.encode(), digest_size=8, person=self.endpoint.id.encode()[-16:]).digest()
        return self.runners[bisect_right(self.bounds, int.from_bytes(drawn) / 2**64)]
