"""Where a model's call runs: on the event loop when it is short, in a thread when it would hold the loop up.

A predictor is called by one thread at a time (its contract promises no more). Requests that meet a busy model wait in line,
and a model that answers a batch faster than its parts is given several requests in one call. Nothing ever waits for a
batch to fill. A model that runs in a process of its own has a thread of its own to wait for it: one that does not end holds up nobody else's.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from pickaxe.serve.backend import Model
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.errors import Busy, ModelFailed, TimedOut

if TYPE_CHECKING:
    import numpy as np


_LATE_SECONDS = 5.0
_LATE_WAITING = 16
"""Requests that may wait for a model whose call takes longer: more would take the server's places from the other models."""


class _Request(NamedTuple):
    texts: Sequence[str]
    answered: asyncio.Future[np.ndarray]


class Runner:
    """Runs one loaded model for the coroutines of one event loop."""

    def __init__(self, model: Model, config: ServeConfig, threads: Executor) -> None:
        self.model = model
        self._config = config
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="pickaxe-apart") if model.apart else threads
        self._inline_ms = -1.0 if model.apart else config.inline_ms
        self._began: float | None = None
        """When the call under way began."""
        self._overran = False
        self._line: deque[_Request] = deque()
        self._worker: asyncio.Task[None] | None = None
        self.batches = model.batch_gain >= config.min_batch_gain and model.call_ms > self._inline_ms

    @property
    def waiting(self) -> int:
        return len(self._line)

    async def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (len(texts), len(classes)). Raises `ModelFailed`, `TimedOut` after `predict_seconds`, waiting included, and `Busy`."""
        if self._worker is None and self.model.expected_ms(texts) <= self._inline_ms:
            return self.model.probabilities(texts)
        if len(self._line) >= _LATE_WAITING and self._is_late():
            raise Busy(
                f"model {self.model.artifact.ref} takes its time, and {len(self._line)} requests wait for it",
                remedy="try again later, or send fewer texts in one request",
            )
        request = _Request(texts, asyncio.get_running_loop().create_future())
        self._line.append(request)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        try:
            async with asyncio.timeout(self._config.predict_seconds):
                return await request.answered
        except TimeoutError:
            raise TimedOut(
                f"model {self.model.artifact.ref} did not answer within {self._config.predict_seconds:g} s",
                remedy="send fewer or shorter texts in one request",
            ) from None

    def _is_late(self) -> bool:
        return self._overran or (self._began is not None and time.monotonic() - self._began > _LATE_SECONDS)

    async def _work(self) -> None:
        """Serve the line until it is empty. Requests that gave up are skipped."""
        try:
            while group := self._next_group():
                await self._answer(group)
        finally:
            self._worker = self._began = None

    def _next_group(self) -> list[_Request]:
        group: list[_Request] = []
        size = 0
        while self._line:
            if self._line[0].answered.done():
                self._line.popleft()
                continue
            size += len(self._line[0].texts)
            if group and (not self.batches or size > self._config.max_batch_texts):
                break
            group.append(self._line.popleft())
        return group

    async def _answer(self, group: list[_Request]) -> None:
        texts = [text for request in group for text in request.texts]
        self._began = time.monotonic()
        try:
            probs = await asyncio.get_running_loop().run_in_executor(self._threads, self.model.probabilities, texts)
            self._overran = False
        except Exception as error:  # noqa: BLE001 - whoever waits in line must hear of it
            self._overran = isinstance(error, TimedOut)
            if isinstance(error, ModelFailed) and len(group) > 1:  # one request's texts must not spoil the others' answers
                for request in group:
                    if not request.answered.done():
                        await self._answer([request])
                return
            for request in group:
                if not request.answered.done():
                    request.answered.set_exception(error)
            return
        start = 0
        for request in group:
            end = start + len(request.texts)
            if not request.answered.done():
                request.answered.set_result(probs[start:end])
            start = end
