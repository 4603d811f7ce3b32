"""What the jump box finds: pages, tasks, endpoints, artifacts and runs by a part of their name; anything with an id by its beginning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from pickaxe.console.menu import MENU
from pickaxe.console.site import Site, link
from pickaxe.console.words import LANGUAGES, Translate, translator
from pickaxe.flows.job_view import JOB, job_of
from pickaxe.kernel import finding
from pickaxe.kernel.browse import newest_versions
from pickaxe.kernel.errors import PickaxeError
from pickaxe.kernel.newest import newest_of_each_name, newest_run_ids
from pickaxe.kernel.workspace import Workspace

MOST = 6
"""Of each sort."""
_BELOW_MENU = (
    ("data.sql", "/data/-/sql"),
    ("plan.claims", "/plan/claims"),
    ("plan.forecasts", "/plan/forecasts"),
)
"""Pages that the navigation does not lead to: word and address."""
_TRACE = re.compile(r"[0-9a-f]{4,32}")
_MOST_WORDS = 8

Found = tuple[str, str, str]
"""The sort (a word of the layout), the name, the address."""


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/search")
    def search(request: Request, q: Annotated[str, Query(min_length=1, max_length=200)]) -> Response:
        """``[{"name", "href", "kind"}]``; `kind` in the reader's language."""
        t, wanted = site.words_of(request), q.strip().lower()
        found = [*_pages(wanted, t), *_things(site.workspace_of(request), wanted)] if wanted else []
        answer = [{"name": name, "href": href, "kind": t(f"layout.{sort}")} for sort, name, href in dict.fromkeys(found)]
        return JSONResponse(answer, headers={"Cache-Control": "private, no-store"})

    return routes


def _pages(wanted: str, t: Translate) -> Iterator[Found]:
    """By their names in any of our languages: who reads one may think in another."""
    for word, address in (*((f"layout.{item.name}", item.path) for item in MENU), *_BELOW_MENU):
        if any(wanted in translator(language)(word).lower() for language in LANGUAGES):
            yield "page", t(word), address


def _things(workspace: Workspace, wanted: str) -> Iterator[Found]:
    yield from _by_id(workspace, wanted)
    yield from _by_reference(workspace, wanted)
    words = wanted.split()[:_MOST_WORDS]
    for name in finding.run_scopes(workspace, words, limit=MOST):
        yield "tasks", name, link("tasks", name)
    for name in finding.likeliest((endpoint.name for endpoint in workspace.endpoints()), words)[:MOST]:
        yield "endpoints", name, link("endpoints", name)
    names = finding.artifact_names(workspace, words, limit=MOST)
    newest = newest_versions(workspace, names)
    for name in names:
        yield "artifacts", newest[name].ref, link("artifacts", newest[name].id)
    names = finding.run_names(workspace, words, limit=MOST)
    ids = newest_run_ids(workspace, names)
    for name in names:
        yield "runs", name, link("runs", ids[name])


def _by_id(workspace: Workspace, wanted: str) -> Iterator[Found]:
    if wanted.startswith("run-"):
        for run in finding.runs_by_id(workspace, wanted, limit=MOST):
            yield "runs", f"{run.name} {run.id}", link("runs", run.id)
    if wanted.startswith("art-"):
        for item in finding.artifacts_by_id(workspace, wanted, limit=MOST):
            yield "artifacts", f"{item.ref} {item.id}", link("artifacts", item.id)
    if wanted.startswith("job-"):
        for id in finding.subjects(workspace, JOB, wanted, limit=MOST):
            name = job_of(workspace, id).name
            yield "job", f"{name} {id}", link("tasks", name) if newest_of_each_name(workspace, name, most=1) else "/"
    if _TRACE.fullmatch(wanted):
        for id in finding.subjects(workspace, "trace", wanted, limit=MOST):
            yield "traces", id, link("traces", id)


def _by_reference(workspace: Workspace, wanted: str) -> Iterator[Found]:
    """``name:3`` and ``name@alias``."""
    if ":" in wanted or "@" in wanted:
        try:
            item = workspace.artifact(wanted)
        except PickaxeError:
            return
        yield "artifacts", item.ref, link("artifacts", item.id)
