"""What an answer to a labelling question may be: one class, marked spans, or the better of two texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

from pickaxe.kernel.errors import BadInput

Form = Literal["choice", "spans", "pairs"]
FORMS: tuple[Form, ...] = get_args(Form)

FEWEST_LABELS: Mapping[str, int] = {"choice": 2, "spans": 1, "pairs": 0}
"""How many different labels a queue must name."""

PREFERENCES = ("first", "second", "tie")
"""Answers to a pair."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "choice": ("row_key", "text"),
    "spans": ("row_key", "text"),
    "pairs": ("row_key", "text", "first", "second"),
}
"""What a table must have to be asked about: `text` is the prompt of a pair."""


def checked_answer(form: Form, value: Any, labels: Sequence[str], text: str) -> str:
    """`value` as the label of an annotation: the class, the preference, or the spans as canonical JSON. Raises `BadInput`."""
    return _CHECKS[form](value, labels, text)


def value_of(form: Form, label: str) -> str | list[dict[str, Any]]:
    """The value that `checked_answer` made this label of."""
    return spans_of(label) if form == "spans" else label


def spans_of(label: str) -> list[dict[str, Any]]:
    """The spans that a label of the form ``spans`` holds: `start`, `end` (characters, end excluded), `label`; in order."""
    try:
        found = json.loads(label)
    except ValueError:  # an annotation that something else wrote
        return []
    return found if isinstance(found, list) else []


def marked(text: str, spans: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The text cut where a span begins or ends: each piece with the labels of the spans that cover it."""
    spans = list(spans)
    borders = sorted({0, len(text), *(place for span in spans for place in (span["start"], span["end"]))})
    return [
        (text[start:end], [span["label"] for span in spans if span["start"] <= start and end <= span["end"]])
        for start, end in pairwise(borders)
    ]


def _choice(value: Any, labels: Sequence[str], text: str) -> str:
    if value not in labels:
        raise BadInput(
            "no such class",
            expected=f"one of {', '.join(labels)}",
            got=repr(value)[:80],
            reason="label_no_class",
            labels=", ".join(labels),
        )
    return value


def _preference(value: Any, labels: Sequence[str], text: str) -> str:
    return _choice(value, PREFERENCES, text)


def _spans(value: Any, labels: Sequence[str], text: str) -> str:
    if not isinstance(value, list):
        raise BadInput(
            "the answer is not a list of spans", expected='[{"start": 0, "end": 5, "label": …}, …]', got=repr(value)[:80]
        )
    spans = sorted(
        (_span(span, labels, len(text)) for span in value), key=lambda span: (span["start"], span["end"], span["label"])
    )
    for one, other in pairwise(spans):
        if one == other:
            raise BadInput("the same span was marked twice", got=json.dumps(one), reason="label_span_twice")
    return json.dumps(spans, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _span(span: Any, labels: Sequence[str], length: int) -> dict[str, Any]:
    if not isinstance(span, dict) or span.keys() != {"start", "end", "label"}:
        raise BadInput("a span is not usable", expected='{"start": 0, "end": 5, "label": …}', got=repr(span)[:80])
    start, end = span["start"], span["end"]
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        raise BadInput(
            "a span lies outside the text",
            expected=f"0 <= start < end <= {length}",
            got=f"{start!r} to {end!r}"[:80],
            reason="label_span_outside",
        )
    return {"start": start, "end": end, "label": _choice(span["label"], labels, "")}


_CHECKS: dict[Form, Callable[[Any, Sequence[str], str], str]] = {"choice": _choice, "spans": _spans, "pairs": _preference}
