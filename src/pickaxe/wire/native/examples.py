"""One example of every answer, shown in OpenAPI; a test holds each against its model."""

from __future__ import annotations

from typing import Any

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
AT = "2026-11-21T12:00:00Z"

RUN: dict[str, Any] = {
    "id": "run-3f2a9c0d1e4b5a6978c1d2e3",
    "name": "headlines/gate",
    "key": "3f2a9c0d1e4b5a6978c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d",
    "state": "succeeded",
    "step": "pickaxe.evaluate.gate:gate",
    "config": {"min_accuracy": 0.8},
    "created_at": AT,
    "started_at": AT,
    "ended_at": "2026-11-21T12:00:03Z",
    "heartbeat_at": "2026-11-21T12:00:02Z",
    "attempt": 1,
    "error": None,
    "inputs": {"candidate": "art-0d1e2f3a4b5c6d7e8f901a2b"},
    "outputs": {"verdict": "art-7e8f901a2b0d1e2f3a4b5c6d"},
}
ARTIFACT: dict[str, Any] = {
    "id": "art-0d1e2f3a4b5c6d7e8f901a2b",
    "name": "headlines/model",
    "version": 3,
    "ref": "headlines/model:3",
    "kind": "model",
    "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "stored": "files",
    "size": 812345,
    "created_at": AT,
    "run_id": "run-3f2a9c0d1e4b5a6978c1d2e3",
    "aliases": ["production"],
    "meta": {"family": "linear"},
}
EVENT: dict[str, Any] = {
    "seq": 4711,
    "at": AT,
    "kind": "metric",
    "subject": "run-3f2a9c0d1e4b5a6978c1d2e3",
    "name": "loss",
    "value": 0.41,
    "step": 100,
    "body": {},
}
ENDPOINT: dict[str, Any] = {
    "id": "endpoint-headlines",
    "name": "headlines",
    "routes": [{"artifact_id": "art-0d1e2f3a4b5c6d7e8f901a2b", "weight": 1.0}],
    "state": "serving",
    "created_at": AT,
    "meta": {"round": 1},
}


def page(item: Any) -> dict[str, Any]:
    return {"items": [item], "next": None}
