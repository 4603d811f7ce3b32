"""Review: how far people agree, per annotator and class, and the items that divide them, where a reviewer decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from pickaxe.console.site import Site
from pickaxe.data.label.forms import marked, spans_of
from pickaxe.data.label.questions import Item
from pickaxe.data.label.queue import Queue, Queues
from pickaxe.data.label.review import Disagreement, Review, review
from pickaxe.data.label.rows import AnnotationRow
from pickaxe.serve.access import caller_of

_SHOWN = 100
_MOST_BUTTONS = 8
"""Beyond as many classes those that nobody gave are in a list to choose from."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer or a decision as a page shows it."""

    by: str
    label: str
    note: str
    pieces: list[tuple[str, list[str]]] | None
    """of spans: the text, cut where they begin or end, each piece with the labels that cover it"""


@dataclass(frozen=True, slots=True)
class Divided:
    """An item that divides people. `item` is None when its text is gone."""

    row_key: str
    item: Item | None
    answers: list[Seen]
    decision: Seen | None

    @property
    def given(self) -> list[str]:
        """The different answers, in the order of the people."""
        return list(dict.fromkeys(answer.label for answer in self.answers))


def router(site: Site) -> APIRouter:
    routes = site.router()

    @routes.get("/review")
    def listed(request: Request) -> Response:
        workspace = site.workspace_of(request)
        queues = Queues.of(workspace).list(workspace)
        found = [(queue, _reviewed(queue, fresh=True)) for queue in queues]
        open_ = [(queue, seen, _undecided(seen, queue.decisions(fresh=True))) for queue, seen in found if seen.items]
        return site.page(request, "review.html", queues=open_)

    @routes.get("/review/{name:path}")
    def one(request: Request, name: str) -> Response:
        workspace = site.workspace_of(request)
        queue = Queues.of(workspace).get(workspace, name)
        seen, decisions = _reviewed(queue), queue.decisions()
        open_first = sorted(seen.disagreements, key=lambda item: item.row_key in decisions)
        notes = {(row.row_key, row.annotator): row.note for row in queue.answers()}
        return site.page(
            request,
            "review_queue.html",
            queue=queue,
            seen=seen,
            undecided=_undecided(seen, decisions),
            shown=[_divided(queue, item, notes, decisions.get(item.row_key)) for item in open_first[:_SHOWN]],
            may_decide=caller_of(request).may("write"),
            most_buttons=_MOST_BUTTONS,
        )

    return routes


def _reviewed(queue: Queue, *, fresh: bool = False) -> Review:
    return review(queue.answers(fresh=fresh), queue.config.form)


def _undecided(seen: Review, decisions: Mapping[str, AnnotationRow]) -> int:
    return sum(item.row_key not in decisions for item in seen.disagreements)


def _divided(
    queue: Queue, divided: Disagreement, notes: Mapping[tuple[str, str], str], decision: AnnotationRow | None
) -> Divided:
    item = queue.item(divided.row_key)

    def seen(by: str, label: str, note: str) -> Seen:
        pieces = marked(item.text, spans_of(label)) if item and queue.config.form == "spans" else None
        return Seen(by, label, note, pieces)

    return Divided(
        divided.row_key,
        item,
        [seen(who, label, notes.get((divided.row_key, who), "")) for who, label in divided.labels.items()],
        decision and seen(decision.annotator, decision.label, decision.note),
    )
