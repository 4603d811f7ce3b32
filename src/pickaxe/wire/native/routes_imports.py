"""Uploads: a file, a folder as a tar, or a table as an Arrow IPC stream becomes an artifact."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.system.disk import storage_errors
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.errors import SlowClient, TooLarge
from pickaxe.serve.http import reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.arrow import MEDIA
from pickaxe.wire.native.door import Door, declared
from pickaxe.wire.native.nouns import ArtifactInfo, artifact_json

_MAX_BYTES = 8 << 30
_MAX_ENTRIES = 100_000
_PART = 1 << 20
_SILENT_SECONDS = 30.0
TAR = "application/x-tar"


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["artifacts"])
    told = declared("write", ArtifactInfo, examples.ARTIFACT | {"kind": "source", "run_id": None}, status=201)
    binary = {"schema": {"type": "string", "format": "binary"}}
    body = {"requestBody": {"required": True, "content": dict.fromkeys(("application/octet-stream", TAR, MEDIA), binary)}}

    @routes.post("/imports", summary="Upload a file, a folder or a table", openapi_extra=body, **told)
    async def upload(
        request: Request,
        name: Annotated[str, Query(min_length=1, max_length=200, description="name of the artifact")],
        kind: Annotated[str, Query(min_length=1, max_length=100)] = "source",
        filename: Annotated[str, Query(max_length=200, description="of a single file")] = "file",
    ) -> Response:
        """The body is the file; with ``Content-Type: application/x-tar`` a folder, with ``application/vnd.apache.arrow.stream`` a
        table. The same content under the same name is taken once."""
        workspace = await run_in_threadpool(door.seen, request)
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        with storage_errors(workspace.path), tempfile.TemporaryFile(dir=workspace.scratch) as spool:
            await _received(request, spool)
            spool.seek(0)
            artifact = await run_in_threadpool(_imported, workspace, spool, media, name, kind, filename)
        return reply(request, artifact_json(artifact), status=201)

    return routes


async def _received(request: Request, spool: BinaryIO) -> None:
    """The body into a file, part by part; a client that stops sending is let go."""
    import asyncio

    size = 0
    parts = request.stream()
    while True:
        try:
            async with asyncio.timeout(_SILENT_SECONDS):
                part = await anext(parts, None)
        except TimeoutError:
            raise SlowClient(f"nothing came for {_SILENT_SECONDS:g} s", got=f"{size} bytes") from None
        if part is None:
            return
        size += len(part)
        if size > _MAX_BYTES:
            raise TooLarge("the upload is too large", expected=f"at most {_MAX_BYTES} bytes")
        await run_in_threadpool(spool.write, part)


def _imported(workspace: Workspace, spool: BinaryIO, media: str, name: str, kind: str, filename: str) -> Artifact:
    if media == MEDIA:
        return workspace.import_table(_table(spool), name, kind=kind)
    with tempfile.TemporaryDirectory(dir=workspace.scratch) as folder:
        place = Path(folder) / "content"
        if media == TAR:
            _unpacked(spool, place)
            return workspace.import_files(place, name, kind=kind)
        place.mkdir()
        file = place / _plain(filename)
        with file.open("xb") as sink:
            while part := spool.read(_PART):
                sink.write(part)
        return workspace.import_files(file, name, kind=kind)


def _table(spool: BinaryIO):
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(spool) as reader:
            return reader.read_all()
    except pa.ArrowInvalid as error:
        raise BadInput("the body is not an Arrow IPC stream", got=str(error)[:200]) from None


def _plain(filename: str) -> str:
    """One path part; raises `BadInput`."""
    parts = PurePosixPath(filename).parts
    if len(parts) != 1 or filename in (".", "..", "/") or "\0" in filename or "\\" in filename:
        raise BadInput(f"{filename!r:.100} is not a file name", expected="a name without slashes")
    return filename


def _unpacked(spool: BinaryIO, folder: Path) -> None:
    """Regular files and folders that stay inside (Python's ``data`` filter, PEP 706); raises `BadInput` for anything else."""
    folder.mkdir()
    try:
        with tarfile.open(fileobj=spool, mode="r:") as archive:
            for count, member in enumerate(archive):
                if not (member.isfile() or member.isdir()) or count >= _MAX_ENTRIES:
                    raise BadInput(
                        f"{member.name!r:.100} may not be uploaded", expected=f"at most {_MAX_ENTRIES} files and folders"
                    )
                archive.extract(member, folder, filter="data")
    except tarfile.TarError as error:
        raise BadInput(
            "the body is not a tar that can be unpacked", expected="files and folders with relative paths", got=str(error)[:200]
        ) from None
