"""Answers without a server: the endpoints of a workspace, asked by the process that has it open."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pickaxe.serve.backend import ServingStore
from pickaxe.serve.tracecontext import TraceContext, trace_context

if TYPE_CHECKING:
    from pickaxe.serve.service import Answer, Serving


@dataclass(frozen=True, slots=True)
class Predicted:
    """One text's answer; `confidence` is the probability of `label`."""

    label: str
    confidence: float
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Answered:
    """What an endpoint answered: a prediction for each text, in order. The answer is on record under `trace_id`."""

    endpoint: str
    model: str
    """name:version"""
    artifact_id: str
    predictions: tuple[Predicted, ...]
    trace_id: str
    span_id: str
    ms: float

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Out of what `as_json` says."""
        model = told["model"]
        predictions = tuple(Predicted(**each) for each in told["predictions"])
        ids = {name: told[name] for name in ("endpoint", "trace_id", "span_id", "ms")}
        return cls(model=model["ref"], artifact_id=model["artifact_id"], predictions=predictions, **ids)


def as_json(answer: Answer, context: TraceContext) -> dict[str, Any]:
    """An answer for whoever asked, plain."""
    classes = answer.model.classes
    return {
        "endpoint": answer.endpoint,
        "model": {"ref": answer.model.artifact.ref, "artifact_id": answer.model.artifact.id},
        "predictions": [
            {"label": label, "confidence": max(probs), "probabilities": dict(zip(classes, probs, strict=True))}
            for label, probs in zip(answer.labels, answer.probs, strict=True)
        ],
        "trace_id": context.trace_id,
        "span_id": context.span_id,
        "ms": answer.ms,
    }


class Answering:
    """Serving on a thread of its own: begun by the first question, over with `stop`. Safe to call from several threads."""

    def __init__(self, store: ServingStore) -> None:
        self._store = store
        self._turn = threading.Lock()
        self._serving: Serving | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def ask(self, tenant_id: str, name: str, texts: Sequence[str]) -> Answered:
        """By what is published now; raises as `Serving.predict`."""
        with self._turn:
            if self._loop is None:
                self._begin()
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(self._asked(tenant_id, name, texts), self._loop).result()

    def stop(self) -> None:
        """Idempotent. Questions must have been answered."""
        with self._turn:
            loop, serving, self._loop, self._serving = self._loop, self._serving, None, None
        if loop is None or serving is None:
            return
        asyncio.run_coroutine_threadsafe(serving.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)

    def _begin(self) -> None:
        from pickaxe.serve.service import Serving

        loop = asyncio.new_event_loop()
        threading.Thread(target=_running, args=(loop,), name="pickaxe-answering", daemon=True).start()
        serving = Serving(self._store)
        try:
            asyncio.run_coroutine_threadsafe(serving.start(), loop).result()
        except BaseException:
            loop.call_soon_threadsafe(loop.stop)
            raise
        self._loop, self._serving = loop, serving

    async def _asked(self, tenant_id: str, name: str, texts: Sequence[str]) -> Answered:
        assert self._serving is not None
        await self._serving.refresh((tenant_id, name))  # who publishes and asks in one breath asks what was just published
        context = trace_context(None)
        return Answered.of(as_json(await self._serving.predict(tenant_id, name, texts, context), context))


def _running(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()
