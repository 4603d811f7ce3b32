"""`pickaxe.connect(url)`: a workspace that is somewhere else, behind the same façade as one that is here."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

from pickaxe.kernel.digest import PREFIX, bytes_digest, folder_digest, manifest_bytes
from pickaxe.kernel.errors import BadInput, Corrupted, Unavailable
from pickaxe.kernel.lineage import Edges
from pickaxe.kernel.nouns import Artifact, Endpoint, Event, Route, Run
from pickaxe.wire.native import signing_in
from pickaxe.wire.native.api import Api
from pickaxe.wire.native.arrow import MEDIA
from pickaxe.wire.native.client_jobs import RemoteJobs
from pickaxe.wire.native.client_members import RemoteMembers
from pickaxe.wire.native.kept_keys import place_of
from pickaxe.wire.native.nouns import ArtifactInfo, EndpointNoun, EventInfo, RunInfo
from pickaxe.wire.native.routes_graph import BlastInfo, EvidenceInfo, Graph
from pickaxe.wire.native.routes_imports import TAR
from pickaxe.wire.native.routes_money import ChargeInfo, CostInfo, PriceInfo, StatementInfo

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.compute.planner.here.serving import ServingForecast
    from pickaxe.flows.blast import Blast
    from pickaxe.flows.explain import Explanation
    from pickaxe.flows.line import LineWatcher
    from pickaxe.flows.produce import Product
    from pickaxe.flows.task import Task
    from pickaxe.kernel.ledger.cost import Cost
    from pickaxe.kernel.ledger.ledger import Charge
    from pickaxe.kernel.ledger.statement import Statement
    from pickaxe.kernel.ledger.tariff import Tariff


class RemoteWorkspace:
    """What `pickaxe.open` gives, over HTTP. Steps run where the workspace is: `produce` becomes a job of the server.

    What is downloaded is checked against the digests on record. Use it as a context manager, or call `close`.
    """

    mode: Literal["w"] = "w"

    def __init__(self, url: str, key: str | None = None) -> None:
        """Without a `key` with the one that `sign_in` kept.

        Raises `Unavailable` when nobody answers at `url`, and what the server says of the key.
        """
        self.api = signing_in.opened(url, key)
        self.runs = RemoteRuns(self.api)
        self.jobs = RemoteJobs(self.api)
        self.artifacts = RemoteArtifacts(self.api)
        self.log = RemoteEvents(self.api)
        self.ledger = RemoteLedger(self.api)
        self.members = RemoteMembers(self.api)
        self._kept = tempfile.TemporaryDirectory(prefix="pickaxe-files-")

    @property
    def url(self) -> str:
        return self.api.url

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

    def artifact(self, reference: str) -> Artifact:
        """By id, ``name`` (newest), ``name:3`` or ``name@alias``."""
        return self.artifacts.get(reference)

    def import_files(self, path: Path | str, name: str, *, kind: str = "source") -> Artifact:
        """Upload a file or folder; the same content under the same name is taken once."""
        path = Path(path)
        if not path.exists():
            raise BadInput(f"{path} does not exist", expected="a file or folder", remedy="check the path")
        if path.is_file():
            with path.open("rb") as content:
                return _artifact(
                    self.api.upload("/v1/imports", content, "application/octet-stream", name=name, kind=kind, filename=path.name)
                )
        with tempfile.TemporaryFile() as spool:
            with tarfile.open(fileobj=spool, mode="w") as archive:
                for file in sorted(path.rglob("*")):
                    if file.is_file():
                        archive.add(file.resolve(), arcname=str(file.relative_to(path)))
            spool.seek(0)
            return _artifact(self.api.upload("/v1/imports", spool, TAR, name=name, kind=kind, filename=path.name))

    def import_table(self, table: pa.Table, name: str, *, kind: str = "dataset") -> Artifact:
        """Upload a table; the same rows under the same name once."""
        import pyarrow as pa

        with tempfile.TemporaryFile() as spool:
            with pa.ipc.new_stream(spool, table.schema) as writer:
                writer.write_table(table)
            spool.seek(0)
            return _artifact(self.api.upload("/v1/imports", spool, MEDIA, name=name, kind=kind))

    def read_table(self, artifact: Artifact, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows in the order they were saved. Raises `Corrupted` when a whole table is not what its digest says."""
        import pyarrow as pa

        from pickaxe.kernel.digest import table_digest

        content = self.api.raw(f"/v1/rows/{artifact.id}", MEDIA, column=list(columns) if columns is not None else None)
        with pa.ipc.open_stream(content) as reader:
            table = reader.read_all()
        if columns is None and (found := table_digest(table)) != artifact.digest:
            raise _damaged(artifact, found)
        return table

    def files(self, artifact: Artifact) -> Path:
        """A local copy of the file or folder, under its own name, for as long as this connection is open. Raises `Corrupted`."""
        place = Path(self._kept.name) / artifact.id
        listed = self.api.get(f"/v1/files/{artifact.id}")
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=self._kept.name) as scratch:
                folder = Path(scratch) / "content"
                folder.mkdir()
                for entry in listed["files"]:
                    target = folder / entry["path"]
                    if not target.resolve().is_relative_to(folder.resolve()):
                        raise _damaged(artifact, entry["path"])
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self.api.download(f"/v1/files/{artifact.id}", target, path=entry["path"])
                if (found := bytes_digest(manifest_bytes(folder_digest(folder)[1]))) != artifact.digest:
                    raise _damaged(artifact, found)
                folder.rename(place)
        return place if listed["folder"] else place / listed["files"][0]["path"]

    def read_json(self, artifact: Artifact) -> Any:
        """The document."""
        return self.api.get(f"/v1/documents/{artifact.id}")

    def alias(self, artifact: Artifact, alias: str) -> None:
        self.api.post("/v1/aliases", {"artifact": artifact.id, "alias": alias})

    # The graph and the bill

    def cost(self, artifact: Artifact) -> Cost:
        """Everything upstream of `artifact`, priced."""
        return CostInfo.model_validate(self.api.get(f"/v1/cost/{artifact.id}")).noun()

    def lineage(self, artifact: Artifact, direction: Literal["upstream", "downstream"] = "upstream") -> Edges:
        """The graph around `artifact`."""
        return Graph.model_validate(self.api.get(f"/v1/lineage/{artifact.id}", direction=direction)).edges()

    def blast(self, target: str, *, annotator: str | None = None) -> Blast:
        """As `pickaxe.flows.blast.blast`."""
        from pickaxe.flows.blast import Blast

        told = BlastInfo.model_validate(self.api.get("/v1/blast", target=target, by=annotator))
        return Blast(
            told.target,
            told.what,
            tuple(item.noun() for item in told.roots),
            tuple(item.noun() for item in told.artifacts),
            tuple(told.run_ids),
            tuple(item.noun() for item in told.endpoints),
            told.answers,
            told.rebuild_nano,
        )

    def explain(self, trace_id: str, *, index: int = 0, count: int = 5) -> Explanation:
        """As `pickaxe.flows.explain.explain`."""
        from pickaxe.flows.explain import Evidence, Explanation
        from pickaxe.monitor.evidence import Neighbour

        told = EvidenceInfo.model_validate(self.api.get(f"/v1/evidence/{quote(trace_id, safe='')}", index=index, count=count))
        evidence, people = (
            tuple(
                Evidence(Neighbour(**{**item.row, "labelled_by": tuple(item.row["labelled_by"])}), tuple(item.labelled_by))
                for item in rows
            )
            for rows in (told.evidence, told.people)
        )
        answer = {**told.answer, "at": datetime.fromisoformat(told.answer["at"])}
        return Explanation(told.trace_id, told.text, answer, told.model.noun(), evidence, people)

    def sql(self, query: str, params: Sequence[Any] = ()) -> list[list[Any]]:
        """Rows of the answer to one SELECT; see ``POST /v1/sql``."""
        return self.api.post("/v1/sql", {"query": query, "params": list(params), "limit": 1_000_000})["rows"]

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
        return [EndpointNoun.model_validate(item).noun() for item in self.api.get("/v1/published")]

    def serving_forecast(self, name: str) -> tuple[ServingForecast, ServingForecast]:
        """What serving an endpoint takes there, and the whole server. Raises `NotFound`."""
        from pickaxe.compute.planner.here.foresight import Foresight
        from pickaxe.compute.planner.here.serving import ServingForecast

        told = self.api.get(f"/v1/endpoints/{quote(name, safe='')}/forecast")
        meters, server = ({meter: Foresight(**said) for meter, said in told[part].items()} for part in ("meters", "server"))
        return ServingForecast(name, meters, told["calls_s"], tuple(told["by_traces"])), ServingForecast("", server)

    def keep_scenario(self, name: str, kind: str, scenario: Mapping[str, Any]) -> Artifact:
        """As `pickaxe.compute.planner.scenario.save`."""
        from pickaxe.compute.planner.scenario import plain

        return _artifact(self.api.post("/v1/scenarios", {"name": name, "kind": kind, "scenario": plain(scenario)}))

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

    def close(self) -> None:
        self.api.close()
        self._kept.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RemoteRuns:
    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, run_id: str) -> Run:
        return RunInfo.model_validate(self._api.get(f"/v1/runs/{quote(run_id, safe='')}")).noun()

    def list(self, *, prefix: str = "", limit: int = 1000) -> list[Run]:
        """Newest first."""
        found: list[Run] = []
        for item in self._api.pages("/v1/runs", prefix=prefix, limit=min(limit, 1000)):
            found.append(RunInfo.model_validate(item).noun())
            if len(found) == limit:
                break
        return found

    def page(self, *, after: str | None = None, limit: int = 100, **filters: Any) -> tuple[list[Run], str | None]:
        """As `pickaxe.kernel.runs.Runs.page`."""
        filters["state"] = [str(state) for state in filters.pop("states", ())]
        page = self._api.get("/v1/runs", after=after, limit=limit, **filters)
        return [RunInfo.model_validate(item).noun() for item in page["items"]], page["next"]

    def cancel(self, run_id: str) -> None:
        """Raises `Conflict` when it is not under way."""
        self._api.post(f"/v1/runs/{quote(run_id, safe='')}/cancel")


class RemoteArtifacts:
    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, reference: str) -> Artifact:
        return _artifact(self._api.get(f"/v1/artifacts/{quote(reference, safe='/:@')}"))

    def list(self, *, kind: str | None = None, prefix: str = "") -> list[Artifact]:
        """Every version, oldest first."""
        return [_artifact(item) for item in self._api.pages("/v1/artifacts", kind=kind, prefix=prefix, limit=1000)][::-1]

    def page(self, *, after: str | None = None, limit: int = 100, **filters: Any) -> tuple[list[Artifact], str | None]:
        """As `pickaxe.kernel.artifacts.Artifacts.page`."""
        page = self._api.get("/v1/artifacts", after=after, limit=limit, **filters)
        return [_artifact(item) for item in page["items"]], page["next"]

    def many(self, ids: Sequence[str]) -> dict[str, Artifact]:
        return {id: self.get(id) for id in dict.fromkeys(ids)}


class RemoteEvents:
    def __init__(self, api: Api) -> None:
        self._api = api

    def emit(self, kind: str, subject: str, **fact: Any) -> None:
        self.emit_many([{"kind": kind, "subject": subject, **fact}])

    def emit_many(self, facts: Sequence[Mapping[str, Any]]) -> None:
        """All or none; at most 1,000 at once."""
        events = [{key: value for key, value in fact.items() if value is not None} for fact in facts]
        if events:
            self._api.post("/v1/events", {"events": events})

    def list(
        self,
        *,
        kind: str | Sequence[str] | None = None,
        subject: str | None = None,
        after_seq: int = 0,
        limit: int = 1000,
        newest_first: bool = False,
    ) -> list[Event]:
        kinds = [kind] if isinstance(kind, str) else kind
        found: list[Event] = []
        while len(found) < limit:
            after = str(found[-1].seq if found else after_seq) if found or after_seq else None
            size = min(limit - len(found), 1000)
            page = self._api.get(
                "/v1/events", kind=kinds, subject=subject, after=after, limit=size, newest_first=newest_first or None
            )
            found += [EventInfo.model_validate(item).noun() for item in page["items"]]
            if page["next"] is None:
                break
        return found

    def each(self, kind: str) -> Iterator[Event]:
        """Every event of a kind, oldest first."""
        for item in self._api.pages("/v1/events", kind=kind, limit=1000):
            yield EventInfo.model_validate(item).noun()


class RemoteLedger:
    def __init__(self, api: Api) -> None:
        self._api = api

    def charges(self, holders: Sequence[str] | None = None) -> list[Charge]:
        asked = [None] if holders is None else holders
        return [
            ChargeInfo.model_validate(item).noun() for holder in asked for item in self._api.get("/v1/charges", holder=holder)
        ]

    def statements(self) -> list[Statement]:
        return [StatementInfo.model_validate(item).noun() for item in self._api.get("/v1/bill")["pools"]]

    def tariffs(self) -> dict[str, Tariff]:
        from pickaxe.kernel.ledger.tariff import Price, Tariff

        rows: dict[str, list[Price]] = {}
        for item in self._api.get("/v1/prices"):
            price = PriceInfo.model_validate(item).noun()
            rows.setdefault(price.meter, []).append(price)
        return {meter: Tariff(of_meter) for meter, of_meter in rows.items()}

    def set_price(self, meter: str, nano: int, per: int, *, source: str, currency: str = "USD") -> None:
        if currency != "USD":
            raise BadInput(f"prices are in USD here, not in {currency!r:.20}")
        self._api.post("/v1/prices", {"meter": meter, "nano": nano, "per": per, "source": source})


def _artifact(told: Any) -> Artifact:
    return ArtifactInfo.model_validate(told).noun()


def _damaged(artifact: Artifact, found: str) -> Corrupted:
    return Corrupted(
        f"what came for {artifact.ref} is not what is on record",
        expected=artifact.digest if artifact.digest.startswith(PREFIX) else None,
        got=found[:200],
        remedy="try again; if it happens again, run `pickaxe doctor` where the workspace is",
    )
