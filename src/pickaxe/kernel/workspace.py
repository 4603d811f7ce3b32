"""The workspace: everything a tenant has, behind one object; with one writer and any number of readers."""

from __future__ import annotations

import copy
import getpass
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pickaxe.kernel.access.principals import Access, Members
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller
from pickaxe.kernel.artifacts import Artifacts, Stored, artifact_id
from pickaxe.kernel.blobs.backend import Blobs
from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.code import fingerprint
from pickaxe.kernel.config import Config
from pickaxe.kernel.content import Content
from pickaxe.kernel.digest import canonical_json
from pickaxe.kernel.endpoints import Endpoints, of_all_tenants
from pickaxe.kernel.engine.attempt import Limits, Output
from pickaxe.kernel.engine.engine import Engine, Job, RunHandle, RunResult, Watcher
from pickaxe.kernel.engine.worker import address_of
from pickaxe.kernel.errors import BadInput, Conflict
from pickaxe.kernel.events import Events
from pickaxe.kernel.ledger.ledger import Ledger, Usage
from pickaxe.kernel.lineage import Edges, ancestry, progeny
from pickaxe.kernel.location import Location
from pickaxe.kernel.nouns import Artifact, Endpoint, Event, Route, Run
from pickaxe.kernel.registry import PREDICTORS, own_modules
from pickaxe.kernel.runs import Runs, RunSpec
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.stores import Mode, Stores
from pickaxe.kernel.system.retry import retried

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.ledger.cost import Cost
    from pickaxe.kernel.tables.lake import Tables
    from pickaxe.kernel.tables.streamed import Streamed


class Workspace:
    """A tenant's view of the stores; the one that opens them sees as the local tenant, and closes them.

    Raises `WriterBusy` when another process writes, `NewerWorkspace` when a newer version did, `NotFound` when a reader finds
    nothing there. Use it as a context manager, or call `close`.
    """

    def __init__(self, path: Path | str | Location | None = None, *, mode: Mode = "w", settings: Settings | None = None) -> None:
        self.settings = settings or Settings.from_environment()
        location = path if isinstance(path, Location) else Location.of(Path(path or self.settings.workspace))
        self.stores = Stores(location, mode, cores=self.settings.cores)
        self.watcher: Watcher | None = None
        try:
            who = self.stores.catalog.identity("local", getpass.getuser()) if mode == "w" else (LOCAL_TENANT, "")
            self._see_as(*who)
        except BaseException:
            self.stores.close()
            raise

    def for_caller(self, caller: Caller) -> Self:
        """The same stores as the caller's tenant sees them, in the caller's name. Only the workspace it came from closes them."""
        return self.for_tenant(caller.tenant_id, caller.principal_id)

    def for_tenant(self, tenant_id: str, principal_id: str = "") -> Self:
        """As `for_caller`, by ids; without a principal, to read and to append events."""
        if tenant_id == self.tenant_id and principal_id in ("", self.principal_id):
            return self
        view = copy.copy(self)
        view.watcher = None
        view._see_as(tenant_id, principal_id)
        return view

    def _see_as(self, tenant_id: str, principal_id: str) -> None:
        self.tenant_id, self.principal_id = tenant_id, principal_id
        self.log = Events(self.catalog, tenant_id)
        self.artifacts = Artifacts(self.catalog, tenant_id)
        self.runs = Runs(self.catalog, self.artifacts, tenant_id, principal_id)
        self.serving = Endpoints(self.catalog, tenant_id)
        self.ledger = Ledger(self.catalog, tenant_id)
        self.engine = Engine(self)

    @property
    def members(self) -> Members:
        """Who may act for the tenant, and their keys."""
        return Members(Access.of(self.catalog), self.tenant_id, self.principal_id)

    @property
    def path(self) -> Path:
        return self.stores.path

    @property
    def mode(self) -> Mode:
        return self.stores.mode

    @property
    def catalog(self) -> Catalog:
        return self.stores.catalog

    @property
    def blobs(self) -> Blobs:
        return self.stores.blobs

    @property
    def tables(self) -> Tables:
        return self.stores.tables

    @property
    def content(self) -> Content:
        """Tables and blobs as one."""
        return self.stores.content

    @property
    def scratch(self) -> Path:
        return self.stores.scratch

    @property
    def checkpoints(self) -> Path:
        return self.stores.places.checkpoints

    @property
    def interrupted(self) -> list[str]:
        """Runs that the writer before this one left under way."""
        return self.stores.interrupted

    # Runs

    def run(
        self,
        step: Callable[..., Any],
        config: Config,
        *,
        name: str,
        inputs: Mapping[str, Artifact | str] | None = None,
        cores: int | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        watcher: Watcher | None = None,
    ) -> RunResult:
        """Run `step`, or return the outputs of the same code, config and inputs from the cache.

        Raises the step's own `PickaxeError`, otherwise `RunFailed` or `RunCancelled`.
        """
        spec = self.spec(step, config, name=name, inputs=inputs or {})
        cached = self.runs.cached(spec.key)
        if cached is not None:
            return self.result(cached, cached=True)
        return self._submit(spec, step, config, cores, limits, watcher).result()

    def submit(
        self,
        step: Callable[..., Any],
        config: Config,
        *,
        name: str,
        inputs: Mapping[str, Artifact | str] | None = None,
        cores: int | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        watcher: Watcher | None = None,
    ) -> RunHandle:
        """Like `run` but returns at once; the cache is not asked. Raises `Conflict` when that very run is under way or done."""
        return self._submit(self.spec(step, config, name=name, inputs=inputs or {}), step, config, cores, limits, watcher)

    def cancel(self, run_id: str) -> None:
        """Ask a run of this process to stop; its worker is gone within a second. Raises `NotFound`, and `Conflict` when it is not under way."""
        run = self.runs.get(run_id)
        if not self.engine.cancel(run_id):
            raise Conflict(
                f"{run.name} ({run_id}) is not under way", expected="a run that is queued or running", got=str(run.state)
            )

    def spec(self, step: Callable[..., Any], config: Config, *, name: str, inputs: Mapping[str, Artifact | str]) -> RunSpec:
        """The run's key (code + config + input digests) and what it was made of."""
        given = {role: self.artifact(reference) for role, reference in inputs.items()}
        # A step that is handed a model runs the code of the model's format too, which it does not import by name.
        models = own_modules(PREDICTORS) if any(artifact.kind == "model" for artifact in given.values()) else []
        values, address = config.model_dump(mode="json"), address_of(step)
        decides = {
            "step": address,
            "code": fingerprint(step, *models),
            "config": values,
            "inputs": {role: artifact.digest for role, artifact in given.items()},
        }
        if self.tenant_id != LOCAL_TENANT:
            decides["tenant"] = self.tenant_id  # nobody is served from another tenant's cache
        key = hashlib.sha256(canonical_json(decides)).hexdigest()
        return RunSpec(key, name, address, values, given)

    def result(self, run: Run, *, cached: bool) -> RunResult:
        outputs = {role: self.artifacts.get(id) for role, id in run.outputs.items()}
        return RunResult(run, outputs, cached)

    def _submit(
        self,
        spec: RunSpec,
        step: Callable[..., Any],
        config: Config,
        cores: int | None,
        limits: Limits,
        watcher: Watcher | None,
    ) -> RunHandle:
        self._must_write()
        wanted = cores or self.engine.cores
        if not 1 <= wanted <= self.engine.cores:
            raise BadInput(f"{spec.name} asks for {wanted} cores", expected=f"1 to {self.engine.cores}")
        return self.engine.submit(Job(spec, step, config, wanted, limits, watcher or self.watcher))

    # Artifacts

    def artifact(self, reference: Artifact | str) -> Artifact:
        """By id, ``name`` (newest), ``name:3`` or ``name@alias``; an artifact is itself. So do all that take an artifact.

        Raises `NotFound`.
        """
        return reference if isinstance(reference, Artifact) else self.artifacts.get(reference)

    def import_files(self, path: Path | str, name: str, *, kind: str = "source") -> Artifact:
        """Take a file or folder from outside into the workspace; the same content under the same name is taken once."""
        self._must_write()
        path = Path(path)
        if not path.exists():
            raise BadInput(f"{path} does not exist", expected="a file or folder", remedy="check the path")
        return self._import(name, self.content.store_files(path, kind, {"file": path.name}))

    def import_table(self, table: pa.Table, name: str, *, kind: str = "dataset") -> Artifact:
        """Take a table from outside a run (feedback, labels given by people); the same rows under the same name once."""
        self._must_write()
        known = self.artifacts.find(id=_import_id(self.tenant_id, name, self.content.table_digest(table)))
        return known or self._import(name, self.content.store_tables({name: (table, kind, {})})[name])

    def import_json(self, document: Any, name: str, *, kind: str = "report", meta: Mapping[str, Any] | None = None) -> Artifact:
        """Take a JSON document from outside a run; the same document under the same name is taken once."""
        self._must_write()
        return self._import(name, self.content.store_json(document, kind, meta or {}))

    @retried
    def _import(self, name: str, stored: Stored) -> Artifact:
        id = _import_id(self.tenant_id, name, stored.digest)
        known = self.artifacts.find(id=id)
        if known is not None:
            return known
        with self.catalog.write() as connection:
            self.artifacts.add(connection, name, stored, id=id, run_id=None, at_ns=self.catalog.clock.now_ns())
        return self.artifacts.get(id)

    def read_table(self, artifact: Artifact | str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows in the order they were saved. Raises `Corrupted` when the files or what is known about them are damaged."""
        artifact = self.artifact(artifact)
        return self.content.read_table(artifact, self.artifacts.pin(artifact), columns)

    def read_rows(self, artifact: Artifact | str, begin: int, count: int, columns: Sequence[str] | None = None) -> pa.Table:
        """At most `count` rows from the `begin`-th (0 is the first), without reading the others. Raises `Corrupted`."""
        artifact = self.artifact(artifact)
        return self.content.read_rows(artifact, self.artifacts.pin(artifact), begin, count, columns)

    def stream(self, artifact: Artifact | str) -> Streamed:
        """The rows for a query, which reads of them what it needs. Raises `Corrupted`, of the files only while they are read."""
        artifact = self.artifact(artifact)
        return self.content.stream(artifact, self.artifacts.pin(artifact))

    def files(self, artifact: Artifact | str) -> Path:
        """A read-only local path of the file or folder, under its own name. Raises `Corrupted`."""
        artifact = self.artifact(artifact)
        return self.content.files(artifact, self.artifacts.pin(artifact))

    def read_json(self, artifact: Artifact | str) -> Any:
        """The document. Raises `Corrupted`."""
        artifact = self.artifact(artifact)
        return self.content.read_json(artifact, self.artifacts.pin(artifact))

    def alias(self, artifact: Artifact | str, alias: str) -> None:
        self.artifacts.alias(self.artifact(artifact), alias)

    # The graph and the bill

    def cost(self, artifact: Artifact | str) -> Cost:
        """Everything upstream of `artifact`, priced: in full, and what it added to the bill."""
        from pickaxe.kernel.ledger.cost import cost_of

        return cost_of(self, self.artifact(artifact))

    def lineage(self, artifact: Artifact | str, direction: Literal["upstream", "downstream"] = "upstream") -> Edges:
        """The graph around `artifact`, towards what it was made from or towards what was made from it."""
        artifact = self.artifact(artifact)
        return ancestry(self, artifact.id) if direction == "upstream" else progeny(self, artifact.id)

    # What a step saved

    def store(self, run_name: str, outputs: Mapping[str, Output]) -> dict[str, Stored]:
        """Put outputs into their stores; their catalog rows come after, in the caller's transaction."""
        return self.content.store_outputs(run_name, outputs)

    def measured_outputs(
        self, stored: Mapping[str, Stored], outputs: Mapping[str, Output], inputs: Mapping[str, Artifact]
    ) -> list[Usage]:
        """What the outputs themselves say was spent: bytes kept, and the human time in annotations made by this run."""
        from pickaxe.kernel.ledger.human import human_usage

        readings = (
            [Usage("stored_bytes", sum(item.size for item in stored.values()), "measured", "bytes written")] if stored else []
        )
        return readings + human_usage(self, outputs, inputs)

    # Events, endpoints

    def emit(self, kind: str, subject: str, **fact: Any) -> None:
        """Append one event (see `Events.emit`); when this returns it survives a kill."""
        self.log.emit(kind, subject, **fact)

    def emit_many(self, facts: Sequence[Mapping[str, Any]]) -> None:
        self.log.emit_many(facts)

    def events(self, **query: Any) -> list[Event]:
        """A page of events (see `Events.list`)."""
        return self.log.list(**query)

    def publish(self, name: str, routes: Sequence[Route], meta: Mapping[str, Any] | None = None) -> Endpoint:
        """Serve these artifact versions under `name`, and say so in an event."""
        self._publish(name, routes, meta)
        return self.serving.get(name)

    @retried
    def _publish(self, name: str, routes: Sequence[Route], meta: Mapping[str, Any] | None) -> None:
        with self.catalog.write() as connection:
            self.serving.publish(connection, name, routes, meta)
            facts = [{"kind": "publish", "subject": route.artifact_id, "name": name} for route in routes]
            self.log.emit_many(facts, connection=connection)

    def endpoint(self, name: str) -> Endpoint:
        return self.serving.get(name)

    def endpoints(self) -> list[Endpoint]:
        return self.serving.list()

    def every_endpoint(self) -> Sequence[tuple[str, Endpoint]]:
        """The endpoints of all tenants, each with the id of its tenant: for the process that serves them."""
        return of_all_tenants(self.catalog)

    def close(self) -> None:
        """Close the stores, for every view of them. Idempotent."""
        self.stores.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _must_write(self) -> None:
        if self.mode != "w":
            raise Conflict("this workspace was opened for reading", remedy='open it with pickaxe.open(path, mode="w")')


def _import_id(tenant_id: str, name: str, digest: str) -> str:
    return artifact_id("import" if tenant_id == LOCAL_TENANT else f"import {tenant_id}", f"{name}\n{digest}")
