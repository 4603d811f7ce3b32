"""SQL over records: they are streamed, only what the query needs is read, and that changes no answer."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import pickaxe
from pickaxe.flows import records
from pickaxe.flows.query import query
from pickaxe.kernel.errors import BadInput, NotFound, PickaxeError, Unavailable
from pickaxe.kernel.events import Events
from pickaxe.kernel.runs import RunSpec
from pickaxe.kernel.tables.sql import SqlLimits
from pickaxe.kernel.tables.streamed import Wanted, wanted_of
from pickaxe.kernel.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pickaxe.open(Path(tmp_path_factory.mktemp("query")) / "ws") as workspace:
        for place, name in enumerate(("a/x", "a/y", "b/x")):
            run = workspace.runs.queue(RunSpec(f"{place:024}", name, "steps:step", {"n": place}, {}))
            for step in range(4):
                workspace.emit("metric", run.id, name="loss" if place else "it's", value=step / 4, step=step)
            workspace.emit("log", run.id, name="info", body={"text": "x AND kind='metric'"})
        for number in range(6):
            trace = f"{number % 3:032x}"
            body = {"endpoint": f"e{number % 2}", "artifact_id": "art-1", "span_id": f"{number:016x}", "ms": 1.5, "status": 200}
            texts = {"texts": ["a", "b"], "labels": ["yes", "no"], "probs": [[0.9, 0.1], [0.4, 0.6]]}
            workspace.emit("trace", trace, name=f"e{number % 2}", body=body | texts)
            said = {
                "endpoint": "e0",
                "artifact_id": "art-1",
                "index": 0,
                "text": "a",
                "predicted": "yes",
                "label": "no",
                "by": "ada",
            }
            workspace.emit("feedback", trace, name="e0", body=said)
        workspace.import_table(pa.table({"label": ["yes", "no"], "score": [1.0, 2.0]}), "shop/rows")
        yield workspace


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        "SELECT * FROM events ORDER BY seq",
        "SELECT kind, count(*) FROM events GROUP BY kind ORDER BY kind",
        "SELECT count(*) FROM events",
        "SELECT count(*) FROM events WHERE kind = 'metric'",
        "SELECT count(*) FROM events WHERE kind IN ('metric', 'log') AND value > 0.3",
        "SELECT count(*) FROM events WHERE kind = 'metric' OR seq < 3",
        "SELECT count(*) FROM events WHERE NOT kind = 'metric'",
        "SELECT count(*) FROM events WHERE kind > 'log'",
        "SELECT count(*) FROM events WHERE kind = 'metric' AND (name = 'loss' OR seq < 2)",
        "SELECT count(*) FROM events WHERE kind LIKE 'm%'",
        "SELECT count(*) FROM events WHERE name = 'it''s'",
        "SELECT count(*) FROM events WHERE body LIKE '%AND kind=%'",
        "SELECT max(seq) FROM events WHERE seq BETWEEN 3 AND 9",
        "SELECT count(*) FROM events WHERE seq > 3 AND seq < 9 AND seq <> 5",
        "SELECT count(*) FROM events WHERE seq = 4",
        "SELECT count(*) FROM events e WHERE e.at > '2020-01-01'",
        "SELECT count(*) FROM events e WHERE e.at < '2020-01-01'",
        "SELECT count(*) FROM events e WHERE e.at >= (SELECT max(o.at) FROM events o)",
        "SELECT count(*) FROM events a JOIN events b ON a.subject = b.subject WHERE a.kind = 'log'",
        "WITH m AS (SELECT * FROM events WHERE kind = 'metric') SELECT count(*) FROM m a JOIN m b USING (step)",
        "SELECT name, (SELECT count(*) FROM events WHERE subject = r.id) FROM runs r ORDER BY name",
        "SELECT r.name, avg(e.value) FROM events e JOIN runs r ON e.subject = r.id WHERE e.kind = 'metric' GROUP BY 1 ORDER BY 1",
        "SELECT state, count(*) FROM runs GROUP BY state",
        "SELECT * FROM runs ORDER BY name",
        "SELECT * FROM traces ORDER BY seq, ord",
        "SELECT label, count(*) FROM traces WHERE endpoint = 'e1' GROUP BY label ORDER BY label",
        "SELECT max(ord) FROM traces WHERE trace_id = '00000000000000000000000000000001'",
        "SELECT count(*) FROM traces WHERE label = 'no' AND confidence > 0.5",
        "SELECT list_sum(probs) FROM traces LIMIT 1",
        "SELECT count(*), min(f.by) FROM feedback f WHERE endpoint = 'e0'",
        "SELECT a.text FROM traces a, feedback f WHERE a.trace_id = f.trace_id ORDER BY ALL LIMIT 3",
        "SELECT count(*) FROM events WHERE false",
        "SELECT 1 FROM events WHERE kind = 'metric' LIMIT 2",
        "DESCRIBE events",
        "SELECT count(*) FROM artifacts",
        "-- a remark\nSELECT count(*) FROM events;",
    ],
)
def test_what_is_left_unread_changes_no_answer(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setattr(records, "_RUNS", 2)
    monkeypatch.setattr(Events.columns, "__kwdefaults__", {**(Events.columns.__kwdefaults__ or {}), "page": 3})
    little = query(workspace, asked)
    monkeypatch.setattr(Wanted, "from_json", lambda told: Wanted())
    assert little.to_pylist() == query(workspace, asked).to_pylist()
    assert little.num_rows


@pytest.mark.parametrize(
    ("asked", "columns", "conditions"),
    [
        ("SELECT kind FROM events", {"kind"}, {}),
        ("SELECT count(*) FROM events WHERE kind = 'metric'", {"kind"}, {"kind": ["metric"]}),
        ("SELECT value FROM events WHERE kind IN ('metric', 'log')", {"kind", "value"}, {"kind": ["metric", "log"]}),
        (
            "SELECT value FROM events WHERE subject = 'run-1' AND seq > 5",
            {"subject", "value", "seq"},
            {"subject": ["run-1"], "after_seq": 4},
        ),
        ("SELECT value FROM events WHERE kind = 'a' OR kind = 'b' AND seq > 5", {"kind", "value", "seq"}, {}),
    ],
)
def test_only_what_is_needed_is_read(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, asked: str, columns: set[str], conditions: dict[str, Any]
) -> None:
    seen: list[tuple[set[str], dict[str, Any]]] = []
    real = workspace.log.columns

    def watched(names: list[str], **wanted: Any) -> Any:
        given = {name: list(value) if isinstance(value, (list, tuple)) else value for name, value in wanted.items() if value}
        seen.append((set(names), given))
        return real(names, **wanted)

    monkeypatch.setattr(workspace.log, "columns", watched)
    query(workspace, asked)
    assert seen == [({*columns, "seq"}, conditions)]


def test_a_plan_that_says_nothing_leaves_nothing_out() -> None:
    schema = pa.schema([("seq", pa.int64())])
    assert wanted_of('[{"name": "EMPTY_RESULT", "children": []}]', schema).among == {}
    odd = ["kind='a' OR seq<3", "subject='it''s'", "Dynamic Filter (seq)", "kind='x", "seq>=3.5", "kind='" + "x" * 500 + "'"]
    told = {"Function": "ARROW_SCAN", "Projections": "seq", "Filters": odd}
    assert wanted_of(json.dumps([{"name": "ARROW_SCAN", "extra_info": told}]), schema) == Wanted(frozenset({"seq"}))


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ("DELETE FROM runs", BadInput, "expected: one SELECT\n  got: DELETE\n  what to do: ask with a SELECT"),
        ("SELECT 1; SELECT 2", BadInput, "got: SELECT, SELECT"),
        ("", BadInput, "got: nothing"),
        ("SELEC 1", BadInput, "the query cannot be read"),
        ("SELECT stat FROM runs", BadInput, "no column 'stat'\n  expected: runs: id, name, state"),
        ("SELECT stat FROM runs", BadInput, "did you mean state"),
        ("SELECT r.stat FROM runs r", BadInput, "no column 'stat'"),
        ("SELECT zebra FROM runs", BadInput, "no column 'zebra'"),
        ("SELECT labl FROM \"shop/rows\"", BadInput, "expected: shop/rows: label, score\n"),
        ("SELECT x.id FROM runs r", BadInput, "no table 'x' in this query"),
        ("SELECT nosuch(id) FROM runs", BadInput, "no function 'nosuch'"),
        ("SELECT id + 1 FROM runs", BadInput, "cast what has the wrong type"),
        ("SELECT * FROM run", NotFound, "did you mean runs?"),
        ("SELECT * FROM \"shop/row\"", NotFound, "did you mean shop/rows?"),
        ("SELECT * FROM \"shop/rows:7\"", NotFound, "shop/rows has no version '7'"),
        ("SELECT * FROM nothing", NotFound, "no table 'nothing'"),
        ("SELECT date '2024-13-01'", BadInput, "the query failed"),
        ("SELECT * FROM events WHERE at > '2024-01-01'", BadInput, 'goes in double quotes: "at"'),
        ("SELECT by FROM feedback", BadInput, 'goes in double quotes: "by"'),
    ],
)  # fmt: skip
def test_a_mistake_is_explained(workspace: Workspace, asked: str, error: type[PickaxeError], said: str) -> None:
    with pytest.raises(error) as caught:
        query(workspace, asked)
    assert said in str(caught.value)
    assert not re.search("Candidate|EXPLAIN", str(caught.value))
    for far in ("cosh", "did you mean id"):
        assert far not in str(caught.value)


def test_time_is_up_for_the_reading_too(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any, **__: Any) -> Iterator[Any]:
        while True:
            time.sleep(0.05)
            yield [(1,)]

    monkeypatch.setattr(workspace.log, "columns", slow)
    start = time.monotonic()
    with pytest.raises(BadInput, match="took too long") as caught:
        query(workspace, "SELECT count(*) FROM events WHERE seq = 2", limits=SqlLimits(seconds=0.5))
    assert time.monotonic() - start < 60
    assert "WHERE on kind" in (caught.value.remedy or "")


def test_memory_is_limited(workspace: Workspace) -> None:
    with pytest.raises(BadInput, match="more memory") as caught:
        query(
            workspace,
            "SELECT count(*) FROM (SELECT DISTINCT a.range * 1000000 + b.range FROM range(3000) a, range(3000) b)",
            limits=SqlLimits(memory="60MB", threads=1),
        )
    assert "temp_directory" not in str(caught.value)


def test_what_fails_in_the_reading_stays_what_it_is(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Iterator[Any]:
        yield [(1,)]
        raise Unavailable("the database is gone")

    monkeypatch.setattr(workspace.log, "columns", broken)
    with pytest.raises(Unavailable, match="the database is gone"):
        query(workspace, "SELECT count(*) FROM events WHERE seq = 1")
