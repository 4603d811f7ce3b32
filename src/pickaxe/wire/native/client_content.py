"""Content behind a server: what is uploaded, and what is downloaded and checked against the digests on record."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.digest import PREFIX, bytes_digest, folder_digest, manifest_bytes
from pickaxe.kernel.errors import BadInput, Corrupted
from pickaxe.kernel.nouns import Artifact
from pickaxe.wire.native.api import PAGE, Api
from pickaxe.wire.native.arrow import MEDIA
from pickaxe.wire.native.client_artifacts import RemoteArtifacts, artifact_of
from pickaxe.wire.native.routes_imports import TAR

if TYPE_CHECKING:
    import pyarrow as pa


class RemoteContent:
    """The part of `RemoteWorkspace` that carries files, tables and documents."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.artifacts = RemoteArtifacts(api)
        self._kept = tempfile.TemporaryDirectory(prefix="pickaxe-files-")

    def artifact(self, reference: Artifact | str) -> Artifact:
        """By id, ``name`` (newest), ``name:3`` or ``name@alias``; an artifact is itself. So do all that take an artifact.

        Raises `NotFound`.
        """
        return reference if isinstance(reference, Artifact) else self.artifacts.get(reference)

    def import_files(self, path: Path | str, name: str, *, kind: str = "source") -> Artifact:
        """Upload a file or folder; the same content under the same name is taken once."""
        path = Path(path)
        if not path.exists():
            raise BadInput(f"{path} does not exist", expected="a file or folder", remedy="check the path")
        if path.is_file():
            with path.open("rb") as content:
                return artifact_of(
                    self.api.upload("/v1/imports", content, "application/octet-stream", name=name, kind=kind, filename=path.name)
                )
        with tempfile.TemporaryFile() as spool:
            with tarfile.open(fileobj=spool, mode="w") as archive:
                for file in sorted(path.rglob("*")):
                    if file.is_file():
                        archive.add(file.resolve(), arcname=str(file.relative_to(path)))
            spool.seek(0)
            return artifact_of(self.api.upload("/v1/imports", spool, TAR, name=name, kind=kind, filename=path.name))

    def import_table(self, table: pa.Table, name: str, *, kind: str = "dataset") -> Artifact:
        """Upload a table; the same rows under the same name once."""
        import pyarrow as pa

        with tempfile.TemporaryFile() as spool:
            with pa.ipc.new_stream(spool, table.schema) as writer:
                writer.write_table(table)
            spool.seek(0)
            return artifact_of(self.api.upload("/v1/imports", spool, MEDIA, name=name, kind=kind))

    def import_json(self, document: Any, name: str, *, kind: str = "report", meta: Mapping[str, Any] | None = None) -> Artifact:
        """Keep a JSON document; the same document under the same name is taken once."""
        told = {"name": name, "document": document, "kind": kind, "meta": dict(meta or {})}
        return artifact_of(self.api.post("/v1/documents", told))

    def read_table(self, artifact: Artifact | str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows in the order they were saved. Raises `Corrupted` when a whole table is not what its digest says."""
        from pickaxe.kernel.digest import table_digest

        artifact = self.artifact(artifact)
        table = self.api.table("GET", f"/v1/rows/{artifact.id}", params={"column": _named(columns)})
        if columns is None and (found := table_digest(table)) != artifact.digest:
            raise _damaged(artifact, found)
        return table

    def read_rows(self, artifact: Artifact | str, begin: int, count: int, columns: Sequence[str] | None = None) -> pa.Table:
        """At most `count` rows from the `begin`-th (0 is the first), of more than 1,000 in several requests."""
        import pyarrow as pa

        artifact = self.artifact(artifact)
        parts: list[pa.Table] = []
        while not parts or (len(parts[-1]) == PAGE and sum(map(len, parts)) < count):
            place = begin + sum(map(len, parts))
            asked = {"column": _named(columns), "after": str(place), "limit": min(begin + count - place, PAGE)}
            parts.append(self.api.table("GET", f"/v1/rows/{artifact.id}", params=asked))
        return pa.concat_tables(parts)

    def files(self, artifact: Artifact | str) -> Path:
        """A local copy of the file or folder, under its own name, for as long as this connection is open. Raises `Corrupted`."""
        artifact = self.artifact(artifact)
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

    def read_json(self, artifact: Artifact | str) -> Any:
        """The document."""
        return self.api.get(f"/v1/documents/{self.artifact(artifact).id}")


def _named(columns: Sequence[str] | None) -> list[str] | None:
    return None if columns is None else list(columns)


def _damaged(artifact: Artifact, found: str) -> Corrupted:
    return Corrupted(
        f"what came for {artifact.ref} is not what is on record",
        expected=artifact.digest if artifact.digest.startswith(PREFIX) else None,
        got=found[:200],
        remedy="try again; if it happens again, run `pickaxe doctor` where the workspace is",
    )
