"""200 people at once on pages and API, for five minutes: no error, flat memory. ``python -m benchmarks users``.

A user waits one to five seconds between two calls, as people do; what they call is drawn from pages, lists, predictions and labelling.
``LOAD_SECONDS`` and ``LOAD_USERS`` set other amounts; ``PICKAXE_SEEDED=FOLDER`` measures on a seeded workspace.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections import Counter
from typing import Any

import httpx

from benchmarks.seed import seeded
from benchmarks.server_idle import started

USERS = int(os.environ.get("LOAD_USERS", "200"))
SECONDS = float(os.environ.get("LOAD_SECONDS", "300"))
THINKING = (1.0, 5.0)
GROWTH = 1.05
"""Memory in the last tenth against memory half-way, when every page and model has been asked for: flat means no more than this."""

PAGES = ("/", "/tasks", "/runs", "/artifacts", "/data", "/label", "/endpoints", "/traces", "/bill", "/plan/pool", "/settings")
LISTS = ("/v1/runs", "/v1/artifacts", "/v1/events?newest_first=true", "/v1/traces?newest_first=true", "/v1/endpoints", "/healthz")


def main() -> dict[str, Any]:
    """Serve, load, measure."""
    with seeded(runs=2_000, rows=20_000, spans=5_000) as folder, started(folder) as server:
        calls, memory = asyncio.run(_load(server.url, server.memory_mb))
    wrong = Counter(f"{call['path']} {call['status']}" for call in calls if call["status"] >= 500 or call["status"] == 0)
    tenth = max(1, len(memory) // 10)
    settled, last = (statistics.median(part) for part in (memory[len(memory) // 2 :][:tenth], memory[-tenth:]))
    return {
        "users": USERS,
        "seconds": SECONDS,
        "calls": len(calls),
        "errors": dict(wrong),
        "ms": _quantiles(calls),
        "ms_by_path": {path: _quantiles(found) for path, found in _by_path(calls).items()},
        "memory_mb": {"settled": settled, "last": last, "all": memory},
        "bars": {
            "errors": {"bar": 0, "measured": sum(wrong.values()), "met": not wrong},
            "memory, end against settled": {"bar": GROWTH, "measured": last / settled, "met": last / settled <= GROWTH},
        },
    }


def _quantiles(calls: list[dict[str, Any]]) -> dict[str, float]:
    times = sorted(call["ms"] for call in calls)
    return {name: round(times[int(share * (len(times) - 1))], 1) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}


def _by_path(calls: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Calls by what they asked for, all endpoints' predictions together."""
    found: dict[str, list[dict[str, Any]]] = {}
    for call in calls:
        path = "predict" if call["path"].endswith("/predict") else call["path"]
        found.setdefault(path, []).append(call)
    return found


async def _load(url: str, memory_mb: Any) -> tuple[list[dict[str, Any]], list[float]]:
    calls: list[dict[str, Any]] = []
    memory: list[float] = []
    until = time.monotonic() + SECONDS
    limits = httpx.Limits(max_connections=USERS, max_keepalive_connections=USERS)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        endpoints = (await client.get("/v1/endpoints")).json()["data"]["items"]
        models = [item["name"] for item in endpoints]
        users = [asyncio.create_task(_user(client, random.Random(number), until, models, calls)) for number in range(USERS)]
        while time.monotonic() < until:
            await asyncio.sleep(min(2.0, SECONDS / 20))
            memory.append(memory_mb())
        await asyncio.gather(*users)
    return calls, memory


async def _user(
    client: httpx.AsyncClient, chance: random.Random, until: float, models: list[str], calls: list[dict[str, Any]]
) -> None:
    await asyncio.sleep(chance.uniform(0, THINKING[1]))
    while time.monotonic() < until:
        kind = chance.random()
        if models and kind < 0.4:
            path = f"/v1/endpoints/{chance.choice(models)}/predict"
            work = client.post(path, json={"text": f"a text of user {chance.randrange(1000)}"})
        else:
            path = chance.choice(PAGES if kind < 0.7 else LISTS)
            work = client.get(path)
        began = time.perf_counter()
        try:
            status = (await work).status_code
        except httpx.HTTPError as error:
            status, path = 0, f"{path} {type(error).__name__}"
        calls.append({"path": path, "status": status, "ms": (time.perf_counter() - began) * 1000})
        await asyncio.sleep(chance.uniform(*THINKING))
