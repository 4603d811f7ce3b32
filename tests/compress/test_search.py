"""The search: it tries, cuts, chooses on rows held back, and says why."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pickaxe.compress.config import Family, LinearSettings, OnnxSettings, StaticSettings, StudentConfig, TrainStudentConfig
from pickaxe.compress.search import Candidate, Trial, choose, wilson
from pickaxe.compress.service import search_students, train_student
from pickaxe.compress.targets import Targets, balanced, hold_back, human_targets
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.tokens import tokens_of_thread
from pickaxe.kernel.predictors import load_predictor
from pickaxe.testing import StepBench

pytestmark = pytest.mark.slow

SMALL = StudentConfig(
    families=("linear", "static"),
    linear=(LinearSettings(bits=12, l2=0.1), LinearSettings(bits=12, l2=0.1, char_ngrams=None)),
    static=(StaticSettings(width=16, hidden=16, epochs=150),),
    threads=1,
)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def searched(gold: pa.Table, auto_labels: pa.Table, teacher: Path) -> StepBench:
    bench = StepBench({"gold": gold, "auto_labels": auto_labels, "teacher": teacher})
    search_students(bench, SMALL)
    return bench


def test_the_student_learns_and_the_search_says_why(searched: StepBench) -> None:
    model = load_predictor(searched.saved["student"])
    assert model.predict_proba(["a superb show in lima", "a dreadful walk in rome"]).argmax(axis=1).tolist() == [1, 0]
    document = searched.saved["search"]
    assert json.loads(json.dumps(document)) == document
    assert len(document["candidates"]) == 3
    assert [own["chosen"] for own in document["candidates"]].count(True) == 1
    for own in document["candidates"]:
        assert own["low"] <= own["accuracy"] <= own["high"]
        assert own["bytes"] > 0
        assert "latency" not in json.dumps(own), "what is measured in time is no part of what is saved"
    assert document["chosen"]["family"] == "linear"
    assert "48 of people's labels held back" in document["validation"]
    assert document["why"]


def test_tokens_are_what_the_student_reads(gold: pa.Table, teacher: Path) -> None:
    """A static student reads five words as five tokens; one that counts n-grams reads none."""
    cases: tuple[tuple[Family, int], ...] = (("static", 5), ("linear", 0))
    for family, tokens in cases:
        bench = StepBench({"gold": gold, "teacher": teacher})
        before = tokens_of_thread()
        train_student(bench, TrainStudentConfig(family=family, threads=1))
        assert tokens_of_thread() - before == tokens * gold.num_rows
        model, before = load_predictor(bench.saved["baseline"]), tokens_of_thread()
        model.predict_proba(["a superb show in lima"])
        assert tokens_of_thread() - before == tokens


def test_latencies_are_metrics(searched: StepBench) -> None:
    told = {name: value for name, value, _ in searched.metrics if name.startswith("latency_ms.")}
    assert len(told) == 3
    assert all(value > 0 for value in told.values())


def test_the_same_inputs_give_the_same_bytes(searched: StepBench, gold: pa.Table, auto_labels: pa.Table, teacher: Path) -> None:
    again = StepBench({"gold": gold, "auto_labels": auto_labels, "teacher": teacher})
    search_students(again, SMALL)
    assert again.saved["search"] == searched.saved["search"]
    assert digests(again.saved["student"]) == digests(searched.saved["student"])


def test_the_static_student_learns_from_token_vectors(gold: pa.Table, auto_labels: pa.Table, teacher: Path) -> None:
    values = {"gold": gold, "auto_labels": auto_labels, "teacher": teacher}
    one, two = StepBench(values), StepBench(values)
    for bench in (one, two):
        search_students(bench, SMALL.model_copy(update={"families": ("static",)}))
    model = load_predictor(one.saved["student"])
    assert model.predict_proba(["a superb show in lima", "a dreadful walk in rome"]).argmax(axis=1).tolist() == [1, 0]
    assert np.isfinite(model.predict_proba(["", "🙂 ١٢", "x" * 10_000])).all()
    assert digests(one.saved["student"]) == digests(two.saved["student"])


def test_the_baseline_repeats_the_choice_on_peoples_labels_alone(searched: StepBench, gold: pa.Table) -> None:
    bench = StepBench({"gold": gold, "search": searched.saved["search"]})
    train_student(bench, TrainStudentConfig(threads=1))
    stored = json.loads((bench.saved["baseline"] / "pickaxe.json").read_text())
    assert {"family": stored["format"], "settings": stored["settings"]} == searched.saved["search"]["chosen"]
    assert load_predictor(bench.saved["baseline"]).predict_proba(["a superb film in paris"]).argmax() == 1
    odd = gold.set_column(2, "label", pa.array(["odd"] * gold.num_rows))
    with pytest.raises(BadInput, match="unknown classes"):
        train_student(StepBench({"gold": odd, "search": searched.saved["search"]}), TrainStudentConfig(threads=1))


def test_what_to_train_must_be_said(gold: pa.Table) -> None:
    with pytest.raises(BadInput, match="not said what to train"):
        train_student(StepBench({"gold": gold}), TrainStudentConfig(threads=1))
    with pytest.raises(BadInput, match="comes from a teacher"):
        train_student(StepBench({"gold": gold}), TrainStudentConfig(family="static", threads=1))
    with pytest.raises(BadInput, match="settings"):
        train_student(StepBench({"gold": gold}), TrainStudentConfig(family="linear", settings={"colour": 1}, threads=1))


def test_without_automatic_labels_people_are_enough_and_it_is_told(gold: pa.Table, auto_labels: pa.Table) -> None:
    bench = StepBench({"gold": gold, "auto_labels": auto_labels.slice(0, 0)})
    search_students(bench, SMALL)
    assert any("people's labels alone" in line for line in bench.logs)
    assert bench.saved["search"]["rows"] == {"human": gold.num_rows, "model": 0}
    cut = {own["family"]: own["cut"] for own in bench.saved["search"]["candidates"]}
    assert cut["static"] == "needs the teacher, which was not handed over"


@pytest.fixture
def helpful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Automatic labels pass for a help: the tiny task is so easy that nothing can be seen to help."""
    told = {"accuracy": 0.5, "log_loss": 1.0, "better": False}
    monkeypatch.setattr("pickaxe.compress.service.people_alone", lambda *_: told)


@pytest.mark.usefixtures("helpful")
def test_a_person_goes_before_the_teacher(gold: pa.Table, auto_labels: pa.Table) -> None:
    shared = len(set(gold["row_key"].to_pylist()) & set(auto_labels["row_key"].to_pylist()))
    assert shared > 0
    bench = StepBench({"gold": gold, "auto_labels": auto_labels})
    search_students(bench, SMALL.model_copy(update={"families": ("linear",)}))
    assert bench.saved["search"]["rows"] == {"human": gold.num_rows, "model": auto_labels.num_rows - shared}


def test_labels_of_one_class_only_do_not_tilt_the_student(gold: pa.Table, auto_labels: pa.Table) -> None:
    """Acceptance may leave a class out altogether; the student must not learn from that that the class is rare."""
    of_one = auto_labels.filter(pc.equal(auto_labels["label"], "good"))
    bench = StepBench({"gold": gold, "auto_labels": of_one})
    search_students(bench, SMALL.model_copy(update={"families": ("linear",)}))
    predicted = load_predictor(bench.saved["student"]).predict_proba(auto_labels["text"].to_pylist()).argmax(axis=1)
    expected = [label == "good" for label in auto_labels["label"].to_pylist()]
    assert np.mean(predicted == expected) > 0.9


def test_automatic_labels_that_do_not_help_are_left_out(gold: pa.Table, auto_labels: pa.Table) -> None:
    turned = {"good": "bad", "bad": "good"}
    lying = auto_labels.set_column(2, "label", pa.array([turned[label] for label in auto_labels["label"].to_pylist()]))
    lying = lying.set_column(4, "probs", pa.array([own[::-1] for own in auto_labels["probs"].to_pylist()]))
    bench = StepBench({"gold": gold, "auto_labels": lying})
    search_students(bench, SMALL.model_copy(update={"families": ("linear",)}))
    document = bench.saved["search"]
    assert document["people_alone"]["better"]
    assert document["rows"] == {"human": gold.num_rows, "model": 0}
    assert any("left out" in line for line in bench.logs)


def test_a_tie_goes_to_the_people(gold: pa.Table, searched: StepBench) -> None:
    """Labels that change no answer would only have to be defended at the gate, which asks of them a gain."""
    document = searched.saved["search"]
    (chosen,) = [own for own in document["candidates"] if own["chosen"]]
    assert document["people_alone"]["accuracy"] == chosen["accuracy"]
    assert document["rows"] == {"human": gold.num_rows, "model": 0}


def test_balance_gives_each_common_class_its_share() -> None:
    def made(counts: list[int], weight: float) -> Targets:
        probs = np.repeat(np.eye(len(counts)), counts, axis=0)
        return Targets([""] * sum(counts), probs, np.full(sum(counts), weight))

    even = np.array([0.5, 0.5])
    taught = balanced(made([900, 100], 1.0), made([50, 50], 2.0), even)
    assert np.bincount(taught.probs.argmax(axis=1), weights=taught.weights).tolist() == pytest.approx([100, 100])
    assert balanced(made([100, 100], 1.0), made([10, 10], 1.0), even).weights.tolist() == [1.0] * 200
    rare = balanced(made([480, 500, 3], 1.0), made([10, 10, 1], 1.0), np.array([0.49, 0.5, 0.01]))
    assert np.bincount(rare.probs.argmax(axis=1), weights=rare.weights) == pytest.approx([480, 490 * 0.5 / 0.49 - 10, 3])


@pytest.mark.usefixtures("helpful")
def test_rows_to_choose_by_are_never_learned_from(gold: pa.Table, auto_labels: pa.Table) -> None:
    lying = auto_labels.set_column(2, "label", pa.array(["good"] * auto_labels.num_rows))
    lying = lying.set_column(lying.column_names.index("probs"), "probs", pa.array([[0.0, 1.0]] * auto_labels.num_rows))
    every_eighth = pa.array([row % 8 == 0 for row in range(gold.num_rows)])
    few, others = gold.filter(every_eighth), gold.filter(pc.invert(every_eighth))
    bench = StepBench({"gold": few, "validation": others, "auto_labels": lying})
    search_students(bench, SMALL.model_copy(update={"families": ("linear",)}))
    kept = set(auto_labels["row_key"].to_pylist()) - set(gold["row_key"].to_pylist())
    assert bench.saved["search"]["rows"] == {"human": few.num_rows, "model": len(kept)}
    assert "no student learned from" in bench.saved["search"]["validation"]


def test_a_family_over_the_budget_is_cut_before_it_is_trained(gold: pa.Table, auto_labels: pa.Table, teacher: Path) -> None:
    bench = StepBench({"gold": gold, "auto_labels": auto_labels, "teacher": teacher})
    search_students(bench, SMALL.model_copy(update={"families": ("linear", "onnx"), "latency_ms": 0.2}))
    (onnx,) = [own for own in bench.saved["search"]["candidates"] if own["family"] == "onnx"]
    assert "the budget is 0.2 ms; not trained" in onnx["cut"]
    assert "accuracy" not in onnx
    assert onnx["cut"] in bench.saved["search"]["why"]
    with pytest.raises(BadInput, match="within the latency budget"):
        search_students(StepBench(bench.values), SMALL.model_copy(update={"latency_ms": 0.001}))


def test_one_class_and_foreign_labels_are_refused(gold: pa.Table, auto_labels: pa.Table, teacher: Path) -> None:
    same = gold.set_column(2, "label", pa.array(["good"] * gold.num_rows))
    with pytest.raises(BadInput, match="nothing to tell apart"):
        search_students(StepBench({"gold": same, "auto_labels": auto_labels}), SMALL)
    odd = gold.set_column(2, "label", pa.array(["odd", *gold["label"].to_pylist()[1:]]))
    with pytest.raises(BadInput, match="unknown classes: odd"):
        search_students(StepBench({"gold": odd, "auto_labels": auto_labels, "teacher": teacher}), SMALL)
    three = auto_labels.set_column(
        auto_labels.column_names.index("probs"), "probs", pa.array([[0.1, 0.2, 0.7]] * auto_labels.num_rows)
    )
    with pytest.raises(BadInput, match="do not fit the classes"):
        search_students(StepBench({"gold": gold, "auto_labels": three}), SMALL)


def test_randomly_drawn_rows_are_held_back_first(gold: pa.Table) -> None:
    arms = ["audit" if row % 4 == 0 else "active" for row in range(gold.num_rows)]
    learn, held, how = hold_back(gold.append_column("arm", pa.array(arms)), 0.25)
    assert set(held["arm"].to_pylist()) == {"audit"}
    assert learn.num_rows + held.num_rows == gold.num_rows
    assert not set(learn["row_key"].to_pylist()) & set(held["row_key"].to_pylist())
    assert f"{held.num_rows} of them drawn at random" in how


def test_a_persons_label_is_believed_as_far_as_adjudication_trusts_it(gold: pa.Table) -> None:
    doubted = gold.slice(0, 2).set_column(3, "confidence", pa.array([1.0, 0.7]))
    targets = human_targets(doubted, ["bad", "good"], StudentConfig(human_smoothing=0.1, human_weight=3))
    assert targets.probs[:, 1].tolist() == pytest.approx([0.95, 0.7 * 0.9 + 0.05])
    assert targets.weights.tolist() == [3, 3]


def trial(family: str, right: int, log_loss: float, *, from_end: bool = False) -> Trial:
    settings = {"linear": LinearSettings(), "static": StaticSettings(), "onnx": OnnxSettings()}[family]
    correct = np.arange(100) < right
    correct = correct[::-1] if from_end else correct
    return Trial(Candidate(family, settings), correct=correct, log_loss=log_loss)  # type: ignore[arg-type]


def test_the_choice() -> None:
    clear, why = choose([trial("linear", 80, 0.5), trial("onnx", 90, 0.3)])
    assert clear.candidate.family == "onnx"
    assert "more than one standard error" in why
    cheap, why = choose([trial("linear", 90, 0.5), trial("onnx", 91, 0.3, from_end=True)])
    assert cheap.candidate.family == "linear"
    assert "cheaper to run" in why
    calm, why = choose([trial("linear", 90, 0.5), trial("linear", 90, 0.4), trial("linear", 60, 0.1)])
    assert calm.log_loss == 0.4
    assert "lowest log-loss" in why


def test_wilson_interval() -> None:
    assert wilson(81, 100) == pytest.approx((0.7222, 0.8749), abs=1e-4)
    assert wilson(0, 10)[0] == pytest.approx(0, abs=1e-12)
