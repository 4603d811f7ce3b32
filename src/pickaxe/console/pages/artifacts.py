"""Artifacts: names and versions, a card for each, what it was made from and what was made of it, what two versions differ in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from starlette.responses import Response

from pickaxe.console import charts, graph
from pickaxe.console.difference import difference
from pickaxe.console.documents import histograms_in
from pickaxe.console.forms import After, Text
from pickaxe.console.markdown import markup, says
from pickaxe.console.site import Site
from pickaxe.console.words import DEFAULT, Translate, catalogue
from pickaxe.kernel import browse
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.cost import cost_of
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.tables.arrow import python_values
from pickaxe.kernel.workspace import Workspace

PAGE = 40
VERSIONS = 20
SHOWN_ROWS = 15
_OURS = "library_name: pickaxe"
_HEADING = "artifacts.card_"
LARGEST_SHOWN = 200_000
"""Bytes of a document that the card quotes."""


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/artifacts")
    def index(request: Request, q: Text = "", kind: Text = "", after: After = None) -> Response:
        workspace = site.workspace_of(request)
        found, following = browse.names(workspace, kind=kind or None, contains=q, after=after, limit=PAGE)
        kinds = browse.kinds(workspace)
        return site.page(request, "artifacts.html", found=found, kinds=kinds, q=q, kind=kind, after=after, following=following)

    @routes.get("/artifacts/diff")
    def diff(request: Request, a: Text = "", b: Text = "") -> Response:
        workspace = site.workspace_of(request)
        if not (a and b):
            raise BadInput(
                "two artifacts are compared",
                expected="a and b, each a name, name:3, name@alias or an id",
                see="artifacts",
                reason="compare_two",
            )
        before, now = workspace.artifact(a), workspace.artifact(b)
        if before.stored != now.stored:
            raise BadInput(
                "these two cannot be compared",
                expected=f"another {before.stored}",
                got=now.stored,
                reason="compare_unlike",
                stored=before.stored,
            )
        return site.page(request, "artifact_diff.html", a=before, b=now, found=difference(workspace, before, now))

    @routes.get("/artifacts/{reference:path}")
    def one(
        request: Request,
        reference: str,
        view: Annotated[str, Query(pattern="^(card|lineage)$")] = "card",
        up: Annotated[int, Query(ge=0, le=12)] = 4,
        down: Annotated[int, Query(ge=0, le=12)] = 2,
    ) -> Response:
        workspace = site.workspace_of(request)
        item = workspace.artifact(reference)
        versions = browse.versions(workspace, item.name, limit=VERSIONS)
        if view == "lineage":
            drawn, near = _lineage(site, request, workspace, item, up, down)
            return site.page(request, "artifact_lineage.html", item=item, drawn=drawn, near=near, up=up, down=down)
        content = _content(workspace, item, site.language_of(request))
        return site.page(
            request,
            "artifact.html",
            item=item,
            versions=versions,
            before=next((other for other in versions if other.version < item.version), None),
            maker=workspace.runs.get(item.run_id) if item.run_id else None,
            cost=cost_of(workspace, item),
            content=content,
            charts=_profile(content.get("document"), site.words_of(request)),
        )

    return routes


def _profile(document: object, t: Translate) -> dict[str, charts.Spec]:
    """A chart for each histogram in a document."""
    drawn = histograms_in(document).items()
    return {name: charts.histogram(bins, x=name, y=t("artifacts.texts")) for name, bins in drawn}


def _lineage(
    site: Site, request: Request, workspace: Workspace, item: Artifact, up: int, down: int
) -> tuple[Any, browse.Neighbourhood]:
    near = browse.around(workspace, item.id, up=up, down=down)
    artifacts = workspace.artifacts.many(list(near.artifact_ids))
    runs = browse.run_names(workspace, list(near.run_ids))
    return graph.drawing(near, artifacts, runs, item.id, site.language_of(request), item.ref), near


def _content(workspace: Workspace, item: Artifact, language: str) -> Mapping[str, Any]:
    """What can be shown of the content: a few rows, a small document, a model's card and its files."""
    if item.stored == "table":
        table = workspace.read_table(item) if (item.meta.get("rows") or 0) <= LARGEST_SHOWN // 4 else None
        return {"columns": table.column_names, "rows": _rows(table.slice(0, SHOWN_ROWS))} if table is not None else {}
    if item.stored == "json":
        return {"document": workspace.read_json(item)} if item.size <= LARGEST_SHOWN else {}
    path = workspace.files(item)
    if path.is_file():
        return {"files": [(path.name, path.stat().st_size)]}
    files = sorted((file.relative_to(path).as_posix(), file.stat().st_size) for file in path.rglob("*") if file.is_file())
    card = path / "README.md"
    small = card.is_file() and card.stat().st_size <= LARGEST_SHOWN
    return {"files": files, "card": _card(card.read_text(encoding="utf-8", errors="replace"), language) if small else ""}


def _card(text: str, language: str) -> Markup:
    """A model card; of one that we wrote the headings are in the reader's language."""
    if language == DEFAULT or not says(text, _OURS):
        return markup(text)
    ours, theirs = catalogue(DEFAULT), catalogue(language)
    headings = {ours[key]: theirs[key] for key in ours if key.startswith(_HEADING)}
    return markup(text, headings=headings, language=language)


def _rows(table: Any) -> list[dict[str, Any]]:
    columns = [python_values(column) for column in table.columns]
    return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]
