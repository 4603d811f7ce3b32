"""Carrying a workspace to other stores: SQLite to PostgreSQL, a folder to a bucket, plain to encrypted, and back.

What is content-addressed goes first (blobs, tables), then every row of the catalog in one transaction: until that is committed the
target is no workspace, so a move that was killed is simply made again and goes on where it was. Ids, digests, numbers of events, the
ledger's facts stay as they are; only where a table lies (its pin) is the target's own. In the end both are compared, row by row, and
everything in the target is read back and hashed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from pickaxe.kernel.artifacts import Artifacts
from pickaxe.kernel.catalog.schema import tenants
from pickaxe.kernel.errors import Conflict, Corrupted, NotFound
from pickaxe.kernel.location import FILE, PRIVATE, VARIABLES, Location
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.peers import living
from pickaxe.kernel.stores import Stores
from pickaxe.kernel.system.disk import storage_errors
from pickaxe.kernel.system.lock import WriterLock
from pickaxe.kernel.tables.metadata import metadata_at
from pickaxe.kernel.upkeep.move_rows import RowsOf, copy_rows, is_empty, rows_of

if TYPE_CHECKING:
    from pickaxe.kernel.tables.lake import Pin

JOURNAL = "move.jsonl"
_OURS = {FILE, JOURNAL}

Tell = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What arrived, and was found to be the same. `rows`: count and digest of each of the catalog's tables."""

    tables: int
    blobs: int
    rows: Mapping[str, RowsOf]


@dataclass(frozen=True, slots=True)
class _Item:
    """An artifact and where the source keeps it."""

    artifact: Artifact
    pin: Mapping[str, Any]


def move(source: Path, target: Path, to: Mapping[str, str], tell: Tell = lambda stage, done, total: None) -> Moved:
    """Carry the workspace in the folder `source` to the folder `target` and compare them; the source is only read.

    `to` is written to the target's ``workspace.toml``: catalog, objects, key, as there. The environment's own catalog, objects and
    key are not looked at, as they could be meant for either side. Raises `NotFound` (no workspace at the source), `WriterBusy` or
    `Conflict` (somebody writes to it; the target holds something else), `Corrupted` (the source is damaged, or the target is not
    what was sent).
    """
    if source.resolve() == target.resolve():
        raise Conflict(
            "a workspace cannot be moved onto itself", remedy="name another folder; the old one may be removed afterwards"
        )
    with _quiet(_location(source)) as from_:
        return _carried(from_, target, to, tell, checkpoints=True)


def gather(source: Location, target: Path, tell: Tell = lambda stage, done, total: None) -> Moved:
    """Carry a workspace that may be in use, as it is at one instant, into the new folder `target`; encrypted with the same key, if it is.

    Whatever the catalog means at that instant is never changed and never removed, so it can be read at leisure. Left out are the
    checkpoints of runs under way. Raises `NotFound`, `Conflict` (something is in `target`), `Corrupted`, as `move` does.
    """
    stores = Stores(source, "r")
    try:
        with stores.catalog.frozen():
            return _carried(stores, target, {"key": source.key} if source.key else {}, tell, checkpoints=False)
    finally:
        stores.close()


def _carried(from_: Stores, target: Path, to: Mapping[str, str], tell: Tell, *, checkpoints: bool) -> Moved:
    with _Journal(target, from_.location, to) as journal:
        with _opened(_location(target), journal) as there:
            if checkpoints:
                _send_checkpoints(from_, there)
            moved = _carry(from_, there, journal, tell)
        journal.remove()
    return moved


def _carry(from_: Stores, to: Stores, journal: _Journal, tell: Tell) -> Moved:
    items = list(_items(from_))
    if is_empty(to.catalog):
        blobs = _send_blobs(from_, to, items, tell)
        pins = _send_tables(from_, to, items, journal, tell)
        tell("rows", 0, 1)
        copy_rows(from_.catalog, to.catalog, pins)
        tell("rows", 1, 1)
    else:  # killed after its last step: all that is left is to compare
        blobs = len(set(_blob_digests(from_, items)))
    rows = _compare_rows(from_, to)
    _read_back(to, tell)
    return Moved(sum(item.artifact.stored == "table" for item in items), blobs, rows)


def _location(folder: Path) -> Location:
    return Location.of(folder, {name: value for name, value in os.environ.items() if name not in VARIABLES})


@contextmanager
def _quiet(source: Location) -> Iterator[Stores]:
    """The source, open to read, while nobody writes to it."""
    lock = None
    if source.catalog is None:
        if not (source.folder / "catalog.db").exists():
            raise NotFound(
                f"no workspace at {source.folder}", remedy="check the path; the environment is not asked for the source"
            )
        lock = WriterLock(source.folder / "writer.lock").acquire()
    try:
        stores = Stores(source, "r")
        try:
            if source.catalog is not None and (busy := living(stores.catalog)):
                raise Conflict(
                    "the workspace to move is being written",
                    got=f"{len(busy)} living writers ({', '.join(busy)})",
                    remedy="stop the servers and runs that use it, then move it",
                )
            yield stores
        finally:
            stores.close()
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def _opened(target: Location, journal: _Journal) -> Iterator[Stores]:
    """The target, open to write; refused when it holds anything that this very move did not put there."""
    stores = Stores(target, "w", alive=False)
    try:
        if not journal.resumed:
            _refuse_occupied(stores)
        yield stores
    finally:
        stores.close()


def _refuse_occupied(target: Stores) -> None:
    if found := rows_of(target.catalog, counts_only=True):
        raise _occupied(f"rows in its catalog ({', '.join(found)})")
    files = target.places.data_files(target.scratch)
    if metadata_at(target.location).exists() or (files is not None and files.any()):
        raise _occupied("tables")


class _Journal:
    """What this move is and which tables have arrived: lines in a file of the target's folder, so that it can go on after a kill.

    A move that is refused before it has begun leaves nothing.
    """

    def __init__(self, folder: Path, source: Location, to: Mapping[str, str]) -> None:
        self._path = folder / JOURNAL
        self._from = source.describe()
        self.resumed = self._path.exists()
        if not self.resumed and folder.exists():
            strange = sorted({entry.name for entry in folder.iterdir()} - _OURS)
            if strange:
                raise _occupied(f"{', '.join(strange[:5])} in {folder}")
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        self.pins: dict[tuple[str, int], dict[str, Any]] = {}
        self._read()
        self._file = self._path.open("a", encoding="utf-8")
        if not self.resumed:
            self._write({"move": self._from})
        self._settled = _settle(folder, to)

    def arrived(self, pins: Mapping[tuple[str, int], Pin]) -> None:
        """Those tables are safe in the target."""
        for (name, snapshot), pin in pins.items():
            self._write({"table": name, "snapshot": snapshot, "pin": asdict(pin)})
            self.pins[name, snapshot] = asdict(pin)

    def remove(self) -> None:
        self._file.close()
        self._path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is not None and issubclass(kind, Conflict) and not self.resumed and not self.pins:
            self._path.unlink(missing_ok=True)
            if self._settled:
                (self._path.parent / FILE).unlink(missing_ok=True)

    def _read(self) -> None:
        for line in self._path.read_text(encoding="utf-8").splitlines() if self.resumed else ():
            try:
                said = json.loads(line)
            except ValueError:
                continue  # the last line of a killed move
            if said.get("move", self._from) != self._from:
                raise _occupied(f"a move from {said['move']['folder']} that has not ended")
            if "table" in said:
                self.pins[said["table"], said["snapshot"]] = said["pin"]

    def _write(self, said: Mapping[str, Any]) -> None:
        with storage_errors(self._path.parent):
            self._file.write(json.dumps(said) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())


def _settle(folder: Path, to: Mapping[str, str]) -> bool:
    """Write the target's ``workspace.toml``, if it is to have one; it may hold a password, so it is the owner's alone."""
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in to.items())
    file = folder / FILE
    if not lines or (file.exists() and file.read_text(encoding="utf-8") == lines):
        return False
    if file.exists():
        raise _occupied(f"another {file}")
    with storage_errors(folder), os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(lines)
    return True


def _occupied(got: str) -> Conflict:
    return Conflict(
        "the target holds something else",
        expected="a new folder (and an empty database and bucket prefix)",
        got=got,
        remedy="choose another target, or remove what is there",
    )


def _items(stores: Stores) -> Iterator[_Item]:
    """Every tenant's artifacts, oldest first."""
    with stores.catalog.read() as connection:
        everyone = connection.execute(sa.select(tenants.c.id).order_by(tenants.c.id)).scalars().all()
    for tenant in everyone:
        theirs = Artifacts(stores.catalog, tenant)
        for artifact in theirs.list():
            yield _Item(artifact, theirs.pin(artifact))


def _send_blobs(from_: Stores, to: Stores, items: Sequence[_Item], tell: Tell) -> int:
    """Every blob that an artifact names; one that is there already is not sent again."""
    digests = list(dict.fromkeys(_blob_digests(from_, items)))
    for done, digest in enumerate(digests):
        tell("blobs", done, len(digests))
        arrived, _ = to.blobs.put_file(from_.blobs.materialise(digest, "file"))
        if arrived != digest:
            raise Corrupted("a blob changed on its way", expected=digest, got=arrived, remedy="check the disks and move again")
    tell("blobs", len(digests), len(digests))
    return len(digests)


def _blob_digests(from_: Stores, items: Sequence[_Item]) -> Iterator[str]:
    for item in items:
        if item.artifact.stored == "table":
            continue
        yield item.pin["blob"]
        if item.artifact.stored == "files":
            yield from (entry["digest"] for entry in from_.blobs.manifest(item.pin["blob"]))


def _send_tables(
    from_: Stores, to: Stores, items: Sequence[_Item], journal: _Journal, tell: Tell
) -> Mapping[tuple[str, int], Mapping[str, Any]]:
    """Every table that an artifact names, those of one snapshot in one; by name and snapshot in the source, its pin in the target."""
    wanted: dict[int, dict[str, _Item]] = {}
    for item in items:
        if item.artifact.stored == "table" and (item.pin["name"], item.pin["snapshot_id"]) not in journal.pins:
            wanted.setdefault(item.pin["snapshot_id"], {})[item.pin["name"]] = item
    for done, (snapshot, of_snapshot) in enumerate(sorted(wanted.items())):
        tell("tables", done, len(wanted))
        rows = {name: from_.content.read_table(item.artifact, item.pin, None) for name, item in of_snapshot.items()}
        arrived = to.tables.write_many(rows)
        journal.arrived({(name, snapshot): pin for name, pin in arrived.items()})
    tell("tables", len(wanted), len(wanted))
    return journal.pins


def _send_checkpoints(from_: Stores, to: Stores) -> None:
    """What interrupted runs go on from."""
    if from_.places.checkpoints.is_dir():
        with storage_errors(to.path):
            shutil.copytree(from_.places.checkpoints, to.places.checkpoints, dirs_exist_ok=True)


def _compare_rows(from_: Stores, to: Stores) -> Mapping[str, RowsOf]:
    sent, arrived = rows_of(from_.catalog), rows_of(to.catalog)
    for table, expected in sent.items():
        if arrived[table] != expected:
            raise Corrupted(
                f"the rows of {table} are not the same on both sides",
                expected=f"{expected.count} rows, {expected.digest}",
                got=f"{arrived[table].count} rows, {arrived[table].digest}",
                remedy="was the source written during the move? Remove the target and move again",
            )
    return arrived


def _read_back(to: Stores, tell: Tell) -> None:
    """Everything in the target, from where it is kept, against its digest."""
    from pickaxe.kernel.tables.lake import Pin

    items = list(_items(to))
    for done, item in enumerate(items):
        tell("check", done, len(items))
        if item.artifact.stored == "table":
            to.tables.verify(Pin(**item.pin))
            to.content.read_table(item.artifact, item.pin, None)
        else:
            to.blobs.read_bytes(item.pin["blob"])
            if item.artifact.stored == "files":
                for entry in to.blobs.manifest(item.pin["blob"]):
                    to.blobs.open(entry["digest"]).close()
    tell("check", len(items), len(items))
