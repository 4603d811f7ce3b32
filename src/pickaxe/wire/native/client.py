"""`pickaxe.connect(url)`: a workspace that is somewhere else, behind the same façade as one that is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

from pickaxe.kernel.errors import Unavailable
from pickaxe.kernel.lineage import Edges
from pickaxe.kernel.nouns import Artifact, Endpoint, Event, Route
from pickaxe.wire.native import signing_in
from pickaxe.wire.native.api import PAGE
from pickaxe.wire.native.client_events import RemoteEvents
from pickaxe.wire.native.client_jobs import RemoteJobs
from pickaxe.wire.native.client_journeys import RemoteJourneys
from pickaxe.wire.native.client_ledger import RemoteLedger
from pickaxe.wire.native.client_members import RemoteMembers
from pickaxe.wire.native.client_runs import RemoteRuns
from pickaxe.wire.native.kept_keys import place_of
from pickaxe.wire.native.nouns import EndpointNoun
from pickaxe.wire.native.routes_graph import Graph
from pickaxe.wire.native.routes_money import CostInfo

if TYPE_CHECKING:
    from pickaxe.flows.line import LineWatcher
    from pickaxe.flows.produce import Product
    from pickaxe.flows.task import Task
    from pickaxe.kernel.ledger.cost import Cost


class RemoteWorkspace(RemoteJourneys):
    """What `pickaxe.open` gives, over HTTP. Steps run where the workspace is: `produce` becomes a job of the server.

    What is downloaded is checked against the digests on record. Use it as a context manager, or call `close`.
    """

    mode: Literal["w"] = "w"

    def __init__(self, url: str, key: str | None = None) -> None:
        """Without a `key` with the one that `sign_in` kept.

        Raises `Unavailable` when nobody answers at `url`, and what the server says of the key.
        """
        super().__init__(signing_in.opened(url, key))
        self.runs = RemoteRuns(self.api)
        self.jobs = RemoteJobs(self.api)
        self.log = RemoteEvents(self.api)
        self.ledger = RemoteLedger(self.api)
        self.members = RemoteMembers(self.api)

    @property
    def url(self) -> str:
        return self.api.url

    @property
    def tenant_id(self) -> str:
        return self._caller["tenant_id"]

    @property
    def principal_id(self) -> str:
        return self._caller["principal_id"]

    @cached_property
    def _caller(self) -> dict[str, Any]:
        """As whom the server takes this connection."""
        return self.api.get("/v1/me")

    @staticmethod
    def sign_in(url: str, name: str = "", password: str = "", *, key: str = "", tenant: str = "local", days: float = 90.0) -> str:
        """Keep a key for `pickaxe.connect(url)`: `key` itself, or one of `days` made with name and password; returns whose it is."""
        url = place_of(url)
        if key:
            return signing_in.sign_in_with_key(url, key)
        return signing_in.sign_in(url, name, password, tenant=tenant, days=days)

    @staticmethod
    def sign_out(url: str) -> None:
        """Revoke the key that `sign_in` kept, and forget it."""
        signing_in.sign_out(place_of(url))

    # Artifacts

    def alias(self, artifact: Artifact | str, alias: str) -> None:
        self.artifacts.alias(self.artifact(artifact), alias)

    # The graph and the bill

    def cost(self, artifact: Artifact | str) -> Cost:
        """Everything upstream of `artifact`, priced."""
        return CostInfo.model_validate(self.api.get(f"/v1/cost/{self.artifact(artifact).id}")).noun()

    def lineage(self, artifact: Artifact | str, direction: Literal["upstream", "downstream"] = "upstream") -> Edges:
        """The graph around `artifact`."""
        return Graph.model_validate(self.api.get(f"/v1/lineage/{self.artifact(artifact).id}", direction=direction)).edges()

    # Events, endpoints

    def emit(self, kind: str, subject: str, **fact: Any) -> None:
        """Append one event of an open kind (metric, log, annotation, note, progress)."""
        self.log.emit_many([{"kind": kind, "subject": subject, **fact}])

    def emit_many(self, facts: Sequence[Mapping[str, Any]]) -> None:
        self.log.emit_many(facts)

    def events(self, **query: Any) -> list[Event]:
        """A page of events."""
        return self.log.list(**query)

    def publish(self, name: str, routes: Sequence[Route], meta: Mapping[str, Any] | None = None) -> Endpoint:
        """Serve these model versions under `name`."""
        wanted = [{"artifact": route.artifact_id, "weight": route.weight} for route in routes]
        told = self.api.post("/v1/endpoints", {"name": name, "routes": wanted, "meta": dict(meta or {})})
        return EndpointNoun.model_validate(told).noun()

    def endpoint(self, name: str) -> Endpoint:
        """Raises `NotFound`."""
        return EndpointNoun.model_validate(self.api.get(f"/v1/published/{quote(name, safe='')}")).noun()

    def endpoints(self) -> list[Endpoint]:
        return [EndpointNoun.model_validate(item).noun() for item in self.api.pages("/v1/published", limit=PAGE)]

    # Runs

    def produce(self, task: Task | Path | str, *, watcher: LineWatcher | None = None) -> Product:
        """Run the line for `task` as a job of the server, and wait for it; see `pickaxe.produce`.

        Files that the task names are uploaded. The job goes on when this process ends.
        """
        from pickaxe.wire.native.remote_line import produce

        return produce(self, task, watcher)

    def run(self, *_: Any, **__: Any) -> Any:
        """A step is code of this process, and runs beside the workspace only: raises `Unavailable`."""
        raise Unavailable(
            "a step cannot be sent to a server", expected="produce(task)", remedy="open the workspace itself: pickaxe.open(path)"
        )

    submit = run

    def cancel(self, run_id: str) -> None:
        """Ask a run to stop; its worker is gone within a second. Raises `NotFound`, and `Conflict` when it is not under way."""
        self.api.post(f"/v1/runs/{quote(run_id, safe='')}/cancel")

    def close(self) -> None:
        self.api.close()
        self._kept.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
