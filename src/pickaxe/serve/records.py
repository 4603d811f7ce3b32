"""What was answered and what people said about it: traces and feedback, as events of the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pickaxe.kernel.errors import BadInput, NotFound
from pickaxe.kernel.nouns import Event
from pickaxe.serve.backend import ServingStore, stored_classes
from pickaxe.serve.tracecontext import TRACE_ID

_MOST_OF_ONE_TRACE = 1000


class TracePage(NamedTuple):
    """Traces in order. `next_after` goes on from here; None when there is nothing more for now."""

    traces: list[Event]
    next_after: int | None


@dataclass(frozen=True)
class Opinion:
    """What somebody says the right label is, for one text of one answer."""

    label: str
    by: str
    index: int = 0
    comment: str | None = None
    span_id: str | None = None


@dataclass(frozen=True)
class Trace:
    """Every answer given under one trace id (a caller may use one id for several requests), and the feedback on them."""

    trace_id: str
    answers: list[Event]
    feedback: list[Event]


class Records:
    """Reads traces, takes feedback. Blocking calls: run them in a thread."""

    def __init__(self, store: ServingStore) -> None:
        self._store = store
        self._classes: dict[str, tuple[str, ...]] = {}

    def trace(self, trace_id: str) -> Trace:
        """Raises `BadInput` when it is no trace id, `NotFound` when nothing was answered under it."""
        if not TRACE_ID.fullmatch(trace_id):
            raise BadInput(
                f"{trace_id!r:.80} is not a trace id",
                expected="32 hexadecimal digits, lower case (W3C Trace Context)",
                see="traces",
                reason="trace_id",
                name=trace_id[:80],
            )
        answers = self._all("trace", trace_id)
        if not answers:
            raise NotFound(
                f"no answer has the trace id {trace_id}",
                expected="the trace_id of an answer, or its X-Trace-Id header",
                see="traces",
                reason="no_trace",
                name=trace_id,
            )
        return Trace(trace_id, answers, self._all("feedback", trace_id))

    def traces(self, endpoint: str | None, after: int, limit: int, *, newest_first: bool = False) -> TracePage:
        """Up to `limit` traces beyond event number `after`, of one endpoint or of all; 0 begins at the chosen end."""
        page = self._store.events(kind="trace", name=endpoint, after_seq=after, limit=limit, newest_first=newest_first)
        return TracePage(page, page[-1].seq if len(page) == limit else None)

    def add_feedback(self, trace_id: str, opinion: Opinion) -> dict[str, Any]:
        """Record `opinion`; returns the event's body.

        Raises `NotFound` (unknown trace) and `BadInput` (a label that the model does not know, an index outside the answer,
        several answers under the trace and no `span_id`).
        """
        answer = _the_answer(self.trace(trace_id), opinion.span_id)
        texts: Sequence[str] = answer.body["texts"]
        if not 0 <= opinion.index < len(texts):
            raise BadInput(
                f"index {opinion.index} is outside the answer", expected=f"0 to {len(texts) - 1}", got=str(opinion.index)
            )
        classes = self._classes_of(answer.body["artifact_id"])
        if opinion.label not in classes:
            raise BadInput(
                f"label {opinion.label!r:.120} is not a class of the model that answered",
                expected=f"one of: {', '.join(classes)}",
                remedy="a new class starts in the labels of the next round, not in feedback",
            )
        given: list[str] = answer.body["labels"]
        body: dict[str, Any] = {
            "label": opinion.label,
            "by": opinion.by,
            "text": texts[opinion.index],
            "index": opinion.index,
            "predicted": given[opinion.index] if given else None,
            "endpoint": answer.body["endpoint"],
            "artifact_id": answer.body["artifact_id"],
            "span_id": answer.body["span_id"],
        }
        if opinion.comment:
            body["comment"] = opinion.comment
        self._store.emit_many([{"kind": "feedback", "subject": trace_id, "name": answer.body["endpoint"], "body": body}])
        return body

    def _all(self, kind: str, trace_id: str) -> list[Event]:
        return list(self._store.events(kind=kind, subject=trace_id, limit=_MOST_OF_ONE_TRACE))

    def _classes_of(self, artifact_id: str) -> tuple[str, ...]:
        if artifact_id not in self._classes:
            self._classes[artifact_id] = stored_classes(self._store, artifact_id)
        return self._classes[artifact_id]


def _the_answer(trace: Trace, span_id: str | None) -> Event:
    if span_id is None and len(trace.answers) == 1:
        return trace.answers[0]
    spans = [answer.body["span_id"] for answer in trace.answers]
    if span_id is None:
        raise BadInput(
            f"{len(spans)} answers share the trace id {trace.trace_id}",
            expected="span_id, to say which answer is meant",
            remedy=f"one of: {', '.join(spans[:10])} (each answer gave its own)",
        )
    if span_id not in spans:
        raise NotFound(
            f"no answer {span_id!r:.40} under the trace id {trace.trace_id}", expected=f"one of: {', '.join(spans[:10])}"
        )
    return trace.answers[spans.index(span_id)]
