"""Models being made ready beside what serves: those in this process one after the other, as their calls are timed, the others apart.

A model that does not come to an end is waited for by its own endpoint alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakSet

from pickaxe.serve.apart import Apart
from pickaxe.serve.backend import Model, ServingStore, predictor_of
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.running import Runner

_Done = TypeVar("_Done")
_APART_AT_ONCE = 4


class Loader:
    """Makes runners of stored models, for one event loop."""

    def __init__(self, store: ServingStore, config: ServeConfig) -> None:
        self._store, self._config = store, config
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="pickaxe-model")
        self._one = ThreadPoolExecutor(1, thread_name_prefix="pickaxe-load")
        self._several = ThreadPoolExecutor(_APART_AT_ONCE, thread_name_prefix="pickaxe-load-apart")
        self._under_way: dict[tuple[str, str], asyncio.Task[Runner]] = {}
        self._apart: WeakSet[Apart] = WeakSet()

    async def runner(self, tenant_id: str, artifact_id: str) -> Runner:
        """Raises as `Model.load` does. Who gives up waiting does not stop it for others."""
        key = tenant_id, artifact_id
        if key not in self._under_way:
            task = self._under_way[key] = asyncio.create_task(self._loaded(tenant_id, artifact_id))
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(self._under_way[key])

    def close(self) -> None:
        """End the models that run apart, those under way too, and wait for nothing."""
        for task in self._under_way.values():
            task.cancel()
        for model in list(self._apart):
            model.close()
        for threads in (self._threads, self._one, self._several):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _loaded(self, tenant_id: str, artifact_id: str) -> Runner:
        store = self._store.for_tenant(tenant_id)
        artifact = await asyncio.to_thread(store.artifact, artifact_id)
        predictor = await _in(self._one, lambda: predictor_of(store, artifact, self._config))
        if isinstance(predictor, Apart):
            self._apart.add(predictor)
        model = await _in(self._several if isinstance(predictor, Apart) else self._one, lambda: Model.of(artifact, predictor))
        return Runner(model, self._config, self._threads)

    def _forget(self, key: tuple[str, str], done: asyncio.Task[Runner]) -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # whoever waits has it; nobody may wait any more


async def _in(threads: Executor, call: Callable[[], _Done]) -> _Done:
    return await asyncio.get_running_loop().run_in_executor(threads, call)
