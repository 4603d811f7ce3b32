"""The whole line on a toy: what it publishes, what it reuses, where it stops."""

from __future__ import annotations

from collections import Counter

import pytest

from pickaxe.flows.line import Nobody
from pickaxe.flows.produce import produce
from pickaxe.flows.reporting import report_of
from pickaxe.kernel.errors import BadInput, GateFailed
from pickaxe.kernel.ledger.cost import cost_of
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.workspace import Workspace
from tests.flows.tiny import HOME, Files, Finished, StopAt, Stopped

pytestmark = pytest.mark.slow

PREPARED = ("ingest", "curate")
EACH_ROUND = (
    *("label", "adjudicate", "divide", "teacher", "export", "predict", "auto-label", "assemble", "student", "baseline"),
    *("test", "gate", "publish", "reference", "foreign", "traffic", "watch"),
)


def test_every_stage_is_on_record(finished: Finished, made: Workspace) -> None:
    counted = Counter((record.round, record.stage) for record in finished.first.records)
    assert set(counted) == {(1, stage) for stage in (*PREPARED, *EACH_ROUND)} | {
        (2, stage) for stage in ("feedback", *EACH_ROUND)
    }
    assert set(counted.values()) == {1}
    states = {made.runs.get(record.run_id).state for record in finished.first.records}
    assert states == {RunState.SUCCEEDED}
    assert all(record.nano > 0 for record in finished.first.records)
    by_stage = {record.stage: record.rows for record in finished.first.records if record.round == 1}
    assert by_stage["ingest"] == 1020
    assert by_stage["traffic"] == HOME + 60
    quarantine = made.read_table(made.artifact("tiny/quarantine:1"))
    assert sorted(quarantine["line"].to_pylist()) == [101, 102, 103, 104]


def test_it_ends_with_a_model_in_production_behind_an_endpoint(finished: Finished, made: Workspace) -> None:
    model = made.artifact("tiny/model@production")
    assert (model.id, model.version, model.kind) == (finished.first.model.id, 2, "model")
    assert [route.artifact_id for route in made.endpoint("tiny").routes] == [model.id]
    assert made.endpoint("tiny").meta == {"round": 2}
    card = (made.files(model) / "README.md").read_text(encoding="utf-8")
    assert "Nothing but tests." in card
    assert "simulated-ann-1 (simulated)" in card
    assert "FAILED" not in card
    assert "the error of all accepted labels together is at most 40%" in card
    assert {endpoint.name for endpoint in made.endpoints()} == {"tiny", "topics"}


def test_every_answer_has_a_trace(finished: Finished, made: Workspace) -> None:
    sent: list[str] = []
    for turn in finished.first.rounds:
        log = made.read_table(turn.artifacts["traffic_log"]).to_pylist()
        assert Counter(row["source"] for row in log) == {"home": HOME, "foreign": 60}
        sent += [row["text"] for row in log if row["source"] == "home"]
        for row in (log[0], log[-1]):
            (event,) = made.events(kind="trace", subject=row["trace_id"])
            assert event.body["artifact_id"] == turn.model.id
            assert (event.body["texts"], event.body["labels"]) == ([row["text"]], [row["label"]])
    assert len(set(sent)) == 2 * HOME, "no row was sent twice"
    assert made.artifact("tiny/traffic:1").meta["rows"] // 2 == HOME
    assert made.log.count("trace") == 2 * (HOME + 60)


def test_what_answers_a_line_keeps_a_forecast_and_is_compared(finished: Finished, made: Workspace) -> None:
    kept = [event for event in made.events(kind="forecast") if event.name == "serve:tiny"]
    read = [event for event in made.events(kind="served") if event.name == "serve:tiny"]
    assert [event.subject for event in kept] == [event.subject for event in read]
    assert [event.body["readings"]["answers"] for event in read] == [HOME + 60] * len(finished.first.rounds)
    assert all(event.body["calls_s"] > 0 for event in kept)
    assert "answer_us" in kept[-1].body["meters"], "the second rests on the first"


def test_the_alarm_is_raised_by_foreign_traffic_and_not_by_the_tasks_own(finished: Finished, made: Workspace) -> None:
    alerts = made.events(kind="alert")
    assert [alert.subject for alert in alerts] == [turn.artifacts["drift"].id for turn in finished.first.rounds]
    assert {alert.body["source"] for alert in alerts} == {"foreign"}
    for turn in finished.first.rounds:
        report = made.read_json(turn.artifacts["drift"])
        assert {source["source"]: bool(source["alarms"]) for source in report["sources"]} == {"home": False, "foreign": True}


def test_the_second_round_learns_from_feedback_and_starts_warm(finished: Finished, made: Workspace) -> None:
    first, second = finished.first.rounds
    corrections = {event.body["text"]: event.body["label"] for event in made.events(kind="feedback")}
    told = made.read_table(second.artifacts["annotations"]).to_pylist()
    fed = [row for row in told if row["arm"] == "feedback"]
    assert 0 < len(fed) <= len(corrections)
    assert {row["annotator"] for row in fed} == {"simulated-user"}
    assert all(row["simulated"] for row in fed)
    gold = {row["row_key"]: row for row in made.read_table(second.artifacts["gold"]).to_pylist()}
    assert all(corrections[gold[row["row_key"]]["text"]] == row["label"] for row in fed)
    assert {row["row_key"] for row in fed} <= set(made.read_table(second.artifacts["training_set"])["row_key"].to_pylist())
    assert len(told) > len(fed) + first.artifacts["annotations"].meta["rows"]
    teacher = made.runs.get(second.artifacts["teacher"].run_id or "")
    assert teacher.inputs["warm_start"] == first.artifacts["teacher"].id
    rules = {rule["name"] for rule in made.read_json(second.artifacts["verdict"])["rules"]}
    assert rules >= {"gain_over_baseline", "not_worse_than_incumbent", "beats_majority_class", "no_test_row_in_training"}


def test_what_a_second_round_and_a_second_task_add_to_the_bill(finished: Finished, made: Workspace) -> None:
    first, second = (cost_of(made, turn.model) for turn in finished.first.rounds)
    other = cost_of(made, finished.second.model)
    assert first.marginal == first.full
    assert 0 < second.marginal < first.full < second.full
    assert second.full == first.full + second.marginal - _not_needed_again(first, second)
    teachers = [
        made.runs.get(product.rounds[0].artifacts["teacher"].run_id or "") for product in (finished.first, finished.second)
    ]
    assert teachers[0].inputs["encoder"] == teachers[1].inputs["encoder"]
    assert made.artifact(teachers[0].inputs["encoder"]).ref == "encoders/encoder:1"
    assert 0 < other.marginal <= other.full


def _not_needed_again(first: object, second: object) -> int:
    """What the first model was charged for runs that the second does not stand on."""
    kept = {run.run_id for run in second.runs}  # type: ignore[attr-defined]
    return sum(run.nano for run in first.runs if run.run_id not in kept)  # type: ignore[attr-defined]


def test_the_pool_of_cores_adds_up(made: Workspace) -> None:
    statements = made.ledger.statements()
    assert all(item.charged + item.idle == item.cost for item in statements)
    assert sum(item.charged for item in statements) > 0


def test_an_identical_call_comes_from_the_cache(finished: Finished, again: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_server(*_: object, **__: object) -> None:
        raise AssertionError("a server was started")

    monkeypatch.setattr("pickaxe.flows.watching.load_named", no_server)
    facts = {kind: again.log.count(kind) for kind in ("trace", "feedback", "alert", "publish", "progress")}
    endpoint, runs = again.endpoint("tiny"), len(again.runs.list())
    product = produce(finished.files.task, again)
    assert all(record.cached for record in product.records)
    assert [record.stage for record in product.records] == [record.stage for record in finished.first.records]
    assert product.model.id == finished.first.model.id
    assert {kind: again.log.count(kind) for kind in facts} == facts
    assert (again.endpoint("tiny"), len(again.runs.list())) == (endpoint, runs)


class Noting(Nobody):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_new_traffic_goes_to_the_model_that_answers_now_only(finished: Finished, again: Workspace) -> None:
    before, watcher = again.log.count("trace"), Noting()
    product = produce(finished.files.variant(traffic={"home_requests": 10, "foreign_requests": 5}), again, watcher=watcher)
    assert [turn.model.id for turn in product.rounds] == [turn.model.id for turn in finished.first.rounds]
    assert "tiny: no new requests to the model of round 1, a later one answers now" in watcher.notes
    assert "traffic_log" not in product.rounds[0].artifacts
    assert product.rounds[1].artifacts["traffic_log"].meta["rows"] == 15
    new = again.log.list(kind="trace", limit=1000)[before:]
    assert {event.body["artifact_id"] for event in new} == {product.model.id}
    assert len(new) == 15
    assert report_of(again, [product]).get("rounds")


def test_a_round_needs_a_row_of_traffic(finished: Finished, again: Workspace) -> None:
    with pytest.raises(BadInput, match="too few held-out rows") as caught:
        produce(finished.files.variant(curate={"traffic_share": 0.0}), again)
    assert "traffic_share" in str(caught.value)


def test_a_line_is_rebuilt_without_a_persons_answers(finished: Finished, again: Workspace) -> None:
    with pytest.raises(Stopped):
        produce(finished.files.variant(without=["simulated-ann-2"], rounds=1), again, watcher=StopAt("teacher"))
    gold = again.read_table(again.artifact("tiny/gold"))["annotators"].to_pylist()
    assert {name for names in gold for name in names} == {"simulated-ann-1", "simulated-ann-3"}
    (answers,) = again.artifacts.list(prefix="tiny/annotations")[-1:]
    assert answers.id in {turn.artifacts["annotations"].id for turn in finished.first.rounds}, "nobody was asked again"
    with pytest.raises(BadInput, match="no answer of simulated-ann-4"):
        produce(finished.files.variant(without=["simulated-ann-4"], rounds=1), again)


def test_a_failed_gate_stops_the_line_and_publishes_nothing(finished: Finished, again: Workspace) -> None:
    before = {
        "endpoints": again.endpoints(),
        "models": again.artifacts.list(prefix="tiny/model"),
        "events": again.log.count("publish"),
    }
    with pytest.raises(GateFailed, match="1 of 8 rules") as caught:
        produce(finished.files.variant(gate={"min_recall_per_class": 1.0}), again)
    assert caught.value.exit_code == 9
    assert "min_recall_per_class" in str(caught.value)
    after = {
        "endpoints": again.endpoints(),
        "models": again.artifacts.list(prefix="tiny/model"),
        "events": again.log.count("publish"),
    }
    assert after == before
    verdict = again.read_json(again.artifact("tiny/verdict"))
    assert verdict["passed"] is False


def test_labels_that_came_with_the_file_cost_nobodys_time(files: Files, again: Workspace) -> None:
    task = files.variant(annotators="file", rounds=1, traffic=None)
    with pytest.raises(Stopped):
        produce(task, again, watcher=StopAt("teacher"))
    given = again.read_table(again.artifact("tiny/annotations")).to_pylist()
    pool = {row["row_key"]: row["label"] for row in again.read_table(again.artifact("tiny/pool")).to_pylist()}
    assert {row["row_key"]: row["label"] for row in given} == pool
    assert {(row["annotator"], row["seconds"], row["simulated"]) for row in given} == {("file", 0.0, False)}
    arms = Counter(row["arm"] for row in given)
    assert set(arms) == {"audit", "random"}
    assert 0.3 < arms["audit"] / len(given) < 0.5
    run = again.runs.get(again.artifact("tiny/annotations").run_id or "")
    assert not [charge for charge in again.ledger.charges([run.id]) if charge.meter == "human_ms"]
