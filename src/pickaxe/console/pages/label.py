"""Labelling: the queues, the desk where one item after the other is answered, and a form that makes a queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from pickaxe.console.forms import fields_of
from pickaxe.console.site import Site, link
from pickaxe.console.words import Translate
from pickaxe.data.label.forms import COLUMNS, FEWEST_LABELS, FORMS
from pickaxe.data.label.questions import KIND, MOST_OVERLAP
from pickaxe.data.label.queue import Queues, create_queue
from pickaxe.flows.job_view import newest_job
from pickaxe.kernel import browse
from pickaxe.kernel.artifacts import checked_name
from pickaxe.kernel.errors import BadInput, Conflict, NotFound, PickaxeError
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import caller_of
from pickaxe.serve.auditing import note

_LARGEST_FORM = 400_000
"""Bytes: guidelines of 20,000 characters of any script, as a browser sends them."""
_TABLES_OFFERED = 100
_SUGGESTED = ("row_key", "label")
_FIELDS = ("name", "rows", "form", "overlap", "labels", "prelabels")
"""In the order of the page."""
_AT_FIRST = {"form": FORMS[0], "overlap": "1", "blind": "on"}


async def _new_queue(request: Request) -> dict[str, str]:
    return await fields_of(request, largest=_LARGEST_FORM)


def router(site: Site) -> APIRouter:
    routes = APIRouter()
    reading, labelling, writing = site.router(), site.router("label"), site.router("write")

    def page(
        request: Request, filled: Mapping[str, str], problems: Mapping[str, str], refused: PickaxeError | None = None
    ) -> Response:
        """The queues and the form, with what was typed into it and what is wrong with that."""
        workspace, caller = site.workspace_of(request), caller_of(request)
        return site.page(
            request,
            "label.html",
            status=422 if problems else refused.status if refused else 200,
            queues=[(queue, queue.counts(fresh=True)) for queue in Queues.of(workspace).list(workspace)],
            me=caller.name,
            may_label=caller.may("label"),
            may_write=caller.may("write"),
            tables=_tables_with(workspace, COLUMNS["choice"]) if caller.may("write") else [],
            suggesting=_tables_with(workspace, _SUGGESTED) if caller.may("write") else [],
            forms=FORMS,
            most_overlap=MOST_OVERLAP,
            filled=filled,
            problems=problems,
            marks={
                field: {"aria-invalid": "true", "aria-describedby": f"wrong-{field}", "autofocus": None if at else "autofocus"}
                for at, field in enumerate(problems)
            },
            refused=refused,
        )

    @reading.get("/label")
    def listed(request: Request) -> Response:
        return page(request, _AT_FIRST, {})

    @writing.post("/label")
    def create(request: Request, fields: Annotated[dict[str, str], Depends(_new_queue)]) -> Response:
        workspace, name = site.workspace_of(request), fields.get("name", "").strip()
        note(request, name, queue=name)
        if problems := _problems(workspace, fields, site.words_of(request)):
            return page(request, fields, problems)
        try:
            create_queue(
                workspace,
                name,
                workspace.artifact(fields["rows"]),
                form=fields["form"],
                labels=_labels(fields),
                guidelines=fields.get("guidelines", ""),
                overlap=int(fields["overlap"]),
                prelabels=workspace.artifact(fields["prelabels"]).id if fields.get("prelabels") else None,
                blind="blind" in fields,
            )
        except (BadInput, Conflict) as error:
            return page(request, fields, {}, error)
        return RedirectResponse(link("label", name), status_code=303)

    @labelling.get("/label/{name:path}")
    def desk(request: Request, name: str) -> Response:
        workspace = site.workspace_of(request)
        queue = Queues.of(workspace).get(workspace, name)
        job = newest_job(workspace, name)
        return site.page(
            request,
            "label_desk.html",
            queue=queue,
            counts=queue.counts(),
            me=caller_of(request).name,
            goes_on=job is not None and not job.job.ended_at,
        )

    for part in (reading, writing, labelling):
        routes.routes.extend(part.routes)
    return routes


def _labels(fields: Mapping[str, str]) -> list[str]:
    """The classes, as they are separated by commas or lines; a pair has none of its own."""
    typed = "" if fields.get("form") == "pairs" else fields.get("labels", "")
    return [label for part in typed.replace("\n", ",").replace("，", ",").split(",") if (label := part.strip())]


def _problems(workspace: Workspace, fields: Mapping[str, str], t: Translate) -> dict[str, str]:
    """What is wrong with each field, in the reader's language, by the field's name."""
    found: dict[str, str] = {}
    name, form, labels = fields.get("name", "").strip(), fields.get("form", ""), _labels(fields)
    try:
        if workspace.artifacts.find(name=f"{checked_name(name)}/{KIND}") is not None:
            found["name"] = t("label.name_taken", name=name)
    except BadInput:
        found["name"] = t("layout.name_rule_parts")
    if form not in FORMS:
        found["form"] = t("label.form_unknown")
    elif len(set(labels)) < (least := FEWEST_LABELS[form]):
        found["labels"] = t("label.too_few_labels", n=least)
    elif len(set(labels)) < len(labels):
        found["labels"] = t("label.label_twice", label=next(label for label in labels if labels.count(label) > 1))
    wanted = {"rows": COLUMNS.get(form, COLUMNS["choice"]), "prelabels": _SUGGESTED}
    for field, columns in wanted.items():
        if fields.get(field) or field == "rows":
            try:
                has = workspace.artifact(fields.get(field, "")).meta.get("columns", ())
            except (NotFound, BadInput):
                found[field] = t("label.no_such_table")
            else:
                if missing := [column for column in columns if column not in has]:
                    found[field] = t("label.column_missing", columns=", ".join(missing))
    overlap = fields.get("overlap", "")
    if not (overlap.isascii() and overlap.isdecimal() and len(overlap) < 4 and 1 <= int(overlap) <= MOST_OVERLAP):
        found["overlap"] = t("label.overlap_bad", most=MOST_OVERLAP)
    return {field: found[field] for field in _FIELDS if field in found}


def _tables_with(workspace: Workspace, columns: Sequence[str]) -> list[Artifact]:
    """Newest versions of tables that have these columns, the newest first."""
    newest = browse.tables(workspace, limit=3 * _TABLES_OFFERED)
    fit = (item for item in newest if set(columns) <= set(item.meta.get("columns", columns)))
    return list(islice(fit, _TABLES_OFFERED))
