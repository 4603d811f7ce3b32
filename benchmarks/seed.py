"""A large workspace to measure lists and pages on: ``python -m benchmarks.seed FOLDER --runs 100000 --rows 1000000 --spans 1000000``.

Runs are lines of 18 stages, one after the other, with artifacts, edges, leases, readings and metric points; spans are recorded
answers of endpoints that serve a real (tiny) model; the rows are one table. The catalog's rows are inserted as the product would
have written them; the content behind the made-up artifacts is a small document.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pickaxe.evaluate.rules import Rule
from pickaxe.kernel.catalog import schema

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

TASKS = 20
STAGES = {
    "ingest": ("rows", "dataset"),
    "curate": ("pool", "dataset"),
    "test": ("test", "labels"),
    "label": ("annotations", "annotations"),
    "divide": ("lessons", "labels"),
    "teacher": ("teacher", "model"),
    "export": ("onnx", "model"),
    "predict": ("predictions", "predictions"),
    "auto-label": ("auto_labels", "labels"),
    "assemble": ("training_set", "training"),
    "student": ("student", "model"),
    "baseline": ("baseline", "model"),
    "gate": ("verdict", "report"),
    "publish": ("model", "model"),
    "reference": ("drift_reference", "report"),
    "traffic": ("traffic_log", "traces"),
    "watch": ("drift", "report"),
}
"""stage -> its output and the output's kind"""

_ACCURACY = {"value": 0.81, "low": 0.80, "high": 0.82}
_RULE = Rule("min_accuracy", True, "accuracy", "made up", 0.81, 0.80, 0.82, 0.75, "value", "made up")
DOCUMENTS: dict[str, Any] = {
    "verdict": {
        "passed": True,
        "statement": "made up",
        "models": {name: {"accuracy": _ACCURACY} for name in ("candidate", "teacher", "baseline")},
        "comparisons": {"baseline": {"difference": {"value": 0.03, "low": 0.02, "high": 0.04}}},
        "rules": [_RULE.as_dict()],
        "worst_errors": [],
    },
    "drift": {
        "alarm": False,
        "alpha": 0.01,
        "horizon": 20,
        "window": 200,
        "statement": "made up",
        "level": 0.01,
        "sources": [],
        "windows": [],
    },
}
"""output -> what pages read of it; anything serves for the others"""

_SECOND = 1_000_000_000
_BATCH = 20_000


def seed(folder: Path, *, runs: int, rows: int, spans: int) -> None:
    """Fill a new workspace; prints how long each part took."""
    import pickaxe

    with pickaxe.open(folder) as workspace:
        began = time.monotonic()

        def told(what: str) -> None:
            print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)

        models = _endpoints(workspace, folder.parent / f"{folder.name}-model")
        told(f"{TASKS} endpoints")
        _table(workspace, rows)
        told(f"{rows:,} rows")
        _runs(workspace, runs)
        told(f"{runs:,} runs")
        _spans(workspace, spans, models)
        told(f"{spans:,} spans")


@contextmanager
def seeded(*, runs: int, rows: int, spans: int) -> Iterator[Path]:
    """A seeded workspace for as long as the block lasts; PICKAXE_SEEDED=FOLDER gives one that is there already."""
    if given := os.environ.pop("PICKAXE_SEEDED", None):
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="pickaxe-bench-") as scratch:
        folder = Path(scratch) / "workspace"
        seed(folder, runs=runs, rows=rows, spans=spans)
        yield folder


def _endpoints(workspace: Workspace, folder: Path) -> list[str]:
    """An endpoint for each task, all over one model."""
    from benchmarks.serve_http import _texts, _write_student
    from pickaxe.kernel.nouns import Route

    texts, labels = _texts(600)
    if not folder.exists():
        _write_student(folder, texts, labels)
    model = workspace.import_files(folder, "shared/model", kind="model")
    for task in range(TASKS):
        workspace.publish(f"task-{task:02}", [Route(model.id)], {"round": 1})
    return [model.id]


def _table(workspace: Workspace, rows: int) -> None:
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(7)
    words = np.array([f"word{number}" for number in range(5000)])
    text = [" ".join(some) for some in rng.choice(words, size=(rows, 6))]
    table = pa.table(
        {
            "row_key": [f"{number:016x}" for number in range(rows)],
            "text": text,
            "label": rng.choice(["good", "bad", "unsure"], size=rows),
            "score": rng.random(rows),
        }
    )
    workspace.import_table(table, "big/rows")


def _runs(workspace: Workspace, count: int) -> None:
    """Lines of runs, one task after the other; of a line's runs each reads what the one before made."""
    documents = {output: _stored(workspace, output) for output, _ in STAGES.values()}
    tables = (schema.runs, schema.artifacts, schema.edges, schema.leases, schema.usage, schema.events)
    now = workspace.catalog.clock.now_ns()
    versions: dict[str, int] = {}
    made = iter(_made(workspace, count, now - count * _SECOND, documents, versions))
    while some := list(islice(made, _BATCH // 10)):
        with workspace.catalog.write() as connection:
            for index, table in enumerate(tables):
                values = [row for each in some for row in each[index]]
                if values:
                    connection.execute(table.insert(), values)


def _stored(workspace: Workspace, output: str) -> tuple[str, int]:
    """Digest and size of the document that stands for every artifact of this output."""
    content = json.dumps(DOCUMENTS.get(output, {"made_up": True})).encode()
    digest, _ = workspace.blobs.put_bytes(content)
    return digest, len(content)


def _made(
    workspace: Workspace, count: int, begin_ns: int, documents: dict[str, tuple[str, int]], versions: dict[str, int]
) -> Iterator[tuple[list[dict[str, Any]], ...]]:
    """For each run its rows: run, artifact, edges, lease, readings, events."""
    who = {"tenant_id": workspace.tenant_id}
    before: dict[int, str] = {}
    stages = list(STAGES.items())
    for number in range(count):
        task, stage = number // len(stages) % TASKS, number % len(stages)
        name, (output, kind) = stages[stage]
        key = hashlib.sha256(f"seed {number}".encode()).hexdigest()
        run_id, artifact_id = f"run-{key[:24]}", f"art-{key[24:48]}"
        start, end = begin_ns + number * _SECOND, begin_ns + number * _SECOND + _SECOND // 2
        state = "failed" if number % 53 == 7 and stage != 0 else "succeeded"
        error = {"code": "run_failed", "message": "made up: it failed"} if state == "failed" else None
        run = {"id": run_id, **who, "principal_id": workspace.principal_id, "name": f"task-{task:02}/{name}", "key": key}
        run |= {"state": state, "step": f"pickaxe.made.up:{name}", "config": {"number": number}, "attempt": 1, "error": error}
        run |= {"created_ns": start, "started_ns": start, "ended_ns": end, "heartbeat_ns": end}
        edges = (
            [{"run_id": run_id, "direction": "in", "role": "input", "artifact_id": before[task]}]
            if stage and task in before
            else []
        )
        artifacts: list[dict[str, Any]] = []
        if state == "succeeded":
            artifact_name = f"task-{task:02}/{output}"
            versions[artifact_name] = versions.get(artifact_name, 0) + 1
            artifact = {"id": artifact_id, **who, "name": artifact_name, "version": versions[artifact_name], "kind": kind}
            digest, size = documents[output]
            artifact |= {
                "digest": digest,
                "stored": "json",
                "pin": {"blob": digest},
                "size": size,
                "meta": {},
                "run_id": run_id,
                "created_ns": end,
            }
            artifacts.append(artifact)
            edges.append({"run_id": run_id, "direction": "out", "role": output, "artifact_id": artifact_id})
            before[task] = artifact_id
        lease = {"id": f"lease-{key[:24]}", **who, "pool_id": workspace.stores.pool_id, "holder": run_id, "amount": 1}
        # Within the life of the pool, which began just now: an instant each, so that the ledger adds up.
        lease |= {"start_ns": workspace.catalog.clock.now_ns(), "end_ns": workspace.catalog.clock.now_ns()}
        usage = [
            {**who, "holder": run_id, "attempt": 1, "meter": meter, "quantity": quantity, "basis": "simulated", "method": "seed"}
            | {"at_ns": end}
            for meter, quantity in (("cpu_ns", _SECOND // 3), ("stored_bytes", 33))
        ]
        events = [
            {
                **who,
                "at_ns": start,
                "kind": "metric",
                "subject": run_id,
                "name": "loss",
                "value": 1 / (step + 1),
                "step": step,
                "body": {},
            }
            for step in range(3)
        ]
        if name == "publish" and artifacts:
            events.append(
                {**who, "at_ns": end, "kind": "publish", "subject": artifact_id, "name": f"task-{task:02}"}
                | {"value": None, "step": None, "body": {}}
            )
        yield [run], artifacts, edges, [lease], usage, events


def _spans(workspace: Workspace, count: int, models: list[str]) -> None:
    now = workspace.catalog.clock.now_ns()
    events = sa.insert(schema.events)
    for first in range(0, count, _BATCH):
        rows: list[dict[str, Any]] = []
        for number in range(first, min(first + _BATCH, count)):
            endpoint = f"task-{number % TASKS:02}"
            body = {
                "endpoint": endpoint,
                "artifact_id": models[0],
                "span_id": f"{number:016x}",
                "texts": [f"text number {number}"],
            }
            body |= {"labels": ["1"], "probs": [[0.1, 0.9]], "ms": 0.8, "status": 200}
            row = {"tenant_id": workspace.tenant_id, "at_ns": now - (count - number) * 1_000_000, "kind": "trace"}
            rows.append(row | {"subject": f"{number:032x}", "name": endpoint, "value": 0.8, "step": None, "body": body})
        with workspace.catalog.write() as connection:
            connection.execute(events, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seed", description="Make a large workspace.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--spans", type=int, default=1_000_000)
    chosen = parser.parse_args()
    seed(chosen.folder, runs=chosen.runs, rows=chosen.rows, spans=chosen.spans)
