"""Traces read back, feedback taken, and both as tables."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from pickaxe.kernel.catalog.database_json import dumps
from pickaxe.kernel.errors import BadInput, NotFound
from pickaxe.serve.records import Opinion, Records
from pickaxe.serve.traces import materialise_feedback, trace_rows, trace_schema
from tests.serve.fakes import MemoryStore

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def answered(
    store: MemoryStore, trace_id: str = TRACE, span_id: str = "a" * 16, endpoint: str = "headlines", **body: Any
) -> None:
    full = {
        "endpoint": endpoint,
        "artifact_id": "art-headlines/student-1",
        "span_id": span_id,
        "texts": ["one", "two"],
        "labels": ["serious", "sarcastic"],
        "probs": [[0.9, 0.1], [0.25, 0.75]],
        "ms": 1.5,
        "status": 200,
    } | body
    store.emit_many([{"kind": "trace", "subject": trace_id, "name": endpoint, "value": full["ms"], "body": full}])


def test_feedback_joins_its_trace(store: MemoryStore) -> None:
    answered(store)
    records = Records(store)
    body = records.add_feedback(TRACE, Opinion("serious", "ada", index=1, comment="dead pan"))
    assert body == {
        "label": "serious",
        "by": "ada",
        "text": "two",
        "index": 1,
        "predicted": "sarcastic",
        "endpoint": "headlines",
        "artifact_id": "art-headlines/student-1",
        "span_id": "a" * 16,
        "comment": "dead pan",
    }
    trace = records.trace(TRACE)
    assert [event.body["texts"] for event in trace.answers] == [["one", "two"]]
    assert [event.body["label"] for event in trace.feedback] == ["serious"]


@pytest.mark.parametrize(
    ("opinion", "error", "match"),
    [
        (Opinion("serius", "ada"), BadInput, "one of: serious, sarcastic"),
        (Opinion("serious", "ada", index=2), BadInput, "0 to 1"),
        (Opinion("serious", "ada", index=-1), BadInput, "0 to 1"),
        (Opinion("serious", "ada", span_id="f" * 16), NotFound, "a" * 16),
    ],
)
def test_feedback_that_cannot_be_meant_is_refused(
    store: MemoryStore, opinion: Opinion, error: type[Exception], match: str
) -> None:
    answered(store)
    with pytest.raises(error, match=match):
        Records(store).add_feedback(TRACE, opinion)
    assert store.events(kind="feedback") == []


def test_answers_that_share_a_trace_are_told_apart_by_span(store: MemoryStore) -> None:
    answered(store, span_id="a" * 16)
    answered(store, span_id="b" * 16, texts=["three"], labels=["serious"], probs=[[1.0, 0.0]])
    records = Records(store)
    with pytest.raises(BadInput, match="span_id"):
        records.add_feedback(TRACE, Opinion("serious", "ada"))
    assert records.add_feedback(TRACE, Opinion("sarcastic", "ada", span_id="b" * 16))["text"] == "three"


@pytest.mark.parametrize("trace_id", ["", "xyz", "A" * 32, "a" * 31, "a" * 33, "a" * 31 + "\n", "٣" * 32])
def test_what_is_no_trace_id_is_bad_input(store: MemoryStore, trace_id: str) -> None:
    with pytest.raises(BadInput, match="not a trace id"):
        Records(store).trace(trace_id)


def test_an_unknown_trace_is_not_found(store: MemoryStore) -> None:
    with pytest.raises(NotFound):
        Records(store).add_feedback("f" * 32, Opinion("serious", "ada"))


@pytest.mark.slow
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("endpoint", [None, "headlines"])
def test_pages_cover_every_trace_once_in_order(store: MemoryStore, endpoint: str | None, newest_first: bool) -> None:
    for number in range(2500):
        name = "headlines" if number % 50 == 0 else "busy"
        answered(store, f"{number:032x}", endpoint=name)
    seen: list[str] = []
    after, pages = 0, 0
    while after is not None:
        page = Records(store).traces(endpoint, after, 20 if endpoint else 600, newest_first=newest_first)
        seen += [event.subject for event in page.traces]
        after, pages = page.next_after, pages + 1
    wanted = [f"{number:032x}" for number in range(0, 2500, 50 if endpoint else 1)]
    assert seen == (wanted[::-1] if newest_first else wanted)
    assert pages > 2


def test_a_rare_endpoint_among_busy_ones_is_one_page(store: MemoryStore) -> None:
    for number in range(150):
        answered(store, f"{number:032x}", endpoint="busy")
    answered(store, endpoint="rare")
    for newest_first in (False, True):
        page = Records(store).traces("rare", 0, 5, newest_first=newest_first)
        assert ([event.subject for event in page.traces], page.next_after) == ([TRACE], None)


def rows(store: MemoryStore, *columns: str, positions: dict[str, int] | None = None) -> pa.Table:
    """What SQL sees of the traces of a store."""
    kept: list[Any] = [
        SimpleNamespace(
            seq=event.seq,
            at_ns=event.seq * 1000,
            subject=event.subject,
            name=event.name,
            value=event.value,
            body=dumps(event.body),
        )
        for event in store.events(kind="trace")
    ]
    return trace_rows(kept, columns or trace_schema().names, {} if positions is None else positions)


def test_traces_become_rows(store: MemoryStore) -> None:
    answered(store)
    answered(store, "f" * 32, labels=[], probs=[], status=500)
    answered(store, "e" * 32, texts=["three"], labels=["serious"], probs=[[1, 0]])
    table = rows(store)
    table.validate(full=True)
    assert table.schema.equals(trace_schema())
    assert table.num_rows == 3, "a failed answer has none"
    assert {name: table[name][1].as_py() for name in table.column_names[:8]} == {
        "trace_id": TRACE,
        "endpoint": "headlines",
        "artifact_id": "art-headlines/student-1",
        "ord": 1,
        "text": "two",
        "label": "sarcastic",
        "confidence": 0.75,
        "probs": [0.25, 0.75],
    }
    assert table["span_id"].to_pylist() == ["a" * 16] * 3
    assert table["ms"].to_pylist() == [1.5] * 3
    assert rows(store, "seq").column_names == ["seq"], "how many there are is known without the texts"
    assert rows(store, "seq").num_rows == 3


def test_numbers_that_json_has_not_come_back(store: MemoryStore) -> None:
    answered(store, probs=[[float("nan"), 1.0], [0.25, 0.75]])
    assert rows(store)["confidence"].to_pylist()[1] == 0.75
    assert math.isnan(rows(store)["probs"].to_pylist()[0][0])


def test_several_requests_of_one_trace_are_numbered_through(store: MemoryStore) -> None:
    answered(store, span_id="a" * 16)
    answered(store, span_id="b" * 16)
    positions: dict[str, int] = {}
    assert rows(store, "ord", positions=positions)["ord"].to_pylist() == [0, 1, 2, 3]
    assert rows(store, "ord", positions=positions)["ord"].to_pylist() == [4, 5, 6, 7], "over pages too"


def test_feedback_becomes_rows(store: MemoryStore) -> None:
    answered(store)
    Records(store).add_feedback(TRACE, Opinion("serious", "ada", index=1))
    (row,) = materialise_feedback(store.events(kind="feedback")).to_pylist()
    assert (row["text"], row["predicted"], row["label"], row["by"], row["comment"]) == (
        "two",
        "sarcastic",
        "serious",
        "ada",
        None,
    )


def test_no_events_is_an_empty_table_with_the_same_columns(store: MemoryStore) -> None:
    assert rows(store).schema.equals(trace_schema())
    assert materialise_feedback([]).num_rows == 0
