"""Serving: from a name and some texts to labels, by a published model, with a durable trace."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from pickaxe.kernel.errors import BadInput, Conflict, NotFound, PickaxeError, Unavailable
from pickaxe.kernel.nouns import Endpoint
from pickaxe.serve.backend import Model, ServingStore
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.deployment import Deployment, Problem
from pickaxe.serve.errors import Busy, ModelFailed
from pickaxe.serve.journal import Journal
from pickaxe.serve.running import Runner
from pickaxe.serve.tracecontext import TraceContext

log = logging.getLogger(__name__)
_RETRY_SECONDS = 10.0


class Answer(NamedTuple):
    """What one request got. `probs` has a row per text, in the order of the model's classes."""

    endpoint: str
    model: Model
    labels: list[str]
    probs: list[list[float]]
    ms: float
    tenant_id: str


class Observer(Protocol):
    """Somebody who counts."""

    def answered(self, answer: Answer) -> None: ...


Name = tuple[str, str]
"""A tenant's id and the name of one of its endpoints: tenants may use the same names."""


class Serving:
    """All endpoints of a workspace, of all tenants. Made anywhere; from `start` to `stop` it belongs to one event loop."""

    def __init__(self, store: ServingStore, config: ServeConfig | None = None, observer: Observer | None = None) -> None:
        self.store = store
        self.config = config or ServeConfig()
        self.observer = observer
        self.deployments: dict[Name, Deployment] = {}
        self.problems: dict[Name, Problem] = {}
        """Endpoints that could not be (re)loaded, and why. A reload that fails leaves the earlier models serving."""
        self.failure: Exception | None = None
        """Why it could not start."""
        self.in_flight = 0
        self.answers = 0
        """Given since it began, by this process."""
        self.journal = Journal(store, max_waiting=self.config.max_trace_queue)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="pickaxe-model")
        self._refreshing = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load every endpoint and follow the catalog from then on."""
        self.journal.start()
        try:
            await self.refresh()
        except Exception as error:
            self.failure = error  # a server reports a failed start by an exit code; whoever started it wants the reason
            self.journal.close()
            raise
        self._follower = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Write the traces that wait and let go of the models. Requests must have ended."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        await asyncio.to_thread(self.journal.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def predict(self, tenant_id: str, name: str, texts: Sequence[str], context: TraceContext) -> Answer:
        """Answer by an endpoint of the tenant, and record; the trace survives a killed process before this returns.

        Raises `BadInput` (see `ServeConfig` for the limits), `NotFound`, `Busy`, `TimedOut`, `ModelFailed`, `Unavailable` (endpoint not loadable) and `StorageFull`.
        """
        _check(texts, self.config)
        if self.in_flight >= self.config.max_in_flight:
            raise Busy(
                f"{self.in_flight} predictions are under way", remedy="wait a second, or send several texts in one request"
            )
        start = time.perf_counter()
        self.in_flight += 1
        try:
            deployment = self.deployments.get((tenant_id, name)) or await self._newly_published(tenant_id, name)
            runner = deployment.choose(context.trace_id)
            try:
                probs = await runner.probabilities(texts)
            except ModelFailed as error:
                await self.journal.record(tenant_id, _trace(name, runner.model, texts, context, start, failure=error))
                raise
            answer = _answer(tenant_id, name, runner.model, probs, start)
            await self.journal.record(tenant_id, _trace(name, runner.model, texts, context, start, answer=answer))
        finally:
            self.in_flight -= 1
        self.answers += 1
        if self.observer is not None:
            self.observer.answered(answer)
        return answer

    async def refresh(self) -> None:
        """Bring the deployments in line with the catalog. Requests under way keep the models they began with."""
        async with self._refreshing:
            endpoints = await asyncio.to_thread(self.store.every_endpoint)
            # By tenant too: no route reaches a model that another tenant's endpoint happens to have loaded.
            loaded = {
                (tenant_id, runner.model.artifact.id): runner
                for (tenant_id, _), each in self.deployments.items()
                for runner in each.runners
            }
            current: dict[Name, Deployment] = {}
            problems: dict[Name, Problem] = {}
            for tenant_id, endpoint in endpoints:
                name = tenant_id, endpoint.name
                here, problem = self.deployments.get(name), self.problems.get(name)
                if here is not None:
                    current[name] = here
                if problem is not None and problem.endpoint == endpoint and time.monotonic() - problem.tried < _RETRY_SECONDS:
                    problems[name] = problem
                elif endpoint.state != "serving":
                    current.pop(name, None)
                elif here is None or here.endpoint != endpoint:
                    try:
                        current[name] = await self._deploy(tenant_id, endpoint, loaded)
                    except Exception as error:  # noqa: BLE001 - whatever is wrong with one model, the other endpoints go on
                        log.warning("endpoint %s of %s could not be loaded: %s", endpoint.name, tenant_id, error)
                        problems[name] = Problem(endpoint, f"{type(error).__name__}: {error}", time.monotonic())
            self.deployments, self.problems = current, problems

    async def _deploy(self, tenant_id: str, endpoint: Endpoint, loaded: dict[tuple[str, str], Runner]) -> Deployment:
        store, runners = self.store.for_tenant(tenant_id), dict[str, Runner]()
        for route in endpoint.routes:
            if route.weight <= 0:
                continue
            key = tenant_id, route.artifact_id
            if key not in loaded:
                model = await asyncio.to_thread(Model.load, store, route.artifact_id)
                loaded[key] = Runner(model, self.config, self._threads)
            runners[route.artifact_id] = loaded[key]
        return Deployment.of(endpoint, runners)

    async def _newly_published(self, tenant_id: str, name: str) -> Deployment:
        """A name not seen yet may have been published a moment ago."""
        endpoint = await asyncio.to_thread(self.store.for_tenant(tenant_id).endpoint, name)
        known = tenant_id, name
        if known not in self.deployments and known not in self.problems:
            await self.refresh()
        if known in self.deployments:
            return self.deployments[known]
        if known in self.problems:
            raise Unavailable(
                f"endpoint {name!r} cannot be loaded",
                got=self.problems[known].message,
                remedy="publish a sound model under this name",
            )
        if endpoint.state != "serving":
            raise Conflict(f"endpoint {name!r} is not serving", got=endpoint.state, remedy="publish it again")
        raise NotFound(f"no endpoint {name!r}")

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self.config.reload_seconds)
            try:
                await self.refresh()
            except PickaxeError as error:  # the catalog is busy or gone for a moment; what is loaded goes on serving
                log.warning("the endpoints could not be read: %s", error)


def _check(texts: Sequence[str], config: ServeConfig) -> None:
    if not 1 <= len(texts) <= config.max_texts:
        raise BadInput(
            f"{len(texts)} texts in one request", expected=f"1 to {config.max_texts}", remedy="send the texts in several requests"
        )
    for index, text in enumerate(texts):
        if len(text) > config.max_chars:
            raise BadInput(
                f"text {index} is too long",
                expected=f"at most {config.max_chars} characters",
                got=str(len(text)),
                remedy="shorten it",
            )
        if "\0" in text:
            raise BadInput(f"text {index} contains a NUL character", expected="text", remedy="remove the character U+0000")


def _answer(tenant_id: str, name: str, model: Model, probs: Any, start: float) -> Answer:
    labels = [model.classes[index] for index in probs.argmax(axis=1).tolist()]
    rounded = probs.astype("float64").round(6).tolist()
    return Answer(name, model, labels, rounded, _ms_since(start), tenant_id)


def _trace(
    name: str,
    model: Model,
    texts: Sequence[str],
    context: TraceContext,
    start: float,
    *,
    answer: Answer | None = None,
    failure: ModelFailed | None = None,
) -> dict[str, Any]:
    ms = answer.ms if answer else _ms_since(start)
    body: dict[str, Any] = {
        "endpoint": name,
        "artifact_id": model.artifact.id,
        "span_id": context.span_id,
        "texts": list(texts),
        "labels": answer.labels if answer else [],
        "probs": answer.probs if answer else [],
        "ms": ms,
        "status": failure.status if failure else 200,
    }
    if context.parent_id is not None:
        body["parent_id"] = context.parent_id
    if failure is not None:
        body["error"] = failure.as_dict()
    return {"kind": "trace", "subject": context.trace_id, "name": name, "value": ms, "body": body}


def _ms_since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 3)
