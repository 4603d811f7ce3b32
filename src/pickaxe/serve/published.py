"""What is published, as far as it stands in this process: compared with the catalog, loaded, let go of.

An endpoint whose model does not load, or does not come to an end, holds up no other one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

from pickaxe.kernel.errors import PickaxeError
from pickaxe.kernel.nouns import Endpoint
from pickaxe.serve.backend import ServingStore
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.deployment import Deployment, Load, Name, Problem
from pickaxe.serve.errors import ModelFailed, TimedOut
from pickaxe.serve.loading import Loader
from pickaxe.serve.running import Runner

log = logging.getLogger(__name__)
_RETRY_SECONDS, _RETRY_SECONDS_MOST = 10.0, 600.0
_START_SECONDS = 10.0
"""That a start waits for what is published."""
_MOST_AWAITING = 16


class Published:
    """The endpoints of all tenants. From `start` to `stop` it belongs to one event loop."""

    def __init__(self, store: ServingStore, config: ServeConfig) -> None:
        self.deployments: dict[Name, Deployment] = {}
        self.problems: dict[Name, Problem] = {}
        """Endpoints that could not be (re)loaded, and why. A reload that fails leaves the earlier models serving."""
        self._store, self._config = store, config
        self._loader = Loader(store, config)
        self._loading: dict[Name, Load] = {}
        self._awaiting = Counter[Name]()
        self._comparing = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load every endpoint and follow the catalog from then on. What takes long to load is ready later."""
        await self._compare()
        await self._loaded(seconds=_START_SECONDS)
        self._follower = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Let go of the models; those that run apart are ended, whatever they do."""
        tasks = [load.task for load in self._loading.values()]
        if self._follower is not None:
            tasks.append(self._follower)
        for task in tasks:
            task.cancel()
        self._loader.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def refresh(self, only: Name | None = None) -> None:
        """Bring the deployments in line with the catalog; what is new, or `only` this endpoint, has then been loaded, or could not be.

        Requests under way keep the models they began with.
        """
        await self._compare()
        await self._loaded(only)

    @property
    def loading(self) -> set[Name]:
        """Endpoints that are being loaded and do not answer yet."""
        return self._loading.keys() - self.deployments.keys()

    async def awaited(self, name: Name, seconds: float) -> Deployment | Problem | Load | None:
        """How an endpoint stands, once it has been looked for. Not many wait for one: they would take the places of others' requests."""
        if name not in self.deployments and name not in self.problems:
            await self._compare()
            load = self._loading.get(name)
            if load is not None and self._awaiting[name] < _MOST_AWAITING:
                self._awaiting[name] += 1
                try:
                    await asyncio.wait([load.task], timeout=seconds)
                finally:
                    self._awaiting[name] -= 1
        return self.deployments.get(name) or self.problems.get(name) or self._loading.get(name)

    async def _compare(self) -> None:
        """Let go of what is not published any more, begin to load what is new; whatever is wrong with one, the others go on."""
        async with self._comparing:
            every = await asyncio.to_thread(self._store.every_endpoint)
            published = {(tenant_id, endpoint.name): endpoint for tenant_id, endpoint in every}
            serving = {name: endpoint for name, endpoint in published.items() if endpoint.state == "serving"}
            self.deployments = {name: here for name, here in self.deployments.items() if name in serving}
            self.problems = {name: found for name, found in self.problems.items() if found.endpoint == serving.get(name)}
            for name, load in list(self._loading.items()):
                if load.endpoint != serving.get(name):
                    del self._loading[name]
                    load.task.cancel()
            for name, endpoint in serving.items():
                here, problem = self.deployments.get(name), self.problems.get(name)
                waits = name in self._loading or (problem is not None and time.monotonic() < problem.again)
                if not waits and (here is None or here.endpoint != endpoint):
                    self._loading[name] = Load(endpoint, asyncio.create_task(self._load(name, endpoint)))

    async def _loaded(self, only: Name | None = None, *, seconds: float | None = None) -> None:
        if tasks := [load.task for name, load in self._loading.items() if only in (None, name)]:
            await asyncio.wait(tasks, timeout=seconds)

    async def _load(self, name: Name, endpoint: Endpoint) -> None:
        try:
            deployment = Deployment.of(endpoint, await self._runners(name[0], endpoint))
        except Exception as error:  # noqa: BLE001 - of any kind: the endpoint says what
            log.warning("endpoint %s of %s could not be loaded: %s", endpoint.name, name[0], error)
            self.problems = {**self.problems, name: self._problem(name, endpoint, error)}
        else:
            self.deployments = {**self.deployments, name: deployment}
            self.problems = {key: problem for key, problem in self.problems.items() if key != name}
        self._loading.pop(name, None)

    async def _runners(self, tenant_id: str, endpoint: Endpoint) -> dict[str, Runner]:
        runners = dict[str, Runner]()
        for artifact_id in (route.artifact_id for route in endpoint.routes if route.weight > 0):
            # Of the same tenant only: no route reaches a model that another tenant's endpoint happens to have loaded.
            here = [runner for (tenant, _), each in self.deployments.items() if tenant == tenant_id for runner in each.runners]
            found = (runner for runner in here if runner.model.artifact.id == artifact_id)
            runners[artifact_id] = next(found, None) or await self._loader.runner(tenant_id, artifact_id)
        return runners

    def _problem(self, name: Name, endpoint: Endpoint, error: Exception) -> Problem:
        """A model that fails by itself will again, and takes its time to: it is tried ever less often."""
        before = self.problems.get(name)
        tries = before.tries + 1 if before is not None and isinstance(error, ModelFailed | TimedOut) else 1
        wait = min(_RETRY_SECONDS * 2 ** (tries - 1), _RETRY_SECONDS_MOST)
        return Problem(endpoint, f"{type(error).__name__}: {error}", tries, time.monotonic() + wait)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._config.reload_seconds)
            try:
                await self._compare()
            except PickaxeError as error:  # the catalog is busy or gone for a moment; what is loaded goes on serving
                log.warning("the endpoints could not be read: %s", error)
