"""Serving: from a name and some texts to labels, by a published model, with a durable trace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pickaxe.kernel.errors import BadInput, Conflict, NotFound, Unavailable
from pickaxe.serve.backend import Model, ServingStore
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.deployment import Deployment, Load, Name, Problem
from pickaxe.serve.errors import Busy, ModelFailed
from pickaxe.serve.journal import Journal
from pickaxe.serve.published import Published
from pickaxe.serve.tracecontext import TraceContext


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


class Serving:
    """All endpoints of a workspace, of all tenants. Made anywhere; from `start` to `stop` it belongs to one event loop."""

    def __init__(self, store: ServingStore, config: ServeConfig | None = None, observer: Observer | None = None) -> None:
        self.store = store
        self.config = config or ServeConfig()
        self.observer = observer
        self.published = Published(store, self.config)
        self.failure: Exception | None = None
        """Why it could not start."""
        self.in_flight = 0
        self.answers = 0
        """Given since it began, by this process."""
        self.journal = Journal(store, max_waiting=self.config.max_trace_queue)

    async def start(self) -> None:
        """Load every endpoint and follow the catalog from then on. What takes long to load is ready later."""
        self.journal.start()
        try:
            await self.published.start()
        except Exception as error:
            self.failure = error  # a server reports a failed start by an exit code; whoever started it wants the reason
            self.journal.close()
            raise

    async def stop(self) -> None:
        """Write the traces that wait and let go of the models. Requests must have ended."""
        await self.published.stop()
        await asyncio.to_thread(self.journal.close)

    @property
    def deployments(self) -> Mapping[Name, Deployment]:
        """What is loaded."""
        return self.published.deployments

    @property
    def problems(self) -> Mapping[Name, Problem]:
        """Endpoints that could not be (re)loaded, and why."""
        return self.published.problems

    async def refresh(self, only: Name | None = None) -> None:
        """Bring the deployments in line with the catalog; what is new, or `only` this endpoint, has then been loaded, or could not be."""
        await self.published.refresh(only)

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
            deployment = self.published.deployments.get((tenant_id, name)) or await self._newly_published(tenant_id, name)
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

    async def _newly_published(self, tenant_id: str, name: str) -> Deployment:
        """A name not seen yet may have been published a moment ago."""
        endpoint = await asyncio.to_thread(self.store.for_tenant(tenant_id).endpoint, name)
        found = await self.published.awaited((tenant_id, name), self.config.predict_seconds)
        if isinstance(found, Deployment):
            return found
        if isinstance(found, Problem):
            raise Unavailable(
                f"endpoint {name!r} cannot be loaded", got=found.message, remedy="publish a sound model under this name"
            )
        if isinstance(found, Load):
            raise Busy(f"endpoint {name!r} is still being loaded", remedy="try again later", retry_after=5)
        if endpoint.state != "serving":
            raise Conflict(f"endpoint {name!r} is not serving", got=endpoint.state, remedy="publish it again")
        raise NotFound(f"no endpoint {name!r}")


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
