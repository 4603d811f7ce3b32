"""What artifacts hold, in and out of the stores: tables in the lake, files and documents in blobs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.artifacts import Stored
from pickaxe.kernel.digest import canonical_json
from pickaxe.kernel.engine.attempt import Output
from pickaxe.kernel.errors import BadInput, Corrupted
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.system.disk import storage_errors

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.blobs.backend import Blobs
    from pickaxe.kernel.tables.lake import Tables
    from pickaxe.kernel.tables.streamed import Streamed


class Content:
    """Saves first and tells where (`Stored.pin`); the catalog row that makes it an artifact comes second, from the caller."""

    def __init__(self, tables: Callable[[], Tables], blobs: Blobs, scratch: Path) -> None:
        self._tables = tables
        self._blobs = blobs
        self._scratch = scratch

    def store_outputs(self, run_name: str, outputs: Mapping[str, Output]) -> dict[str, Stored]:
        """Everything that a run saved, by its own output names; its tables go into one snapshot."""
        scope = run_name.rpartition("/")[0]
        names = {role: f"{scope}/{role}" if scope else role for role in outputs}
        tables = {
            names[role]: (read_arrow(out.path), out.kind, out.meta) for role, out in outputs.items() if out.stored == "table"
        }
        in_lake = self.store_tables(tables)
        stored: dict[str, Stored] = {}
        for role, output in outputs.items():
            if output.stored == "table":
                stored[role] = in_lake[names[role]]
            elif output.stored == "files":
                stored[role] = self.store_files(output.path, output.kind, output.meta)
            else:
                digest, size = self._blobs.put_bytes(output.path.read_bytes())
                stored[role] = Stored(output.kind, digest, "json", {"blob": digest}, size, dict(output.meta))
        return stored

    def store_tables(self, tables: Mapping[str, tuple[pa.Table, str, Mapping[str, Any]]]) -> dict[str, Stored]:
        """Tables with their kind and meta, by artifact name, in one snapshot."""
        if not tables:
            return {}
        pins = self._tables().write_many({name: table for name, (table, _, _) in tables.items()})
        return {
            name: Stored(
                kind=kind,
                digest=self.table_digest(table),
                stored="table",
                pin=asdict(pins[name]),
                size=pins[name].bytes,
                meta={**meta, "rows": table.num_rows, "columns": list(table.column_names)},
            )
            for name, (table, kind, meta) in tables.items()
        }

    def store_files(self, path: Path, kind: str, meta: Mapping[str, Any]) -> Stored:
        """A folder, or a file, which is kept as a folder of one so that it comes back under its own name."""
        if path.is_dir():
            digest, size = self._blobs.put_folder(path)
            return Stored(kind, digest, "files", {"blob": digest, "file": ""}, size, dict(meta))
        with storage_errors(self._scratch), tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            shutil.copy2(path, Path(folder) / path.name)
            digest, size = self._blobs.put_folder(Path(folder))
        return Stored(kind, digest, "files", {"blob": digest, "file": path.name}, size, dict(meta))

    def store_json(self, document: Any, kind: str, meta: Mapping[str, Any]) -> Stored:
        """A document in canonical form: the same content has the same digest."""
        digest, size = self._blobs.put_bytes(canonical_json(document))
        return Stored(kind, digest, "json", {"blob": digest}, size, dict(meta))

    def read_table(self, artifact: Artifact, pin: Mapping[str, Any], columns: Sequence[str] | None) -> pa.Table:
        """All rows in order; a whole table is checked against the artifact's digest."""
        from pickaxe.kernel.tables.lake import Pin

        _must_be(artifact, "table")
        table = self._tables().read(Pin(**pin), columns)
        if columns is None and (found := self.table_digest(table)) != artifact.digest:
            raise Corrupted(
                f"{artifact.ref} is not what was saved",
                expected=artifact.digest,
                got=found,
                remedy="restore the workspace from a backup, or start over in a new one",
            )
        return table

    def read_rows(
        self, artifact: Artifact, pin: Mapping[str, Any], begin: int, count: int, columns: Sequence[str] | None
    ) -> pa.Table:
        """Some rows in order; the files that hold them are checked."""
        from pickaxe.kernel.tables.lake import Pin

        _must_be(artifact, "table")
        if begin < 0 or count < 0:
            raise BadInput("no such rows", expected="begin and count of 0 or more", got=f"{begin}, {count}")
        return self._tables().read_slice(Pin(**pin), begin, count, columns)

    def stream(self, artifact: Artifact, pin: Mapping[str, Any]) -> Streamed:
        """The rows for a query, which reads of them what it needs; the files that it reads are checked."""
        from pickaxe.kernel.tables.lake import Pin

        _must_be(artifact, "table")
        return self._tables().stream(Pin(**pin))

    def files(self, artifact: Artifact, pin: Mapping[str, Any]) -> Path:
        """A read-only local copy, verified."""
        _must_be(artifact, "files")
        folder = self._blobs.materialise(pin["blob"], "folder")
        return folder / pin["file"] if pin["file"] else folder

    def read_json(self, artifact: Artifact, pin: Mapping[str, Any]) -> Any:
        """The document, verified."""
        _must_be(artifact, "json")
        return json.loads(self._blobs.read_bytes(pin["blob"]))

    @staticmethod
    def table_digest(table: pa.Table) -> str:
        from pickaxe.kernel.digest import table_digest

        return table_digest(table)


def _must_be(artifact: Artifact, stored: str) -> None:
    if artifact.stored != stored:
        raise BadInput(f"{artifact.ref} cannot be read as {stored}", expected=f"a {stored} artifact", got=artifact.stored)


def read_arrow(path: Path) -> pa.Table:
    """A table that a step has saved and no store holds yet."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()
