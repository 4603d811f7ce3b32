"""One façade, two ways: every test runs on `pickaxe.open(path)` and on `pickaxe.connect(url)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import pickaxe
from pickaxe import Workspace
from pickaxe.compute.planner.claims.claims import shipped_claims
from pickaxe.kernel.errors import BadInput, Conflict, NotFound, Unavailable
from pickaxe.kernel.nouns import Route, RunState
from pickaxe.server.run import ServerThread
from tests.kernel.sample_steps import Count, count, double
from tests.serve.fakes import write_model

Facade = Any


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Two runs, a table, a model."""
    base = tmp_path_factory.mktemp("facade")
    with pickaxe.open(base / "workspace") as workspace:
        counted = workspace.run(count, Count(upto=2), name="words/count", cores=1)
        workspace.run(double, pickaxe.Config(), name="words/double", inputs={"total": counted["total"]}, cores=1)
        workspace.import_table(rows(), "words/rows")
        workspace.import_files(write_model(base / "model"), "words/model", kind="model")
        workspace.import_files(base / "model" / "pickaxe.json", "words/one-file")
        yield workspace


@pytest.fixture(scope="module")
def url(filled: Workspace) -> Iterator[str]:
    with ServerThread(filled, whole=True) as server:
        yield server.url


@pytest.fixture(scope="module", params=["open", "connect"])
def workspace(request: pytest.FixtureRequest, filled: Workspace, url: str) -> Iterator[Facade]:
    if request.param == "open":
        yield filled
    else:
        with pickaxe.connect(url) as remote:
            yield remote


def rows() -> pa.Table:
    return pa.table(
        {
            "row_key": [f"{number:016x}" for number in range(100)],
            "text": [f"t{number} €" for number in range(100)],
            "score": pa.array([number / 7 for number in range(99)] + [None], pa.float32()),
            "tags": [["a"] * (number % 3) for number in range(100)],
        }
    )


TAKES_AN_ARTIFACT: dict[str, tuple[str, Callable[[Facade, Any], Any]]] = {
    "read_table": ("words/rows", lambda at, given: at.read_table(given)),
    "read_rows": ("words/rows", lambda at, given: at.read_rows(given, 3, 4)),
    "files": ("words/one-file", lambda at, given: at.files(given).read_bytes()),
    "read_json": ("words/total", lambda at, given: at.read_json(given)),
    "cost": ("words/total", lambda at, given: at.cost(given)),
    "footprint": ("words/total", lambda at, given: at.footprint(given)),
    "lineage": ("words/total", lambda at, given: at.lineage(given)),
    "alias": ("words/rows", lambda at, given: at.alias(given, "kept")),
}


@pytest.mark.parametrize("method", TAKES_AN_ARTIFACT)
def test_what_takes_an_artifact_takes_its_name(workspace: Facade, method: str) -> None:
    name, call = TAKES_AN_ARTIFACT[method]
    assert call(workspace, name) == call(workspace, workspace.artifact(name))
    with pytest.raises(NotFound):
        call(workspace, "words/nothing")


def test_inputs_by_name_are_the_same_inputs(filled: Workspace) -> None:
    given = filled.artifact("words/total:1")
    names = [filled.run(double, pickaxe.Config(), name="words/double", inputs={"total": total}) for total in (given, given.ref)]
    assert all(result.cached for result in names)


@pytest.mark.parametrize("reference", ["words/model", "words/model:1"])
def test_an_artifact_by_reference(workspace: Facade, filled: Workspace, reference: str) -> None:
    assert workspace.artifact(reference) == filled.artifact("words/model")
    assert workspace.artifact(filled.artifact("words/model").id).ref == "words/model:1"


@pytest.mark.parametrize(
    ("reference", "error"),
    [("words/nothing", NotFound), ("words/model:x", BadInput), ("art-none", NotFound), ("words/model@none", NotFound)],
)
def test_what_is_not_there_raises_the_same_error(workspace: Facade, reference: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        workspace.artifact(reference)
    assert caught.value.expected  # type: ignore[attr-defined]


def test_a_table_comes_whole_or_by_columns(workspace: Facade) -> None:
    artifact = workspace.artifact("words/rows")
    assert workspace.read_table(artifact).equals(rows())
    assert workspace.read_table(artifact, ["score", "text"]).equals(rows().select(["score", "text"]))
    with pytest.raises(BadInput):
        workspace.read_table(artifact, ["nothing"])
    with pytest.raises(BadInput):
        workspace.read_table(workspace.artifact("words/model"))


def test_files_come_under_their_own_names(workspace: Facade) -> None:
    folder = workspace.files(workspace.artifact("words/model"))
    assert [file.name for file in folder.iterdir()] == ["pickaxe.json"]
    file = workspace.files(workspace.artifact("words/one-file"))
    assert file.name == "pickaxe.json"
    assert file.read_bytes() == (folder / "pickaxe.json").read_bytes()
    with pytest.raises(BadInput):
        workspace.files(workspace.artifact("words/rows"))


def test_a_document(workspace: Facade) -> None:
    assert workspace.read_json(workspace.artifact("words/total"))["total"] == 4
    with pytest.raises(BadInput):
        workspace.read_json(workspace.artifact("words/rows"))


def test_runs(workspace: Facade, filled: Workspace) -> None:
    assert workspace.runs.list() == filled.runs.list()
    assert [run.name for run in workspace.runs.list(prefix="words/d")] == ["words/double"]
    first, after = workspace.runs.page(limit=1)
    second, end = workspace.runs.page(limit=1, after=after, states=[RunState.SUCCEEDED])
    assert [run.name for run in (*first, *second)] == ["words/double", "words/count"]
    assert (after is not None, end) == (True, None)
    assert workspace.runs.get(first[0].id) == first[0]
    with pytest.raises(NotFound):
        workspace.runs.get("run-nobody")


def test_runs_by_name_by_key_and_by_id(workspace: Facade) -> None:
    (double_run,), (count_run,) = (workspace.runs.page(name=f"words/{name}")[0] for name in ("double", "count"))
    assert workspace.runs.page(names=["words/double", "words/count", "words/none"])[0] == [double_run, count_run]
    assert workspace.runs.page(name="words/count", names=["words/double"]) == ([], None)
    assert workspace.runs.page(names=[])[0] == []
    assert workspace.runs.page(prefix="words", limit=1, step=count_run.step)[0] == [count_run]
    assert workspace.runs.cached(count_run.key) == count_run
    assert workspace.runs.cached("0" * 64) is None
    assert workspace.runs.many([count_run.id, "run-nobody"]) == {count_run.id: count_run}
    assert [run.id for run in workspace.runs.each_alone(page=1)] == [double_run.id, count_run.id]


def test_one_artifact_by_what_is_known_of_it(workspace: Facade, filled: Workspace) -> None:
    model = filled.artifact("words/model")
    known = workspace.artifact("words/model")  # with the aliases that it has by now
    assert workspace.artifacts.find(digest=model.digest, name="words/model") == workspace.artifacts.find(id=model.id) == known
    assert workspace.artifacts.find(name="words/total").version == 2
    assert workspace.artifacts.find(id=model.id, name="words/rows") is None
    assert workspace.artifacts.find(digest="sha256:none") is None
    assert workspace.artifacts.many([model.id, "art-none"]) == {model.id: known}
    assert workspace.artifacts.page(digest=model.digest, name="words/model") == ([known], None)
    assert [item.name for item in workspace.artifacts.page(digest=model.digest)[0]] == ["words/one-file", "words/model"]


def test_some_rows_without_the_others(workspace: Facade) -> None:
    artifact = workspace.artifact("words/rows")
    assert workspace.read_rows(artifact, 90, 1000).equals(rows().slice(90))
    assert workspace.read_rows(artifact, 7, 2, ["text"]).equals(rows().slice(7, 2).select(["text"]))
    assert workspace.read_rows(artifact, 100, 5).num_rows == 0


def test_a_document_is_taken_once(workspace: Facade) -> None:
    kept = workspace.import_json({"seen": [1, None, "\N{EURO SIGN}"]}, "notes/seen", kind="note", meta={"by": "ada"})
    assert workspace.import_json({"seen": [1, None, "\N{EURO SIGN}"]}, "notes/seen", kind="note", meta={"by": "ada"}) == kept
    assert (kept.version, kept.kind, kept.meta["by"], kept.run_id) == (1, "note", "ada", None)
    assert workspace.read_json(kept) == {"seen": [1, None, "\N{EURO SIGN}"]}
    with pytest.raises(BadInput):
        workspace.import_json({}, "Not A Name")


def test_sql_gives_the_same_values(workspace: Facade) -> None:
    asked = 'SELECT text, score, tags FROM "words/rows" WHERE row_key < ? ORDER BY row_key'
    found = workspace.sql(asked, [f"{3:016x}"])
    assert found == [[f"t{number} €", pytest.approx(number / 7), ["a"] * (number % 3)] for number in range(3)]
    (at,), *_ = workspace.sql("SELECT created_at FROM runs WHERE name = 'words/count'")
    assert at.year >= 2026
    with pytest.raises(BadInput):
        workspace.sql("DELETE FROM runs")


def test_an_endpoint_answers_and_takes_feedback(workspace: Facade) -> None:
    model = workspace.artifact("words/model")
    workspace.publish("asked", [Route(model.id)])
    answered = workspace.predict("asked", ["one", "two"])
    assert (answered.endpoint, answered.model, answered.artifact_id) == ("asked", model.ref, model.id)
    assert len(answered.predictions) == 2
    first = answered.predictions[0]
    assert first.confidence == max(first.probabilities.values()) == first.probabilities[first.label]
    (trace,) = workspace.events(kind="trace", subject=answered.trace_id)
    assert trace.body["texts"] == ["one", "two"]
    workspace.feedback(answered.trace_id, first.label, by="ada", index=1, comment="as it is")
    (said,) = workspace.events(kind="feedback", subject=answered.trace_id)
    assert (said.body["label"], said.body["by"], said.body["index"]) == (first.label, "ada", 1)
    assert workspace.explain(answered.trace_id, index=1).text == "two"
    for wrong, texts in ((NotFound, ("nobody", ["x"])), (BadInput, ("asked", [])), (BadInput, ("asked", ["\0"]))):
        with pytest.raises(wrong):
            workspace.predict(*texts)
    with pytest.raises(BadInput):
        workspace.feedback(answered.trace_id, "no such label", by="ada")


def test_what_was_touched(workspace: Facade, filled: Workspace) -> None:
    first = filled.artifact("words/total:1")
    touched = workspace.blast(first.id)
    assert {artifact.ref for artifact in touched.artifacts} == {"words/total:1", "words/total:2"}
    assert touched.run_ids == tuple(run.id for run in filled.runs.list(prefix="words/double"))


def test_no_jobs_and_what_one_would_take(workspace: Facade) -> None:
    assert workspace.jobs.list() == []
    with pytest.raises(NotFound):
        workspace.jobs.get("job-nobody")
    with pytest.raises(NotFound):
        workspace.serving_forecast("nobody")


def test_a_scenario_is_kept(workspace: Facade) -> None:
    kept = workspace.keep_scenario("plans/first", "claim", {"id": next(iter(shipped_claims()))})
    assert (kept.kind, workspace.artifact("plans/first").id) == ("scenario", kept.id)


def test_lists_of_artifacts(workspace: Facade, filled: Workspace) -> None:
    assert workspace.artifacts.list(kind="model") == [filled.artifact("words/model")]
    assert workspace.artifacts.list(prefix="words/t") == filled.artifacts.list(prefix="words/t")
    page, _ = workspace.artifacts.page(name="words/total", limit=5)
    assert [item.version for item in page] == [2, 1]
    assert list(workspace.artifacts.many([page[0].id])) == [page[0].id]


def test_events(workspace: Facade, filled: Workspace) -> None:
    run = filled.runs.list(prefix="words/count")[0]
    assert workspace.events(subject=run.id) == filled.events(subject=run.id)
    metrics = workspace.events(kind="metric", subject=run.id)
    assert workspace.events(name="number", subject=run.id, beyond=metrics[0].seq) == metrics[1:]
    assert workspace.events(kind="metric", subject=run.id, up_to=metrics[0].seq) == metrics[:1]
    assert [(event.name, event.step) for event in metrics] == [("number", 0), ("number", 1)]
    assert workspace.events(kind=["metric", "log"], subject=run.id, limit=1, newest_first=True)[0].kind == "log"
    assert workspace.events(kind="metric", after_seq=metrics[0].seq) == metrics[1:]
    workspace.emit("note", "words/rows", name="remark", value=1.5, step=3, body={"by": "ada"})
    said = workspace.events(kind="note", subject="words/rows")[-1]
    assert (said.name, said.value, said.step, said.body) == ("remark", 1.5, 3, {"by": "ada"})
    assert list(workspace.log.each("note"))[-1] == said


def test_what_is_imported_twice_is_taken_once(workspace: Facade, tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "a.txt").write_text("a", encoding="utf-8")
    (tmp_path / "folder" / "b.txt").write_text("", encoding="utf-8")
    taken = workspace.import_files(tmp_path / "folder", "uploads/folder", kind="notes")
    assert workspace.import_files(tmp_path / "folder", "uploads/folder", kind="notes") == taken
    assert (taken.version, taken.kind) == (1, "notes")
    assert (workspace.files(taken) / "inner" / "a.txt").read_text() == "a"
    table = workspace.import_table(rows().slice(3, 9), "uploads/table")
    assert workspace.import_table(rows().slice(3, 9), "uploads/table").id == table.id
    with pytest.raises(BadInput):
        workspace.import_files(tmp_path / "nothing", "uploads/nothing")
    with pytest.raises(BadInput):
        workspace.import_files(tmp_path / "folder", "Not A Name")


def test_aliases_and_endpoints(workspace: Facade) -> None:
    model = workspace.artifact("words/model")
    workspace.alias(model, "production")
    assert workspace.artifact("words/model@production").id == model.id
    endpoint = workspace.publish("words", [Route(model.id, 2.0)], {"round": 1})
    assert endpoint.routes == (Route(model.id, 2.0),)
    assert workspace.endpoint("words") == endpoint
    assert endpoint in workspace.endpoints()
    with pytest.raises(NotFound):
        workspace.endpoint("nobody")
    with pytest.raises(BadInput):
        workspace.publish("words", [])


def test_cost_and_lineage(workspace: Facade, filled: Workspace) -> None:
    total = filled.artifact("words/total")
    assert workspace.cost(total) == filled.cost(total)
    assert len(workspace.cost(total).runs) == 2
    assert workspace.lineage(total) == filled.lineage(total)
    first = filled.artifact("words/total:1")
    assert workspace.lineage(first, "downstream") == filled.lineage(first, "downstream")


def test_the_footprint(workspace: Facade, filled: Workspace) -> None:
    total, rows = filled.artifact("words/total"), filled.artifact("words/rows")
    assert workspace.footprint(total) == filled.footprint(total)
    assert float(workspace.footprint(total, grid="france").carbon) < float(workspace.footprint(total).carbon)
    assert workspace.footprint(rows).basis == "unknown"
    with pytest.raises(NotFound, match="frannce"):
        workspace.footprint(total, grid="frannce")


def test_the_bill(workspace: Facade, filled: Workspace) -> None:
    run = filled.runs.list(prefix="words/count")[0]
    assert workspace.ledger.charges([run.id]) == filled.ledger.charges([run.id])
    paged, after = workspace.ledger.page(holder=run.id, limit=1)
    while after is not None:
        (charge,), after = workspace.ledger.page(holder=run.id, after=after, limit=1)
        paged.append(charge)
    assert paged == filled.ledger.charges([run.id])
    with pytest.raises(BadInput, match="cursor"):
        workspace.ledger.page(after="nowhere")
    assert [item.charged + item.idle - item.cost for item in workspace.ledger.statements()] == [0]
    before = workspace.ledger.tariffs()["human_ms"].rows
    workspace.ledger.set_price("human_ms", 7, 1000, source="test")
    after = workspace.ledger.tariffs()["human_ms"].rows
    assert (len(after) - len(before), after[-1].nano, after[-1].source) == (1, 7, "test")
    with pytest.raises(BadInput):
        workspace.ledger.set_price("human_ms", -1, 1000, source="test")


def test_a_step_runs_beside_the_workspace_only(url: str) -> None:
    with pickaxe.connect(url) as remote, pytest.raises(Unavailable, match="cannot be sent"):
        remote.run(count, Count(), name="words/count")


def test_the_product_s_own_word_cannot_be_appended_from_outside(url: str) -> None:
    with pickaxe.connect(url) as remote:
        for kind in ("trace", "job", "publish", "audit", "usage", "price"):
            with pytest.raises(BadInput, match="the server's own"):
                remote.emit(kind, "anything")


def test_a_run_that_is_over_cannot_be_cancelled(workspace: Facade, filled: Workspace) -> None:
    with pytest.raises(Conflict, match="not under way"):
        workspace.cancel(filled.runs.list()[0].id)
    with pytest.raises(NotFound):
        workspace.cancel("run-nobody")


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no Pickaxe answers") as caught:
        pickaxe.connect("http://127.0.0.1:9")
    assert "pickaxe up" in str(caught.value.remedy)
