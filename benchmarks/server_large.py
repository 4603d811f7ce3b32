"""How long lists and pages take in a large workspace: 100,000 runs, 1,000,000 rows, 1,000,000 spans (`benchmarks.seed`).

``python -m benchmarks server_large``; with PICKAXE_SEEDED=FOLDER an already seeded workspace is measured. The times are a client's, over
loopback; the first call of each is told apart, for what a process keeps afterwards.
"""

from __future__ import annotations

import statistics
from typing import Any

import httpx

from benchmarks.seed import seeded
from benchmarks.server_idle import started

BAR_MS = 100.0
REPEATS = 15
LISTS = {
    "runs": "/v1/runs",
    "runs, 1,000 at once": "/v1/runs?limit=1000",
    "runs by state": "/v1/runs?state=failed",
    "runs by a state that no run is in": "/v1/runs?state=running",
    "runs by name": "/v1/runs?name=task-07/gate",
    "runs by prefix": "/v1/runs?prefix=task-19/",
    "runs, a page far back": "/v1/runs?after={deep_run}",
    "one run": "/v1/runs/{run}",
    "events of a run": "/v1/runs/{run}/events",
    "artifacts": "/v1/artifacts",
    "artifacts by kind": "/v1/artifacts?kind=traces",
    "artifacts by prefix": "/v1/artifacts?prefix=task-00/",
    "versions of a name": "/v1/artifacts?name=task-03/model",
    "rows of a table": "/v1/rows/big/rows",
    "rows, a page far back": "/v1/rows/big/rows?after=987654",
    "events": "/v1/events?newest_first=true",
    "events by kind": "/v1/events?kind=publish&newest_first=true",
    "traces": "/v1/traces?newest_first=true",
    "traces of an endpoint": "/v1/traces?newest_first=true&endpoint=task-11",
    "one trace": "/v1/traces/{trace}",
    "jobs": "/v1/jobs",
    "endpoints": "/v1/endpoints",
    "prices": "/v1/prices",
}
PAGES = {
    "overview": "/",
    "tasks": "/tasks",
    "a task": "/tasks/task-03",
    "runs": "/runs",
    "runs by state": "/runs?state=failed",
    "a run": "/runs/{run}",
    "two runs": "/runs/compare?run={run}&run={other_run}",
    "artifacts": "/artifacts",
    "an artifact": "/artifacts/task-03/model",
    "data": "/data",
    "a table": "/data/big/rows",
    "a table, far back": "/data/big/rows?begin=987654",
    "SQL": "/data/-/sql",
    "label": "/label",
    "review": "/review",
    "endpoints": "/endpoints",
    "an endpoint": "/endpoints/task-11",
    "traces": "/traces",
    "a trace": "/traces/{trace}",
    "bill": "/bill",
    "plan": "/plan/pool",
    "claims": "/plan/claims",
    "forecasts": "/plan/forecasts",
    "settings": "/settings",
    "search": "/search?q=task-07",
}


def main() -> dict[str, Any]:
    """Measure every list."""
    with (
        seeded(runs=100_000, rows=1_000_000, spans=1_000_000) as folder,
        started(folder) as server,
        httpx.Client(base_url=server.url, timeout=120) as client,
    ):
        places = _places(client)
        measured = {
            kind: {what: _measured(client, path.format(**places)) for what, path in paths.items()}
            for kind, paths in (("lists", LISTS), ("pages", PAGES))
        }
        memory = server.memory_mb()
    return {
        **measured,
        "memory_mb_afterwards": memory,
        "bars": {f"slowest of the {kind}, median ms": _bar(found) for kind, found in measured.items()},
    }


def _bar(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    what, worst = max(found.items(), key=lambda item: item[1]["median_ms"])
    return {"bar": BAR_MS, "measured": worst["median_ms"], "met": worst["median_ms"] < BAR_MS, "which": what}


def _places(client: httpx.Client) -> dict[str, str]:
    after, page = None, {"items": []}
    for _ in range(30):
        page = client.get("/v1/runs", params={"limit": 1000, **({"after": after} if after else {})}).json()["data"]
        after = page["next"]
    first, second = (item["id"] for item in page["items"][:2])
    return {"deep_run": str(after), "run": first, "other_run": second, "trace": f"{500_000:032x}"}


def _measured(client: httpx.Client, path: str) -> dict[str, Any]:
    first = client.get(path)
    first.raise_for_status()
    times = [first.elapsed.total_seconds() * 1000]
    for _ in range(REPEATS):
        times.append(client.get(path).elapsed.total_seconds() * 1000)
    return {
        "first_ms": round(times[0], 1),
        "median_ms": round(statistics.median(times[1:]), 1),
        "max_ms": round(max(times[1:]), 1),
    }
