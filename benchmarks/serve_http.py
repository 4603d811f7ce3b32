"""One text over HTTP: our endpoint beside a bare FastAPI route that calls the same model.

Both servers run pinned to one core, the load generator to another; they take turns within each round, so that whatever else the
machine does falls on both. What ours does more: limits, trace context, metrics, and a trace committed before each answer leaves.

``python -m benchmarks serve_http``, or ``python benchmarks/serve_http.py --serve ours|bare FOLDER`` for one of the servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROUNDS = 5
SECONDS = 2.0
CONCURRENCY = (1, 16, 32)
BARS = {"p50_ms": 5.0, "requests_per_second": 600.0}
SERIOUS = [
    "senate passes budget bill",
    "rain expected across the north",
    "court hears appeal",
    "markets close higher",
    "mayor opens new bridge",
]
SARCASTIC = [
    "area man proud of nap",
    "nation somehow shocked again",
    "area dog unaware it is good",
    "report: everything fine",
    "local man knows all",
]


def main(out_dir: Path, *, rounds: int = ROUNDS, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure both servers; writes ``serve_http.json`` into `out_dir` and returns what it holds."""
    server_core, client_core = _two_cores()
    with tempfile.TemporaryDirectory(prefix="pickaxe-bench-") as name:
        folder = Path(name)
        _prepare(folder)
        with _serving("ours", folder, server_core) as ours, _serving("bare", folder, server_core) as bare, _pinned(client_core):
            for server in (ours, bare):
                asyncio.run(_load(server, 16, 0.5))
            samples = [
                {"server": server.kind, "concurrency": concurrency, **_measured(server, concurrency, seconds)}
                for _ in range(rounds)
                for concurrency in CONCURRENCY
                for server in (ours, bare)
            ]
    result = _result(samples, rounds, seconds, pinned=server_core is not None)
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / "serve_http.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


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
    command = [sys.executable, str(Path(__file__).resolve()), "--serve", kind, str(folder), "" if core is None else str(core)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry), "OMP_NUM_THREADS": "1"}
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


def _prepare(folder: Path) -> None:
    """A workspace that serves the model of `folder`/model as ``headlines``."""
    import pickaxe
    from pickaxe.kernel.nouns import Route

    _register()
    _write_model(folder / "model")
    with pickaxe.open(folder / "workspace") as workspace:
        artifact = workspace.import_files(folder / "model", "headlines/student", kind="model")
        workspace.publish("headlines", [Route(artifact.id)])


# -- the model: hashed words and a logistic regression


class HashedWords:
    """Loads what `_write_model` wrote."""

    def __init__(self, folder: Path) -> None:
        import numpy as np
        from sklearn.feature_extraction.text import HashingVectorizer

        self.classes = tuple(json.loads((folder / "pickaxe.json").read_text(encoding="utf-8"))["classes"])
        self._hash = HashingVectorizer(n_features=2**18, ngram_range=(1, 2), alternate_sign=False)
        with np.load(folder / "weights.npz") as weights:
            self._coefficients, self._intercept = weights["coefficients"], weights["intercept"]

    def predict_proba(self, texts: Sequence[str]) -> Any:
        import numpy as np

        scores = self._hash.transform(texts) @ self._coefficients + self._intercept
        positive = 1 / (1 + np.exp(-scores))
        return np.column_stack([1 - positive, positive]).astype(np.float32)


def _write_model(folder: Path) -> None:
    import numpy as np
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    hashed = HashingVectorizer(n_features=2**18, ngram_range=(1, 2), alternate_sign=False).transform(SERIOUS + SARCASTIC)
    model = LogisticRegression().fit(hashed, [0] * len(SERIOUS) + [1] * len(SARCASTIC))
    folder.mkdir()
    np.savez(folder / "weights.npz", coefficients=model.coef_[0], intercept=model.intercept_[0])
    (folder / "pickaxe.json").write_text(
        json.dumps({"format": "bench-hashed", "classes": ["serious", "sarcastic"]}), encoding="utf-8"
    )


def _register() -> None:
    from pickaxe.kernel import registry

    registry._OWN[registry.PREDICTORS]["bench-hashed"] = "benchmarks.serve_http:HashedWords"


# -- the load generator: HTTP/1.1 with keep-alive on bare sockets, so that it is not what is measured


class _Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends the next."""

    def __init__(self, requests: list[bytes], until: float, latencies: list[float], ended: asyncio.Future[None]) -> None:
        self._requests, self._until, self._latencies, self._ended = requests, until, latencies, ended
        self._buffer = b""
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(size):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._end(RuntimeError(f"not answered: {self._buffer[:300]!r}"))
            return
        now = time.perf_counter()
        self._latencies.append(now - self._started)
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(RuntimeError("the server closed the connection"))

    def _send(self) -> None:
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        self._started = time.perf_counter()
        self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None) if error is None else self._ended.set_exception(error)
            self._transport.close()


async def _load(server: Server, concurrency: int, seconds: float) -> list[float]:
    """Seconds each request took."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    requests = [_request(server, text) for text in SERIOUS + SARCASTIC]
    until = time.perf_counter() + seconds
    ends = [loop.create_future() for _ in range(concurrency)]
    for end in ends:
        await loop.create_connection(lambda end=end: _Connection(requests, until, latencies, end), "127.0.0.1", server.port)
    await asyncio.gather(*ends)
    return latencies


def _request(server: Server, text: str) -> bytes:
    body = json.dumps({"text": text}).encode()
    head = (
        f"POST {server.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _measured(server: Server, concurrency: int, seconds: float) -> dict[str, float]:
    cpu, start = server.cpu_seconds(), time.perf_counter()
    latencies = asyncio.run(_load(server, concurrency, seconds))
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
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count(), "pinned": pinned},
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("fastapi", "uvicorn", "uvloop", "httptools", "orjson")},
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


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


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
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        _register()
        {"ours": serve_ours, "bare": serve_bare}[kind](Path(place))
    else:
        print(json.dumps(main(Path(__file__).parent / "results")["bars"], indent=2))
