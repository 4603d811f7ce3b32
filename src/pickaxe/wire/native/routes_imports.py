"""Uploads: a file, a folder as a tar, or a table as an Arrow IPC stream becomes an artifact; and a first look at one."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from pickaxe.data.ingest import IngestConfig
from pickaxe.flows.starting import MOST_UPLOADED, look_at, looked
from pickaxe.kernel.artifacts import checked_kind, checked_name
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.system.disk import refuse_full, storage_errors
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.auditing import note
from pickaxe.serve.errors import SlowClient, TooLarge, UnsupportedMedia
from pickaxe.serve.http import reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.arrow import MEDIA
from pickaxe.wire.native.door import Door, declared
from pickaxe.wire.native.nouns import ArtifactInfo, artifact_json
from pickaxe.wire.native.unpacking import plain_name, table_of, unpacked

_PART = 1 << 20
_SILENT_SECONDS = 30.0
_LOOKED_AFTER = 64 << 20
"""Bytes of an upload, between two looks at the disk."""
TAR = "application/x-tar"


class ColumnInfo(BaseModel):
    """A column, as far as the file was read."""

    name: str
    filled: int = Field(description="records with a value")
    words: float = Field(description="words of a value, on average")
    classes: dict[str, int] | None = Field(
        default=None, description="its values and how often each came; null when they are many"
    )


class LookInfo(BaseModel):
    """What a file holds, before anything is made of it."""

    name: str
    format: Literal["csv", "tsv", "jsonl", "parquet"]
    size: int = Field(description="bytes")
    rows: int
    whole: bool = Field(description="whether the whole file was read; else `rows` is an estimate")
    rejected: dict[str, int] = Field(description="records that cannot be read, by reason")
    columns: list[ColumnInfo]
    sample: list[list[str | None]] = Field(description="the first rows, long values cut")
    text: str | None = Field(default=None, description="the column that is likely the text's")
    label: str | None = Field(default=None, description="the column that is likely the label's")
    encoding: str | None = Field(default=None, description="a codec of Python's; null for Parquet")
    encoding_from: Literal["given", "found", "guessed"] = Field(
        default="given", description="guessed: another one may be meant, so look at the sample"
    )
    delimiter: str | None = Field(default=None, description="null for a format without one")
    lines_above: int = Field(default=0, description="lines above the header, such as a title, that are left out")


_LOOK: dict[str, Any] = {
    "name": "tickets.csv",
    "format": "csv",
    "size": 91_204,
    "rows": 2000,
    "whole": True,
    "rejected": {"empty text": 2},
    "columns": [
        {"name": "title", "filled": 1998, "words": 6.1, "classes": None},
        {"name": "kind", "filled": 2000, "words": 1.4, "classes": {"not urgent": 1204, "urgent": 796}},
    ],
    "sample": [["printer on fire again", "urgent"]],
    "text": "title",
    "label": "kind",
    "encoding": "gb18030",
    "encoding_from": "found",
    "delimiter": ";",
    "lines_above": 0,
}


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
        texts: Annotated[bool, Query(description="keep it only if it is a file of texts that a line can read")] = False,
    ) -> Response:
        """The body is the file; with ``Content-Type: application/x-tar`` a folder, with ``application/vnd.apache.arrow.stream`` a
        table. The same content under the same name is taken once."""
        workspace = await run_in_threadpool(door.seen, request)
        _refuse_length(request.headers.get("content-length", "0"), workspace.scratch)
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media == "multipart/form-data":
            raise UnsupportedMedia(
                "a form with a file in it is not read here",
                expected="the file itself as the body",
                got=media,
                remedy="curl: --data-binary @FILE instead of -F",
            )
        with storage_errors(workspace.path), tempfile.TemporaryFile(dir=workspace.scratch) as spool:
            await _received(request, spool, workspace.scratch)
            spool.seek(0)
            artifact = await run_in_threadpool(_imported, workspace, spool, media, name, kind, filename, texts)
        note(request, artifact.id, artifact=artifact.ref)
        return reply(request, artifact_json(artifact), status=201)

    @routes.get("/looks/{ref:path}", summary="What a file of texts holds", **declared("read", LookInfo, _LOOK))
    def first_look(
        ref: str,
        request: Request,
        encoding: Annotated[str, Query(max_length=100, description="a codec of Python's; auto: found by itself")] = "auto",
        delimiter: Annotated[str | None, Query(max_length=10, description="one character; without it found by itself")] = None,
        lines_above: Annotated[
            int | None, Query(ge=0, le=1000, description="above the header; without it found by itself")
        ] = None,
    ) -> Response:
        """Columns, the first rows, and which column is likely the text and which the label. Only the beginning is read: `rows` is an
        estimate unless `whole`. What is found by itself and wrong is given here and, to have it read so, in the task's `ingest`."""
        reading = {"encoding": encoding, "delimiter": delimiter, "skip_before_header": lines_above}
        return reply(request, asdict(look_at(door.seen(request), ref, IngestConfig.parse(reading, where="look"))))

    return routes


async def _received(request: Request, spool: BinaryIO, place: Path) -> None:
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
        except ClientDisconnect:
            raise SlowClient("the upload was broken off", got=f"{size} bytes") from None
        if part is None:
            return
        size += len(part)
        if size > MOST_UPLOADED:
            raise TooLarge("the upload is too large", expected=f"at most {MOST_UPLOADED} bytes")
        if size // _LOOKED_AFTER > (size - len(part)) // _LOOKED_AFTER:
            refuse_full(place)
        await run_in_threadpool(spool.write, part)


def _refuse_length(declared: str, place: Path) -> None:
    """Say it before the body comes."""
    size = int(declared[:20]) if declared.isdecimal() else 0
    if size > MOST_UPLOADED:
        raise TooLarge("the upload is too large", expected=f"at most {MOST_UPLOADED} bytes", got=declared[:20])
    refuse_full(place, size)


def _imported(workspace: Workspace, spool: BinaryIO, media: str, name: str, kind: str, filename: str, texts: bool) -> Artifact:
    if texts and media in (MEDIA, TAR):
        raise BadInput("texts goes with a single file", expected="Content-Type: application/octet-stream", got=media)
    checked_name(name)
    checked_kind(kind)
    if media == MEDIA:
        return workspace.import_table(table_of(spool, os.fstat(spool.fileno()).st_size), name, kind=kind)
    with tempfile.TemporaryDirectory(dir=workspace.scratch) as folder:
        place = Path(folder) / "content"
        if media == TAR:
            unpacked(spool, place)
            return workspace.import_files(place, name, kind=kind)
        place.mkdir()
        file = place / plain_name(filename)
        with file.open("xb") as sink:
            while part := spool.read(_PART):
                sink.write(part)
        if texts:
            looked(file, filename)
        return workspace.import_files(file, name, kind=kind)
