"""Blast radius on a finished line: exactly what a row, a person or an artifact touched."""

from __future__ import annotations

import pytest

from pickaxe.flows.blast import blast
from pickaxe.kernel.errors import NotFound
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace
from tests.flows.tiny import HOME, Finished

pytestmark = pytest.mark.slow


def keys(workspace: Workspace, artifact: Artifact) -> list[str]:
    return workspace.read_table(artifact, ["row_key"])["row_key"].to_pylist()


def test_a_row_that_the_teacher_learned_from_touches_both_models_and_their_answers(finished: Finished, made: Workspace) -> None:
    first, second = finished.first.rounds
    found = blast(made, keys(made, first.artifacts["lessons"])[0])
    assert {first.model.id, second.model.id} <= {model.id for model in found.models}
    assert [endpoint.name for endpoint in found.endpoints] == ["tiny"]
    assert found.answers == {first.model.id: HOME + 60, second.model.id: HOME + 60}
    assert finished.second.model.id not in {item.id for item in found.artifacts}
    assert {first.artifacts[role].id for role in ("teacher", "student", "auto_labels", "verdict", "drift")} <= {
        item.id for item in found.artifacts
    }
    assert first.artifacts["dropped"].id not in {item.id for item in found.artifacts}


def test_the_rebuild_is_priced_at_what_its_runs_were_charged_without_people(made: Workspace) -> None:
    found = blast(made, "tiny/pool:1")
    charges = made.ledger.charges(found.run_ids)
    people = sum(charge.nano or 0 for charge in charges if charge.meter == "human_ms")
    assert people > found.rebuild_nano > 0
    assert found.rebuild_nano + people == sum(charge.nano or 0 for charge in charges)


def test_an_artifact_touches_what_was_made_from_it_and_nothing_before(finished: Finished, made: Workspace) -> None:
    first, second = finished.first.rounds
    found = {item.id for item in blast(made, "tiny/teacher:1").artifacts}
    assert {first.artifacts["teacher"].id, first.model.id, second.artifacts["teacher"].id, second.model.id} <= found
    assert not {first.artifacts[role].id for role in ("pool", "gold", "lessons", "test")} & found
    later = blast(made, "tiny/teacher:2")
    assert {model.id for model in later.models} & {first.model.id, second.model.id} == {second.model.id}
    encoder = blast(made, "encoders/encoder")
    assert {first.model.id, second.model.id, finished.second.model.id} <= {model.id for model in encoder.models}
    assert [endpoint.name for endpoint in encoder.endpoints] == ["tiny", "topics"]


def test_a_persons_labels_touch_every_task_they_worked_for(finished: Finished, made: Workspace) -> None:
    found = blast(made, "", annotator="simulated-ann-1")
    assert found.what == "answers"
    assert {finished.first.model.id, finished.second.model.id} <= {model.id for model in found.models}
    user = blast(made, "", annotator="simulated-user")
    models = {model.id for model in user.models}
    assert finished.first.model.id in models
    assert not {finished.first.rounds[0].model.id, finished.second.model.id} & models, "they spoke after the first round"


def test_one_label_of_one_person(finished: Finished, made: Workspace) -> None:
    first, second = finished.first.rounds
    before = set(keys(made, first.artifacts["annotations"]))
    new = next(
        row
        for row in made.read_table(second.artifacts["annotations"]).to_pylist()
        if row["row_key"] not in before and row["arm"] != "feedback"
    )
    found = blast(made, new["row_key"], annotator=new["annotator"])
    models = {model.id for model in found.models}
    assert second.model.id in models
    assert first.model.id not in models, "the label was given after the first model was made"
    with pytest.raises(NotFound):
        blast(made, new["row_key"], annotator="nobody")


@pytest.mark.parametrize("place", ["test", "dropped", "traffic"])
def test_a_row_that_no_model_learned_from_touches_no_model(finished: Finished, made: Workspace, place: str) -> None:
    turn = finished.first.rounds[0]
    learned = {key for item in finished.first.rounds for key in keys(made, item.artifacts["training_set"])}
    row = next(key for key in keys(made, turn.artifacts[place]) if key not in learned)
    found = blast(made, row)
    assert not found.models
    assert not found.endpoints
    assert not found.answers
    if place == "test":
        assert turn.artifacts["verdict"].id in {item.id for item in found.artifacts}, "it judged the model"


@pytest.mark.parametrize("target", ["ffffffffffffffff", "tiny/nothing", "art-unknown"])
def test_what_nobody_knows_is_not_found(made: Workspace, target: str) -> None:
    with pytest.raises(NotFound):
        blast(made, target)
