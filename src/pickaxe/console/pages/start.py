"""A new task: a file is uploaded and looked at, the line for it is forecast and started, all of it through the API.

The form is the page's address, so a half-filled one can be kept and sent on; every change of it asks for the page anew.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from pickaxe.console.forms import Text
from pickaxe.console.site import Site
from pickaxe.data.ingest import IngestConfig
from pickaxe.data.look import Look
from pickaxe.data.readers.encoding import COMMON
from pickaxe.flows.job_spec import ARTIFACT, checked_task, refuse_paths
from pickaxe.flows.job_view import job_of
from pickaxe.flows.preview import Preview, preview
from pickaxe.flows.starting import (
    MINILM,
    MOST_UPLOADED,
    demo_tasks,
    encoders,
    file_name,
    free_name,
    is_taken,
    look_at,
    uploads,
)
from pickaxe.flows.task import Task, name_from
from pickaxe.kernel.access.scopes import Caller
from pickaxe.kernel.errors import BadInput, PickaxeError
from pickaxe.kernel.toml_text import values_of
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import caller_of

FIELDS: Mapping[str, tuple[str, ...]] = {
    "name": ("name",),
    "annotators": ("annotators",),
    "text": ("ingest", "text"),
    "label": ("ingest", "label"),
    "encoding": ("ingest", "encoding"),
    "delimiter": ("ingest", "delimiter"),
    "lines_above": ("ingest", "skip_before_header"),
    "classes": ("label", "classes"),
    "max_labels": ("label", "max_labels"),
    "test_labels": ("test_labels",),
    "intended_use": ("intended_use",),
    "rounds": ("rounds",),
    "more_labels": ("more_labels",),
    "encoder": ("encoder",),
    "latency_ms": ("students", "latency_ms"),
    "min_accuracy": ("gate", "min_accuracy"),
    "min_test_rows": ("gate", "min_test_rows"),
    "max_cost": ("limits", "max_cost"),
    "max_minutes": ("limits", "max_seconds"),
    "max_memory_gb": ("limits", "max_memory_gb"),
}
"""A field of the form -> where its value stands in a task."""
SETTINGS = "settings"
"""A field for any other setting of a task, as it would stand in a task file."""
_WORDS = frozenset({"name", "annotators", "text", "label", "encoding", "delimiter", "intended_use", "encoder"})
_READING = ("encoding", "delimiter", "lines_above")
"""Fields that say how the file is read."""
_TAB = "tab"
"""What a form has for a delimiter that nobody sees."""
_LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A task as the form has it.

    Attributes:
        values: the task as an object, ready for ``POST /v1/jobs``.
        form: the fields' texts.
        forecast: None as long as `error` says what is wrong, or something is still wanted.
        wants_classes: people are to label, and nobody has said yet what they choose from, or one class only.
        answers: wanted of people, and the seconds that they should take.
        least_rows: rows below which the gate has too few to judge by.
    """

    values: dict[str, Any]
    form: dict[str, str]
    forecast: Preview | None = None
    error: PickaxeError | None = None
    wants_classes: bool = False
    answers: tuple[int, float] = (0, 0.0)
    least_rows: int = 0
    taken: bool = False
    encoders: dict[str, str] = field(default_factory=dict[str, str])


def router(site: Site) -> APIRouter:
    routes = site.router("write")

    # "-" begins no name, so nothing below it can be meant as a task.
    @routes.get("/tasks/-/new")
    def new_task(request: Request, source: Text = "", job: Text = "") -> Response:
        workspace = site.workspace_of(request)
        before = dict(job_of(workspace, job).spec) if job else {}
        if not source and str(before.get("data", "")).startswith(ARTIFACT):
            source = before["data"].removeprefix(ARTIFACT)
        if not source:
            return site.page(
                request, "start.html", demos=demo_tasks(), uploads=uploads(workspace), most=MOST_UPLOADED, file_name=file_name
            )
        asked = {name: text[:_LONGEST] for name, text in request.query_params.items() if name in (*FIELDS, SETTINGS)}
        seen, misread = _seen(workspace, source, before, asked)
        return site.page(
            request,
            "start_form.html",
            source=source,
            job=job,
            seen=seen,
            draft=_draft(workspace, caller_of(request), source, seen, before, asked, misread),
            encodings=COMMON,
            delimiters={",": ",", ";": ";", _TAB: "Tab", "|": "|"},
        )

    return routes


def _seen(
    workspace: Workspace, source: str, before: Mapping[str, Any], asked: Mapping[str, str]
) -> tuple[Look, PickaxeError | None]:
    """The file as the form has it read; when it cannot be read so, as it is read by itself, and why."""
    told = _filled(before, {name: asked[name] for name in _READING if name in asked}).get("ingest", {})
    reading = {key: value for key, value in told.items() if key not in ("text", "label")}
    try:
        return look_at(workspace, source, IngestConfig.parse(reading, where="ingest")), None
    except BadInput as error:
        if not reading:
            raise
        return look_at(workspace, source), error


def _draft(
    workspace: Workspace,
    caller: Caller,
    source: str,
    seen: Look,
    before: Mapping[str, Any],
    asked: dict[str, str],
    misread: PickaxeError | None,
) -> Draft:
    """What the form says, or at first what the file and an earlier job of the task say."""
    values = {**before, "data": ARTIFACT + source} if before else _proposed(workspace, source, seen)
    typed = asked.pop(SETTINGS, "")
    if asked:
        values = _filled(values, asked)
    form = _form(values) | asked | {SETTINGS: typed}
    wants_classes = form["annotators"] == "people" and len(_classes(form["classes"])) < 2
    draft = Draft(values, form, error=misread, wants_classes=wants_classes and misread is None, encoders=_encoders(workspace))
    if wants_classes or misread is not None:
        return draft
    try:
        values = _merged(values, _settings(typed))
        draft = replace(draft, values=values)
        refuse_paths(caller, values)
        task = checked_task(workspace, values)
        found = preview(workspace, task)
    except PickaxeError as error:
        return replace(draft, error=error)
    answers = _answers(task) if task.annotators == "people" else 0
    return replace(
        draft,
        forecast=found,
        answers=(answers, answers * task.label.expected_seconds),
        least_rows=_least_rows(task),
        taken=is_taken(workspace, task.name),
    )


def _proposed(workspace: Workspace, source: str, seen: Look) -> dict[str, Any]:
    """A task for a file that was never used: what the look at it suggests."""
    title = re.sub(r"\.(csv|tsv|tab|jsonl|ndjson|parquet|pq)$", "", seen.name, flags=re.IGNORECASE)
    return {
        "name": free_name(workspace, name_from(title)),
        "data": ARTIFACT + source,
        "annotators": "file" if seen.label else "people",
        "ingest": {"text": seen.text, "label": seen.label},
    }


def _filled(values: Mapping[str, Any], asked: Mapping[str, str]) -> dict[str, Any]:
    """`values` with what the form says; an empty field is left to its default."""
    filled: dict[str, Any] = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    for name, text in asked.items():
        *sections, key = FIELDS[name]
        place = filled
        for section in sections:
            place = place.setdefault(section, {})
        place.pop(key, None)
        if (value := _value(name, text.strip())) is not None:
            place[key] = value
    if filled.get("annotators", "people") == "people":  # who label themselves are not shown what the file says
        filled.setdefault("ingest", {}).pop("label", None)
    return filled


def _settings(text: str) -> dict[str, Any]:
    """Lines such as ``gate.max_ece = 0.2``. Raises `BadInput`."""
    return values_of(text, what="the other settings", expected="lines such as gate.max_ece = 0.2")


def _merged(values: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(values)
    for key, value in more.items():
        known = found.get(key)
        found[key] = _merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return found


def _value(name: str, text: str) -> Any:
    """What a field's text means; what is no number is left to the task to refuse by name."""
    if not text:
        return None
    if name == "classes":
        return _classes(text)
    if name == "delimiter" and text == _TAB:
        return "\t"
    if name in _WORDS:
        return text
    try:
        number: float = int(text) if re.fullmatch(r"\d{1,15}", text) else float(text)
    except ValueError:
        return text
    return number * 60 if name == "max_minutes" else number


def _classes(text: str) -> list[str]:
    return [item.strip() for item in re.split(r"[,，\n]", text) if item.strip()]


def _form(values: Mapping[str, Any]) -> dict[str, str]:
    """The fields' texts; what a task leaves out has its default."""
    try:
        whole: Any = Task.parse({**values, "annotators": "people"}, where="task").model_dump(mode="json")
    except BadInput:
        whole = values
    form: dict[str, str] = {}
    for name, (*sections, key) in FIELDS.items():
        place = whole
        for section in sections:
            place = place.get(section) or {}
        value = place.get(key)
        if name == "classes":
            value = ", ".join(value or ())
        elif value == "\t":
            value = _TAB
        elif name == "max_minutes" and isinstance(value, int | float):
            value = f"{value / 60:g}"
        form[name] = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return form | {"annotators": str(values.get("annotators", "people"))}


def _answers(task: Task) -> int:
    """What people are asked for, in all rounds."""
    return task.test_labels + (task.label.max_labels or 0) + (task.rounds - 1) * task.more_labels


def _least_rows(task: Task) -> int:
    """Rows of a file that give the gate as many test rows as it wants."""
    return math.ceil(task.gate.min_test_rows / task.curate.test_share) if task.curate.test_share else 0


def _encoders(workspace: Workspace) -> dict[str, str]:
    """What a task may name as its encoder -> what it is called; MiniLM first."""
    found = {ARTIFACT + item.id: item.name.removeprefix("encoders/") for item in encoders(workspace)}
    return {MINILM: "MiniLM"} | {name: title for name, title in found.items() if title != "minilm"}
