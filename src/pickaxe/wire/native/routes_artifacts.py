"""Artifacts: versions, rows, files, documents, aliases. What lies below a reference has a noun of its own in the path, because a
reference may itself end with any word (``headlines/rows``)."""

from __future__ import annotations

import mimetypes
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import FileResponse, Response

from pickaxe.kernel.artifacts import checked_kind, checked_name
from pickaxe.kernel.digest import folder_files
from pickaxe.kernel.errors import BadInput, NotFound
from pickaxe.serve.auditing import note
from pickaxe.serve.http import RequestBody, reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.arrow import arrow_reply, json_rows, wants_arrow
from pickaxe.wire.native.door import After, Door, Ids, Limit, declared, page_reply
from pickaxe.wire.native.live import sequence
from pickaxe.wire.native.nouns import ArtifactInfo, Page, artifact_json


class Rows(BaseModel):
    """Some rows of a table, in the order they were saved."""

    columns: list[str]
    items: list[list[Any]]
    total: int
    next: str | None = None


class FileEntry(BaseModel):
    """One file of an artifact."""

    path: str
    size: int


class FileList(BaseModel):
    folder: bool = Field(description="false for a single file")
    files: list[FileEntry]


class NewAlias(RequestBody):
    artifact: str = Field(min_length=1, max_length=300, description="id, name, name:3 or name@alias")
    alias: str = Field(min_length=1, max_length=100)


class NewDocument(RequestBody):
    name: str = Field(min_length=1, max_length=200, description="name of the artifact")
    document: Any = Field(description="any JSON value")
    kind: str = Field(default="report", min_length=1, max_length=100)
    meta: dict[str, Any] = Field(default={}, description="what should be known of it without reading it")


_ROWS = {"columns": ["row_key", "text"], "items": [["00f067aa0ba902b7", "Area man naps"]], "total": 28614, "next": "1"}
_FILES = {"folder": True, "files": [{"path": "pickaxe.json", "size": 312}, {"path": "weights.npz", "size": 812033}]}


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["artifacts"])

    @routes.get(
        "/artifacts", summary="Artifacts, newest first", **declared("read", Page[ArtifactInfo], examples.page(examples.ARTIFACT))
    )
    def artifacts(
        request: Request,
        kind: Annotated[str | None, Query(max_length=100)] = None,
        prefix: Annotated[str, Query(max_length=200, description="names that begin so")] = "",
        name: Annotated[str | None, Query(max_length=200, description="every version of this name")] = None,
        run_id: Annotated[str | None, Query(max_length=100, description="made by this run")] = None,
        digest: Annotated[str | None, Query(max_length=100, description="of this content")] = None,
        id: Ids = None,
        after: After = None,
        limit: Limit = 50,
    ) -> Response:
        artifacts = door.seen(request).artifacts
        if id is not None:
            return page_reply(request, [artifact_json(item) for item in artifacts.many(id).values()], None)
        found, following = artifacts.page(
            kind=kind, prefix=prefix, name=name, run_id=run_id, digest=digest, after=after, limit=limit
        )
        return page_reply(request, [artifact_json(item) for item in found], following)

    @routes.get("/artifacts/{ref:path}", summary="One version", **declared("read", ArtifactInfo, examples.ARTIFACT))
    def artifact(ref: str, request: Request) -> Response:
        """`ref`: an id, ``name`` (the newest), ``name:3`` or ``name@alias``."""
        return reply(request, artifact_json(door.seen(request).artifact(ref)))

    @routes.post(
        "/aliases",
        summary="Point an alias at a version",
        **declared(
            "write",
            ArtifactInfo,
            examples.ARTIFACT,
            status=201,
            form=NewAlias,
            body_example={"artifact": "headlines/model:3", "alias": "production"},
        ),
    )
    def alias(request: Request, given: NewAlias = door.body(NewAlias)) -> Response:
        workspace = door.seen(request)
        found = workspace.artifact(given.artifact)
        note(request, found.id, artifact=found.ref, alias=given.alias)
        workspace.alias(found, given.alias)
        return reply(request, artifact_json(workspace.artifact(found.id)), status=201)

    @routes.get("/rows/{ref:path}", summary="Rows of a table", **declared("read", Rows, _ROWS))
    def rows(
        ref: str,
        request: Request,
        column: Annotated[list[str] | None, Query(max_length=500, description="only these columns")] = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Response:
        """A page, `after` being the row it begins behind; with ``Accept: application/vnd.apache.arrow.stream`` an Arrow IPC stream:
        of the page where `after` is given, else of the whole table."""
        workspace = door.seen(request)
        found = workspace.artifact(ref)
        if wants_arrow(request) and after is None:
            return arrow_reply(workspace.read_table(found, column))
        begin = sequence(after)
        table = workspace.read_rows(found, begin, limit, column)
        if wants_arrow(request):
            return arrow_reply(table)
        total = int(found.meta["rows"])
        end = begin + table.num_rows
        data = {
            "columns": table.column_names,
            "items": json_rows(table),
            "total": total,
            "next": str(end) if end < total else None,
        }
        return reply(request, data)

    @routes.get("/files/{ref:path}", summary="Files of an artifact, or one of them", **declared("read", FileList, _FILES))
    def files(ref: str, request: Request, path: Annotated[str | None, Query(max_length=1000)] = None) -> Response:
        """What there is; with `path` that file's bytes (of a single file: its name)."""
        workspace = door.seen(request)
        place = workspace.files(workspace.artifact(ref))
        known = dict(folder_files(place)) if place.is_dir() else {place.name: place}
        if path is None:
            listed = [{"path": name, "size": file.stat().st_size} for name, file in known.items()]
            return reply(request, {"folder": place.is_dir(), "files": listed})
        if path not in known:
            raise NotFound(f"no file {path!r:.200} in {ref}", expected=f"one of {', '.join(list(known)[:20])}")
        media = mimetypes.guess_type(path)[0] or "application/octet-stream"
        # Nothing that was uploaded may run as a page of ours: scripts in it would act for whoever looks.
        headers = {"content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"}
        return FileResponse(known[path], media_type=media, headers=headers)

    @routes.post(
        "/documents",
        summary="Keep a JSON document",
        **declared(
            "write",
            ArtifactInfo,
            examples.ARTIFACT | {"name": "headlines/notes", "kind": "report", "stored": "json", "run_id": None},
            status=201,
            form=NewDocument,
            body_example={"name": "headlines/notes", "document": {"seen": 12}, "kind": "report", "meta": {"by": "ada"}},
        ),
    )
    def keep_document(request: Request, given: NewDocument = door.body(NewDocument)) -> Response:
        """The same document under the same name is taken once. A long one is uploaded as a file, with ``POST /v1/imports``."""
        kept = door.seen(request).import_json(
            given.document, checked_name(given.name), kind=checked_kind(given.kind), meta=given.meta
        )
        note(request, kept.id, artifact=kept.ref)
        return reply(request, artifact_json(kept), status=201)

    @routes.get("/documents/{ref:path}", summary="A JSON document", **declared("read", Any, {"passed": True}))
    def document(ref: str, request: Request) -> Response:
        workspace = door.seen(request)
        found = workspace.artifact(ref)
        if found.stored != "json":
            raise BadInput(f"{found.ref} is not a document", expected="a json artifact", got=found.stored)
        return reply(request, workspace.read_json(found))

    return routes
