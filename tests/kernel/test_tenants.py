"""What one tenant can do with the ids of another: nothing, in every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

import pickaxe
from pickaxe.flows.blast import blast
from pickaxe.flows.explain import explain
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.artifacts import artifact_id
from pickaxe.kernel.errors import Conflict, NotFound
from pickaxe.kernel.ledger.ledger import Usage
from pickaxe.kernel.lineage import ancestry, downstream, progeny, upstream
from pickaxe.kernel.nouns import Artifact, Route, Run
from pickaxe.kernel.runs import RunSpec
from pickaxe.kernel.workspace import Workspace

KEY = "a1b2c3d4e5f60718"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@dataclass
class Two:
    """`ours` has things; `theirs` knows their ids."""

    ours: Workspace
    theirs: Workspace
    rows: Artifact
    made: Artifact
    run: Run


def make_run(workspace: Workspace, name: str, inputs: dict[str, Artifact]) -> tuple[Run, Artifact]:
    """A finished run with one output, as the engine lands it."""
    spec = RunSpec(f"{workspace.tenant_id}/{name}".encode().hex(), name, "steps:step", {}, inputs)
    workspace.runs.queue(spec)
    workspace.runs.start(spec.run_id)
    table = pa.table({"row_key": [KEY], "text": ["planted"], "annotator": ["ada"], "seconds": [3.0], "simulated": [False]})
    stored = workspace.content.store_tables({"out": (table, "annotations", {"columns": table.column_names})})
    with workspace.catalog.write() as connection:
        workspace.runs.succeed(connection, spec, stored)
        workspace.ledger.record(connection, spec.run_id, 1, [Usage("human_ms", 3000, "measured", "by hand")])
    return workspace.runs.get(spec.run_id), workspace.artifact(artifact_id(spec.key, "out"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with pickaxe.open(tmp_path_factory.mktemp("two") / "workspace") as ours:
        access = Access.of(ours.catalog)
        access.add_tenant("acme", admin="eve", password="a long password")
        theirs = ours.for_tenant("tenant-acme", access.person("tenant-acme", "eve").id)
        rows = ours.import_table(pa.table({"row_key": [KEY], "text": ["planted"]}), "headlines/rows")
        run, made = make_run(ours, "headlines/label", {"rows": rows})
        ours.publish("headlines", [Route(made.id)])
        body = {"artifact_id": made.id, "texts": ["planted"], "labels": ["x"], "probs": [[1.0]], "endpoint": "headlines"}
        ours.emit("trace", TRACE, name="headlines", body=body)
        yield Two(ours, theirs, rows, made, run)


ATTACKS: dict[str, Callable[[Two], Any]] = {
    "artifact": lambda two: two.theirs.artifact(two.made.id),
    "artifact by name": lambda two: two.theirs.artifact(two.made.ref),
    "pin": lambda two: two.theirs.artifacts.pin(two.made),
    "table": lambda two: two.theirs.read_table(two.made),
    "files": lambda two: two.theirs.files(two.made),
    "document": lambda two: two.theirs.read_json(two.made),
    "alias": lambda two: two.theirs.alias(two.made, "mine"),
    "run": lambda two: two.theirs.runs.get(two.run.id),
    "restart a run": lambda two: two.theirs.runs.start(two.run.id),
    "run on their input": lambda two: make_run(two.theirs, "thief/steal", {"rows": two.rows}),
    "publish": lambda two: two.theirs.publish("thief", [Route(two.made.id)]),
    "endpoint": lambda two: two.theirs.endpoint("headlines"),
    "blast of an artifact": lambda two: blast(two.theirs, two.rows.id),
    "blast of a row": lambda two: blast(two.theirs, KEY),
    "blast of a person": lambda two: blast(two.theirs, "", annotator="ada"),
    "explain": lambda two: explain(two.theirs, TRACE),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_ids_of_another_tenant_open_nothing(two: Two, attack: str) -> None:
    before = counted(two.ours)
    with pytest.raises((NotFound, Conflict)) as refused:
        ATTACKS[attack](two)
    assert "planted" not in str(refused.value)
    assert counted(two.ours) == before
    assert counted(two.theirs) == {"runs": 0, "artifacts": 0, "endpoints": 0, "events": 0, "charges": 0}
    assert two.ours.artifact(two.made.id).aliases == ()


def counted(workspace: Workspace) -> dict[str, int]:
    return {
        "runs": len(workspace.runs.list()),
        "artifacts": len(workspace.artifacts.list()),
        "endpoints": len(workspace.endpoints()),
        "events": len(workspace.log.list(limit=10_000)),
        "charges": len(workspace.ledger.charges()),
    }


def test_what_is_asked_of_the_whole_shows_nothing_of_the_other(two: Two) -> None:
    assert counted(two.ours)["charges"] >= 1
    assert two.theirs.ledger.charges([two.run.id]) == []
    assert two.theirs.log.list(subject=TRACE) == []
    assert two.theirs.log.list(subject=two.made.id) == []
    assert list(two.theirs.log.each("trace")) == []
    assert two.theirs.artifacts.find(id=two.made.id) is None
    assert two.theirs.artifacts.find(digest=two.made.digest) is None
    assert two.theirs.artifacts.many([two.made.id]) == {}
    assert two.theirs.runs.cached(two.run.key) is None


def test_the_graph_ends_at_the_tenant(two: Two) -> None:
    assert upstream(ancestry(two.ours, two.made.id), two.made.id)[0] == [two.run.id]
    assert downstream(progeny(two.ours, two.rows.id), two.rows.id)[0] == [two.run.id]
    assert upstream(ancestry(two.theirs, two.made.id), two.made.id) == ([], [two.made.id])
    assert downstream(progeny(two.theirs, two.rows.id), two.rows.id) == ([], [two.rows.id])


def test_the_same_content_is_an_artifact_of_each(two: Two) -> None:
    table = pa.table({"row_key": [KEY], "text": ["planted"]})
    with pickaxe.open(two.ours.path.parent / "own") as ours:
        Access.of(ours.catalog).add_tenant("acme", admin="eve", password="a long password")
        theirs = ours.for_tenant("tenant-acme", "")
        first, second = ours.import_table(table, "x/rows"), theirs.import_table(table, "x/rows")
        assert first.id != second.id
        assert first.digest == second.digest
        assert theirs.read_table(second).num_rows == 1
