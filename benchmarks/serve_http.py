"""One text over HTTP: our endpoint beside a bare FastAPI route that calls the same model.

Both servers run pinned to one core, the load generator to another; they take turns within each round, so that whatever else the
machine does falls on both. What ours does more: limits, trace context, metrics, and a trace committed before each answer leaves.

``python -m benchmarks serve_http``
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.http_load import json_request, load

ROUNDS = 5
SECONDS = 2.0
CONCURRENCY = (1, 16, 32)
BARS = {"p50_ms": 5.0, "requests_per_second": 600.0}


def main(*, rounds: int = ROUNDS, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure both servers."""
    server_core, client_core = _two_cores()
    with tempfile.TemporaryDirectory(prefix="pickaxe-bench-") as name:
        folder = Path(name)
        sent = _prepare(folder)
        with _serving("ours", folder, server_core) as ours, _serving("bare", folder, server_core) as bare, _pinned(client_core):
            requests = {server.kind: [json_request(server.path, {"text": text}) for text in sent] for server in (ours, bare)}
            for server in (ours, bare):
                asyncio.run(load(server.port, requests[server.kind], 16, 0.5))
            samples = [
                {"server": server.kind, "concurrency": concurrency}
                | _measured(server, requests[server.kind], concurrency, seconds)
                for _ in range(rounds)
                for concurrency in CONCURRENCY
                for server in (ours, bare)
            ]
    return _result(samples, rounds, seconds, pinned=server_core is not None)


# -- the two servers


class Server:
    """A server process and where it answers."""

    def __init__(self, kind: str, process: subprocess.Popen[str], port: int) -> None:
        self.kind, self.process, self.port = kind, process, port
        self.path = "/v1/endpoints/headlines/predict" if kind == "ours" else "/predict"

    def cpu_seconds(self) -> float:
        import psutil

        used = psutil.Process(self.process.pid).cpu_times()
        return used.user + used.system


@contextlib.contextmanager
def _serving(kind: str, folder: Path, core: int | None) -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.serve_http", "--serve", kind, str(folder), "" if core is None else str(core)]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)]),
        "OMP_NUM_THREADS": "1",
    }
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline().strip()
            if not said.startswith("http://"):
                raise RuntimeError(f"the {kind} server did not start: {said!r}")
            yield Server(kind, process, int(said.rpartition(":")[2]))
        finally:
            process.terminate()


def serve_ours(folder: Path) -> None:
    import pickaxe
    from pickaxe.server.run import serve

    with pickaxe.open(folder / "workspace") as workspace:
        serve(workspace, port=0, ready=lambda url: print(url, flush=True))


def serve_bare(folder: Path) -> None:
    """What one would write by hand: a typed body, the model, a dictionary."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    from pickaxe.kernel.predictors import load_predictor
    from pickaxe.server.listen import listening, url_of

    class Body(BaseModel):
        text: str

    # FastAPI looks annotations up among the module's names.
    globals()["Body"] = Body
    app, model = FastAPI(), load_predictor(folder / "model")

    @app.post("/predict")
    async def predict(body: Body) -> dict[str, Any]:
        probs = [float(value) for value in model.predict_proba([body.text])[0]]
        best = max(range(len(probs)), key=probs.__getitem__)
        return {"label": model.classes[best], "probabilities": dict(zip(model.classes, probs, strict=True))}

    with listening("127.0.0.1", 0) as listener:
        print(url_of(listener), flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])


def _prepare(folder: Path) -> list[str]:
    """A workspace that serves the model of `folder`/model as ``headlines``; returns texts that the model has not seen."""
    import pickaxe
    from pickaxe.kernel.nouns import Route

    texts, labels = _texts(6000)
    _write_student(folder / "model", texts[:3000], labels[:3000])
    with pickaxe.open(folder / "workspace") as workspace:
        artifact = workspace.import_files(folder / "model", "headlines/student", kind="model")
        workspace.publish("headlines", [Route(artifact.id)])
    return texts[3000:]


def _texts(count: int) -> tuple[list[str], list[int]]:
    """Made-up headlines of 6 to 14 words, drawn like words of a language (Zipf) from 8,000; a third of them is of class 1."""
    import numpy as np

    rng = np.random.default_rng(20261121)
    syllables = [first + second for first in "bdfgklmnprst" for second in ("a", "e", "i", "o", "u", "ar", "en", "is")]
    vocabulary = ["".join(rng.choice(syllables, size=int(rng.integers(1, 5)))) for _ in range(8000)]
    shares = 1 / np.arange(1, len(vocabulary) + 1)
    texts = [" ".join(rng.choice(vocabulary, size=int(rng.integers(6, 15)), p=shares / shares.sum())) for _ in range(count)]
    return texts, [int(sum(map(ord, text)) % 3 == 0) for text in texts]


def _write_student(folder: Path, texts: list[str], labels: list[int]) -> None:
    """A linear student as the compress room makes it: hashed words, word pairs and character n-grams."""
    import numpy as np

    from pickaxe.compress.backends.linear import save
    from pickaxe.compress.config import LinearSettings
    from pickaxe.compress.linear import count_ngrams, fit_linear

    settings = LinearSettings()
    weights = fit_linear(count_ngrams(texts, settings), np.eye(2)[labels], np.ones(len(texts)), settings)
    save(folder, weights, settings, ["serious", "sarcastic"])


# -- measuring


def _measured(server: Server, requests: Sequence[bytes], concurrency: int, seconds: float) -> dict[str, float]:
    cpu, start = server.cpu_seconds(), time.perf_counter()
    latencies = asyncio.run(load(server.port, requests, concurrency, seconds))
    elapsed = time.perf_counter() - start
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "requests": len(latencies),
        "requests_per_second": len(latencies) / elapsed,
        "p50_ms": cuts[49] * 1000,
        "p95_ms": cuts[94] * 1000,
        "p99_ms": cuts[98] * 1000,
        "server_cpu_ms_per_request": (server.cpu_seconds() - cpu) * 1000 / len(latencies),
    }


# -- the result


def _result(samples: list[dict[str, Any]], rounds: int, seconds: float, *, pinned: bool) -> dict[str, Any]:
    measures = ("requests_per_second", "p50_ms", "p95_ms", "p99_ms", "server_cpu_ms_per_request")
    medians = {
        kind: {
            str(concurrency): {
                measure: round(
                    statistics.median(
                        sample[measure] for sample in samples if (sample["server"], sample["concurrency"]) == (kind, concurrency)
                    ),
                    3,
                )
                for measure in measures
            }
            for concurrency in CONCURRENCY
        }
        for kind in ("ours", "bare")
    }
    best = max(medians["ours"][str(concurrency)]["requests_per_second"] for concurrency in CONCURRENCY)
    best_bare = max(medians["bare"][str(concurrency)]["requests_per_second"] for concurrency in CONCURRENCY)
    p50 = medians["ours"]["1"]["p50_ms"]
    return {
        "benchmark": "serve_http",
        "what": "one text per request over HTTP keep-alive, one server core; medians of interleaved rounds",
        "pinned": pinned,
        "versions": {name: version(name) for name in ("fastapi", "uvicorn", "uvloop", "httptools", "orjson")},
        "rounds": rounds,
        "seconds_per_sample": seconds,
        "medians_by_concurrency": medians,
        "ratio_to_bare": {
            "requests_per_second": round(best / best_bare, 3),
            "p50": round(p50 / medians["bare"]["1"]["p50_ms"], 3),
        },
        "bars": {
            "p50_ms": {"bar": BARS["p50_ms"], "measured": p50, "met": p50 <= BARS["p50_ms"]},
            "requests_per_second": {
                "bar": BARS["requests_per_second"],
                "measured": best,
                "met": best >= BARS["requests_per_second"],
            },
        },
        "samples": samples,
    }


def _two_cores() -> tuple[int | None, int | None]:
    """One core for the servers and one for the client; None where the system cannot pin or has a single core."""
    if not hasattr(os, "sched_getaffinity") or len(cores := sorted(os.sched_getaffinity(0))) < 2:
        return None, None
    return cores[0], cores[1]


@contextlib.contextmanager
def _pinned(core: int | None) -> Iterator[None]:
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        kind, place, core = sys.argv[2:5]
        if core:
            os.sched_setaffinity(0, {int(core)})
        {"ours": serve_ours, "bare": serve_bare}[kind](Path(place))
