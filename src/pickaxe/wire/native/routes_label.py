"""Labelling together: queues of items, who has which, and what was answered."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pickaxe.data.label.forms import Form
from pickaxe.data.label.questions import Item
from pickaxe.data.label.queue import Queue, Queues, create_queue
from pickaxe.data.label.review import review
from pickaxe.data.label.rows import AnnotationRow
from pickaxe.kernel.paging import keyed
from pickaxe.serve.access import caller_of
from pickaxe.serve.auditing import note
from pickaxe.serve.http import RequestBody, reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import After, Door, Limit, declared, page_reply
from pickaxe.wire.native.nouns import Page

_MOST_SHOWN = 200


class QueueInfo(BaseModel):
    """A queue and how far it is."""

    name: str
    form: Form
    labels: list[str]
    guidelines: str
    overlap: int = Field(description="how many people answer each item")
    blind: bool = Field(description="suggestions are hidden until the answer is given")
    items: int
    complete: int = Field(description="items answered often enough")
    answers: int
    by: dict[str, int] = Field(description="standing answers by annotator")


class NewQueue(RequestBody):
    """Ask people about the rows of a table: row_key and text; for pairs also first and second."""

    name: str = Field(min_length=1, max_length=150)
    rows: str = Field(description="the table: an artifact by id, name, name:3 or name@alias")
    form: Form = "choice"
    labels: list[str] = Field(default_factory=list, description="the classes, or the labels of spans")
    guidelines: str = ""
    overlap: int = 1
    prelabels: str | None = Field(default=None, description="a table with row_key and label")
    blind: bool = True
    replaces: bool = Field(default=False, description="make another version of a queue that is there; its answers stay")


class GivenBefore(BaseModel):
    """What was answered before it was taken back."""

    value: str | list[dict[str, Any]]
    note: str = ""


class ItemInfo(BaseModel):
    row_key: str
    text: str
    first: str | None = None
    second: str | None = None
    prelabel: str | None = None
    given: GivenBefore | None = Field(default=None, description="my answer that I took back")


class Take(RequestBody):
    ahead: int = Field(default=1, ge=0, le=20, description="how many more to take and preload")


class Given(RequestBody):
    """An answer: the class, the spans, or first, second or tie."""

    row_key: str
    value: str | list[dict[str, Any]]
    seconds: float = Field(ge=0)
    note: str = ""


class AnswerInfo(BaseModel):
    row_key: str
    annotator: str
    label: str = Field(description="spans as JSON")
    seconds: float
    note: str = ""


class Which(RequestBody):
    row_key: str


class Decided(RequestBody):
    """What holds for an item, whatever was answered; null takes the decision back."""

    row_key: str
    value: str | list[dict[str, Any]] | None
    seconds: float = Field(default=0, ge=0)
    note: str = ""


class ReviewInfo(BaseModel):
    """Agreement among people, per annotator and class, and the items that divide them, most divided first."""

    alpha: float | None = Field(description="Krippendorff's; null for spans")
    f1: float | None = Field(
        default=None, description="of marked spans, over all pairs of answers to the same item; null for other forms"
    )
    items: int
    items_with_several: int
    disagreements: list[dict[str, Any]] = Field(description=f"{_MOST_SHOWN} at most")
    annotators: list[dict[str, Any]]
    classes: list[dict[str, Any]]


_QUEUE = {
    "name": "headlines",
    "form": "choice",
    "labels": ["sarcastic", "serious"],
    "guidelines": "Would the paper print it in earnest?",
    "overlap": 1,
    "blind": True,
    "items": 500,
    "complete": 120,
    "answers": 120,
    "by": {"ann": 70, "bob": 50},
}
_ITEM = {
    "row_key": "5f3a9c0d",
    "text": "Area man wins argument",
    "first": None,
    "second": None,
    "prelabel": "sarcastic",
    "given": None,
}
_UNDONE = {**_ITEM, "given": {"value": "sarcastic", "note": "or is it?"}}
_GIVEN = {"row_key": "5f3a9c0d", "value": "sarcastic", "seconds": 1.4, "note": ""}
_ANSWER = {"row_key": "5f3a9c0d", "annotator": "ann", "label": "sarcastic", "seconds": 1.4, "note": ""}
_DECIDED = {"row_key": "5f3a9c0d", "value": "serious", "seconds": 6.0, "note": "a quotation"}
_DECISION = {"row_key": "5f3a9c0d", "annotator": "rita", "label": "serious", "seconds": 6.0, "note": "a quotation"}
_REVIEW = {
    "alpha": 0.81,
    "f1": None,
    "items": 120,
    "items_with_several": 40,
    "disagreements": [{"row_key": "5f3a9c0d", "labels": {"ann": "sarcastic", "bob": "serious"}, "split": 0.5}],
    "annotators": [{"annotator": "ann", "answers": 70, "seconds_median": 1.4, "compared": 40, "agreed": 0.9, "kappa": 0.8}],
    "classes": [{"label": "serious", "answers": 60, "pairs": 22, "agreed": 0.8}],
}


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1/queues", tags=["labelling"])

    def opened(request: Request, name: str) -> Queue:
        workspace = door.seen(request)
        return Queues.of(workspace).get(workspace, name)

    @routes.get("", summary="Every queue", **declared("read", Page[QueueInfo], examples.page(_QUEUE)))
    def listed(request: Request, after: After = None, limit: Limit = 100) -> Response:
        workspace = door.seen(request)
        found, following = keyed(Queues.of(workspace).list(workspace), lambda queue: queue.name, after, limit)
        return page_reply(request, [_info(queue, fresh=True) for queue in found], following)

    told = declared(
        "write",
        QueueInfo,
        _QUEUE,
        status=201,
        form=NewQueue,
        body_example={"name": "headlines", "rows": "headlines/pool", "labels": ["sarcastic", "serious"]},
    )

    @routes.post("", summary="Make a queue", **told)
    def create(request: Request, body: NewQueue = door.body(NewQueue)) -> Response:
        workspace = door.seen(request)
        note(request, body.name, queue=body.name)
        settings = body.model_dump(exclude={"name", "rows", "prelabels"})
        prelabels = workspace.artifact(body.prelabels).id if body.prelabels else None
        create_queue(workspace, body.name, workspace.artifact(body.rows), **settings, prelabels=prelabels)
        return reply(request, _info(Queues.of(workspace).get(workspace, body.name)), status=201)

    told = declared("label", list[ItemInfo], [_ITEM], form=Take, body_example={"ahead": 1})

    @routes.post("/{name:path}/take", summary="The next item, and some to preload", **told)
    def take(request: Request, name: str, body: Take = door.body(Take)) -> Response:
        """Nobody else gets them for 15 minutes, unless the queue asks several people about each."""
        items = opened(request, name).take(caller_of(request).name, ahead=body.ahead)
        return reply(request, [asdict(item) for item in items])

    @routes.post(
        "/{name:path}/answer", summary="Answer an item", **declared("label", AnswerInfo, _ANSWER, form=Given, body_example=_GIVEN)
    )
    def answer(request: Request, name: str, body: Given = door.body(Given)) -> Response:
        """Kept when this returns. Answering again replaces the earlier answer."""
        row = opened(request, name).answer(
            caller_of(request).name, body.row_key, body.value, seconds=body.seconds, note=body.note
        )
        return reply(request, _answer(row))

    told = declared("label", Literal[True], True, form=Which, body_example={"row_key": "5f3a9c0d"})

    @routes.post("/{name:path}/skip", summary="Do not ask me about this item", **told)
    def skip(request: Request, name: str, body: Which = door.body(Which)) -> Response:
        opened(request, name).skip(caller_of(request).name, body.row_key)
        return reply(request, True)

    @routes.post("/{name:path}/release", summary="Leave the desk", **declared("label", Literal[True], True))
    def release(request: Request, name: str) -> Response:
        """What I took and did not answer goes back to the others at once, not after 15 minutes."""
        opened(request, name).release(caller_of(request).name)
        return reply(request, True)

    @routes.post("/{name:path}/undo", summary="Take back my last answer or skip", **declared("label", ItemInfo | None, _UNDONE))
    def undo(request: Request, name: str) -> Response:
        """The item is in front of me again, with what I had given; null when there is nothing to take back."""
        item = opened(request, name).undo(caller_of(request).name)
        return reply(request, asdict(item) if isinstance(item, Item) else None)

    @routes.get(
        "/{name:path}/answers", summary="Every standing answer", **declared("read", Page[AnswerInfo], examples.page(_ANSWER))
    )
    def answers(request: Request, name: str, after: After = None, limit: Limit = 100) -> Response:
        """By item and annotator."""
        found, following = keyed(opened(request, name).answers(), _place, after, limit)
        return page_reply(request, [_answer(row) for row in found], following)

    told = declared("write", AnswerInfo | None, _DECISION, form=Decided, body_example=_DECIDED)

    @routes.post("/{name:path}/decide", summary="Decide what holds for an item", **told)
    def decide(request: Request, name: str, body: Decided = door.body(Decided)) -> Response:
        """It goes before all answers, and is none itself: people are asked as before. A line learns from it when it runs next."""
        row = opened(request, name).decide(
            caller_of(request).name, body.row_key, body.value, seconds=body.seconds, note=body.note
        )
        return reply(request, row and _answer(row))

    @routes.get(
        "/{name:path}/decisions", summary="What reviewers decided", **declared("read", Page[AnswerInfo], examples.page(_DECISION))
    )
    def decisions(request: Request, name: str, after: After = None, limit: Limit = 100) -> Response:
        """By item."""
        found, following = keyed(opened(request, name).decisions().values(), _place, after, limit)
        return page_reply(request, [_answer(row) for row in found], following)

    @routes.get("/{name:path}/review", summary="Agreement and disagreements", **declared("read", ReviewInfo, _REVIEW))
    def agreement(request: Request, name: str) -> Response:
        queue = opened(request, name)
        found = asdict(review(queue.answers(), queue.config.form))
        return reply(request, found | {"disagreements": found["disagreements"][:_MOST_SHOWN]})

    @routes.get("/{name:path}", summary="A queue and how far it is", **declared("read", QueueInfo, _QUEUE))
    def detail(request: Request, name: str) -> Response:
        return reply(request, _info(opened(request, name)))

    return routes


def _info(queue: Queue, *, fresh: bool = False) -> dict[str, Any]:
    config = queue.config.model_dump(include={"form", "guidelines", "overlap", "blind"})
    return {"name": queue.name, **config, "labels": list(queue.labels), **queue.counts(fresh=fresh)}


def _place(row: AnnotationRow) -> str:
    return f"{row.row_key} {row.annotator}"


def _answer(row: AnnotationRow) -> dict[str, Any]:
    return {"row_key": row.row_key, "annotator": row.annotator, "label": row.label, "seconds": row.seconds, "note": row.note}
