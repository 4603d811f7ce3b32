"""Integrity: is what the catalog says in the stores, whole, and does the ledger add up? Reads only; says how to mend."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from pickaxe.kernel.artifacts import Artifacts
from pickaxe.kernel.catalog.schema import aliases, artifacts, edges, endpoints, leases, pools, runs
from pickaxe.kernel.errors import BadInput, Conflict, Corrupted, NotFound, PickaxeError
from pickaxe.kernel.nouns import Artifact

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. `error`: something is lost or wrong; `note`: only room is wasted."""

    severity: Literal["error", "note"]
    check: str
    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Examination:
    """What was looked at, and what was found."""

    artifacts: int
    blobs: int
    tables: int
    pools: int
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)


def examine(workspace: Workspace, *, quick: bool = False, tell: Tell = lambda done, total: None) -> Examination:
    """Look at every artifact of every tenant, at the graph, the ledger and the files. `quick` looks whether content is there, and
    does not read it. A workspace that is being written may be examined; what is new since the beginning is not looked at.
    """
    found = list(_databases(workspace))
    found += _graph(workspace)
    found += _ledger(workspace)
    content = _Content(workspace, quick=quick)
    everything = [(artifact, pin) for artifact, pin in _everything(workspace)]
    for done, (artifact, pin) in enumerate(everything):
        tell(done, len(everything))
        found += content.look(artifact, pin)
    tell(len(everything), len(everything))
    found += content.leftovers()
    pools = len(workspace.ledger.statements()) if not any(item.check == "ledger" for item in found) else 0
    return Examination(len(everything), len(content.blobs), len(content.tables), pools, tuple(found))


def _everything(workspace: Workspace) -> Iterator[tuple[Artifact, dict[str, Any]]]:
    for tenant in workspace.catalog.tenant_ids():
        theirs = Artifacts(workspace.catalog, tenant)
        for artifact in theirs.list():
            yield artifact, theirs.pin(artifact)


def _databases(workspace: Workspace) -> Iterator[Finding]:
    """SQLite's own check of the files' structure."""
    for name in ("catalog.db", "lake.db"):
        path = workspace.path / name
        if workspace.stores.location.catalog is None and path.exists():
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as connection:
                said = [row[0] for row in connection.execute("PRAGMA integrity_check(20)")]
            if said != ["ok"]:
                yield Finding(
                    "error", "database", f"{name}: {'; '.join(map(str, said))[:300]}", "restore the workspace from a backup"
                )


def _graph(workspace: Workspace) -> Iterator[Finding]:
    """Rows that point at rows which are not there."""
    known_runs, known = sa.select(runs.c.id), sa.select(artifacts.c.id)
    dangling = [
        ("alias", sa.select(aliases.c.name + "@" + aliases.c.alias).where(aliases.c.artifact_id.not_in(known))),
        ("edge of a run", sa.select(edges.c.run_id + " " + edges.c.role).where(edges.c.artifact_id.not_in(known))),
        ("edge", sa.select(edges.c.run_id + " " + edges.c.role).where(edges.c.run_id.not_in(known_runs))),
        (
            "artifact made by no run",
            sa.select(artifacts.c.id).where(artifacts.c.run_id.is_not(None), artifacts.c.run_id.not_in(known_runs)),
        ),
        ("lease", sa.select(leases.c.id + " of " + leases.c.pool_id).where(leases.c.pool_id.not_in(sa.select(pools.c.id)))),
    ]
    with workspace.catalog.read() as connection:
        for kind, query in dangling:
            for row in connection.execute(query.limit(100)).scalars():
                yield Finding("error", "graph", f"{kind} that points nowhere: {row}", "restore the workspace from a backup")
        kinds = {row.id: row.kind for row in connection.execute(sa.select(artifacts.c.id, artifacts.c.kind))}
        for endpoint in connection.execute(sa.select(endpoints.c.name, endpoints.c.routes)):
            for route in endpoint.routes:
                if kinds.get(route["artifact_id"]) != "model":
                    got = kinds.get(route["artifact_id"], "nothing")
                    what = f"endpoint {endpoint.name} routes to {route['artifact_id']}, which is {got}, not a model"
                    yield Finding(
                        "error", "graph", what, "publish a sound model under that name: pickaxe produce, or POST /v1/endpoints"
                    )


def _ledger(workspace: Workspace) -> Iterator[Finding]:
    """Charges + idle = cost of the pool, for every pool that ever was."""
    mend = "nothing is lost but the proof: keep the workspace, and report this with the pool's id"
    try:
        for item in workspace.ledger.statements():
            if item.charged + item.idle != item.cost:
                off = item.cost - item.charged - item.idle
                yield Finding("error", "ledger", f"pool {item.pool_id} is off by {off} billionths", mend)
    except Conflict as error:
        yield Finding("error", "ledger", error.message, mend)


class _Content:
    """Looks at each content once, whoever shares it, and remembers which files are accounted for."""

    def __init__(self, workspace: Workspace, *, quick: bool) -> None:
        self._ws = workspace
        self._quick = quick
        self.blobs: dict[str, Finding | None] = {}
        self.tables: set[tuple[str, int]] = set()

    def look(self, artifact: Artifact, pin: dict[str, Any]) -> Iterator[Finding]:
        try:
            if artifact.stored == "table":
                self._look_at_table(pin)
            else:
                self._look_at_blob(pin["blob"])
                if artifact.stored == "files":
                    for entry in self._ws.blobs.manifest(pin["blob"]):
                        self._look_at_blob(entry["digest"])
        except (KeyError, TypeError):  # what a pin is made of is not there
            yield Finding("error", "content", f"{artifact.ref}: its pin {pin!r:.200} points nowhere", _FROM_A_BACKUP)
        except (NotFound, Corrupted, BadInput) as error:
            said = f"{error.message}" + (f" ({error.got})" if error.got else "")
            yield Finding("error", "content", f"{artifact.ref}: {said}"[:500], _mend(artifact, error))

    def _look_at_table(self, pin: dict[str, Any]) -> None:
        from pickaxe.kernel.tables.lake import Pin

        wanted = Pin(**pin)
        if (wanted.name, wanted.snapshot_id) in self.tables:
            return
        if self._quick:
            self._ws.tables.look(wanted)
        else:
            self._ws.tables.verify(wanted)
        self.tables.add((wanted.name, wanted.snapshot_id))

    def _look_at_blob(self, digest: str) -> None:
        if digest in self.blobs:
            return
        if self._quick:
            self._ws.blobs.size(digest)
        else:
            self._ws.blobs.open(digest).close()
        self.blobs[digest] = None

    def leftovers(self) -> Iterator[Finding]:
        """Files that nothing points at, where they are plain files of the folder."""
        root: Path = self._ws.path / "blobs" / "sha256"
        if not root.is_dir() or self._ws.stores.location.objects is not None:
            return
        names = {f"{digest.partition(':')[2][:2]}/{digest.partition(':')[2][2:]}" for digest in self.blobs}
        orphans = [file for file in root.glob("*/*") if file.relative_to(root).as_posix() not in names]
        if orphans and self._all_known():
            size = sum(file.stat().st_size for file in orphans if file.exists())
            mend = "a run that ended before its outputs were recorded left them; they may be removed while nothing runs"
            yield Finding(
                "note", "files", f"{len(orphans)} blobs ({size:,} bytes) belong to no artifact, such as {orphans[0].name}", mend
            )

    def _all_known(self) -> bool:
        """Whether every artifact was looked at to its end: otherwise a file may belong to one that was not."""
        with self._ws.catalog.read() as connection:
            pins = connection.execute(sa.select(artifacts.c.pin).where(artifacts.c.stored != "table")).scalars().all()
        return all(pin.get("blob") in self.blobs for pin in pins)


_FROM_A_BACKUP = "restore a backup (pickaxe restore) and go on there, or copy the file that is missing from it"


def _mend(artifact: Artifact, error: PickaxeError) -> str:
    """What brings content back. A run whose content is lost is answered from the cache when it is asked for again, and a table that was
    imported is known: neither is written anew. An imported file or document is."""
    if artifact.run_id or artifact.stored == "table":
        return f"{_FROM_A_BACKUP}; without one, make it again in a new workspace: the same content has the same digest"
    damaged = f"remove the damaged file ({error.details.get('digest', 'see above')}); " if isinstance(error, Corrupted) else ""
    return f"{damaged}it was imported: import it again under the same name, or {_FROM_A_BACKUP}"
