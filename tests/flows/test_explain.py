"""From an answer back to the training rows that speak for it, and who labelled them."""

from __future__ import annotations

import pytest

from pickaxe.flows.explain import explain, training_set_of
from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.workspace import Workspace
from tests.flows.tiny import Finished

pytestmark = pytest.mark.slow


def test_an_answer_is_explained_by_the_nearest_rows_of_its_own_models_training_set(finished: Finished, made: Workspace) -> None:
    for turn in finished.first.rounds:
        asked = made.read_table(turn.artifacts["traffic_log"]).to_pylist()[3]
        found = explain(made, asked["trace_id"], count=4)
        assert (found.text, found.answer["label"], found.model.id) == (asked["text"], asked["label"], turn.model.id)
        assert training_set_of(made, found.model) == turn.artifacts["training_set"]
        assert len(found.evidence) == 4
        similarities = [item.row.similarity for item in found.evidence]
        assert similarities == sorted(similarities, reverse=True)
        assert similarities[0] > 0
        rows = {row["row_key"]: row for row in made.read_table(turn.artifacts["training_set"]).to_pylist()}
        assert all(rows[item.row.row_key]["label"] == item.row.label for item in found.evidence)


def test_evidence_names_people_or_the_model_that_labelled(finished: Finished, made: Workspace) -> None:
    turn = finished.first.rounds[0]
    rows = {row["row_key"]: row for row in made.read_table(turn.artifacts["training_set"]).to_pylist()}
    trace = made.read_table(turn.artifacts["traffic_log"])["trace_id"].to_pylist()[0]
    named: dict[str, set[str]] = {"human": set(), "model": set()}
    for item in explain(made, trace, count=len(rows)).evidence:
        named[rows[item.row.row_key]["origin"]].update(item.labelled_by)
    assert named["human"] == {"simulated-ann-1", "simulated-ann-2", "simulated-ann-3"}
    (by,) = named["model"]
    assert made.artifact(by).id == made.read_table(turn.artifacts["auto_labels"])["labelled_by"][0].as_py()
    assert by.startswith("tiny/")


def test_rows_that_people_labelled_are_always_a_step_away(finished: Finished, made: Workspace) -> None:
    turn = finished.first.rounds[0]
    trace = made.read_table(turn.artifacts["traffic_log"])["trace_id"].to_pylist()[0]
    found = explain(made, trace, count=3)
    whole = [item.row for item in explain(made, trace, count=100_000).evidence if item.row.origin == "human"]
    assert len(found.people) == 3
    # Rarer words weigh more among fewer rows, so similarities differ; the rows are people's all the same.
    assert {item.row.row_key for item in found.people} <= {row.row_key for row in whole}
    assert all(name.startswith("simulated-ann-") for item in found.people for name in item.labelled_by)


def test_a_trace_or_text_that_is_not_there(finished: Finished, made: Workspace) -> None:
    trace = made.read_table(finished.first.rounds[0].artifacts["traffic_log"])["trace_id"].to_pylist()[0]
    with pytest.raises(NotFound, match="has no text 1"):
        explain(made, trace, index=1)
    with pytest.raises(NotFound, match="no trace"):
        explain(made, "0" * 32)
