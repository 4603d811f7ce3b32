"""The step that takes over the teacher's labels, on teachers whose true error is known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pickaxe.evaluate.accept import accept
from pickaxe.evaluate.config import AcceptConfig
from pickaxe.kernel.errors import BadInput
from pickaxe.testing import StepBench


class World:
    """Texts with a true label and a teacher whose chance to be wrong is `noise` times what it admits."""

    def __init__(self, rows: int, *, seed: int, classes: tuple[str, ...] = ("no", "yes"), shares: tuple[float, ...] = (0.5, 0.5),
                 noise: float = 0.7) -> None:  # fmt: skip
        self.rng = np.random.default_rng(seed)
        self.classes, self.rows = classes, rows
        self.keys = [f"k{index}" for index in range(rows)]
        self.predicted = self.rng.choice(len(classes), rows, p=shares)
        self.confidence = 1 - 0.5 * self.rng.beta(1, 2, rows)
        self.wrong = self.rng.random(rows) < np.clip(noise * (1 - self.confidence), 0, 1)
        self.true = np.where(self.wrong, (self.predicted + 1) % len(classes), self.predicted)

    def predictions(self, at: np.ndarray) -> pa.Table:
        rest = (1 - self.confidence) / (len(self.classes) - 1)
        probs = np.repeat(rest[:, None], len(self.classes), axis=1)
        probs[np.arange(self.rows), self.predicted] = self.confidence
        return pa.table(
            {
                "row_key": [self.keys[index] for index in at],
                "label": [self.classes[self.predicted[index]] for index in at],
                "confidence": self.confidence[at],
                "probs": pa.array([probs[index].tolist() for index in at], type=pa.list_(pa.float64())),
            }
        )

    def bench(self, audit_rows: int = 300, seed: int = 0, **more: pa.Table) -> StepBench:
        everything = np.arange(self.rows)
        audit = np.random.default_rng(seed).choice(self.rows, audit_rows, replace=False)
        gold = pa.table({"row_key": [self.keys[i] for i in audit], "label": [self.classes[self.true[i]] for i in audit]})
        return StepBench(
            {
                "predictions": self.predictions(everything),
                "audit_predictions": self.predictions(audit),
                "audit": gold,
                "pool": pa.table({"row_key": self.keys, "text": [f"text of {key}" for key in self.keys]}),
                **more,
            }
        )

    def error_of(self, table: pa.Table) -> float:
        at = np.array([int(key[1:]) for key in table["row_key"].to_pylist()], dtype=int)
        return float(self.wrong[at].mean())


def test_labels_are_taken_over_with_text_and_source() -> None:
    bench = World(4000, seed=1).bench()
    accept(bench, AcceptConfig())
    labels, acceptance = bench.saved["auto_labels"], bench.saved["acceptance"]

    assert labels.column_names == ["row_key", "text", "label", "confidence", "probs", "labelled_by"]
    assert labels.num_rows == acceptance["accepted"] == sum(item["accepted"] for item in acceptance["classes"]) > 1000
    assert labels["text"][0].as_py() == f"text of {labels['row_key'][0]}"
    assert set(labels["labelled_by"].to_pylist()) == {"fake-predictions"}
    assert not set(labels["row_key"].to_pylist()) & set(bench.values["audit"]["row_key"].to_pylist())
    thresholds = {item["label"]: item["threshold"] for item in acceptance["classes"]}
    assert all(row["confidence"] >= thresholds[row["label"]] for row in labels.to_pylist())
    assert all(item["bound"] == 0.15 and item["curve"] for item in acceptance["classes"])


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["class", "overall"])
def test_true_error_exceeds_the_bound_in_at_most_five_percent_of_audits(scope: str) -> None:
    world = World(3000, seed=2, noise=1.0)  # 17% wrong in all: the loosest thresholds break the bound
    config, draws, failures, coverage = AcceptConfig(max_error=0.15, scope=scope), 100, 0, 0.0  # type: ignore[arg-type]
    for draw in range(draws):
        bench = world.bench(seed=draw)
        accept(bench, config)
        labels = bench.saved["auto_labels"]
        coverage += bench.saved["acceptance"]["coverage"] / draws
        groups = [labels] if scope == "overall" else [labels.filter(pc.field("label") == name) for name in world.classes]
        failures += any(world.error_of(group) > 0.15 for group in groups if group.num_rows)
    assert failures / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
    assert coverage > 0.2


def test_a_rare_class_is_left_out_with_the_labels_it_would_need() -> None:
    world = World(6000, seed=3, classes=("common", "usual", "rare"), shares=(0.55, 0.43, 0.02))
    bench = world.bench()
    accept(bench, AcceptConfig())
    by_label = {item["label"]: item for item in bench.saved["acceptance"]["classes"]}
    assert by_label["rare"]["accepted"] == 0
    assert by_label["rare"]["bound"] is None
    assert "too few audit rows" in by_label["rare"]["reason"]
    assert by_label["rare"]["labels_needed"] > 500  # 22 rows of a 2% class take over a thousand uniform draws
    assert by_label["common"]["accepted"] > 0
    assert "rare" not in bench.saved["auto_labels"]["label"].to_pylist()


def test_a_bad_teacher_gives_an_empty_table_and_the_reason() -> None:
    bench = World(2000, seed=4, noise=4.0).bench()
    accept(bench, AcceptConfig(max_error=0.05))
    assert bench.saved["auto_labels"].num_rows == 0
    assert bench.saved["auto_labels"].schema.field("probs").type == pa.list_(pa.float64())
    acceptance = bench.saved["acceptance"]
    assert acceptance["statement"].startswith("nothing is accepted")
    assert all("no threshold could be certified" in item["reason"] for item in acceptance["classes"])
    assert all(item["labels_needed"] is None for item in acceptance["classes"])


def test_an_empty_pool_is_said() -> None:
    world = World(300, seed=5)
    bench = world.bench(audit_rows=300)
    accept(bench, AcceptConfig())
    assert bench.saved["auto_labels"].num_rows == 0
    assert "no rows beyond those that people labelled" in bench.saved["acceptance"]["statement"]


def test_rows_the_teacher_learnt_from_are_not_taken_over() -> None:
    bench = World(4000, seed=1).bench()
    audited = set(bench.values["audit"]["row_key"].to_pylist())
    train = [key for key in bench.values["pool"]["row_key"].to_pylist() if key not in audited][:1000]
    bench.values["train"] = pa.table({"row_key": train})  # type: ignore[index]
    accept(bench, AcceptConfig())
    assert bench.saved["acceptance"]["pool_rows"] == 4000 - 300 - 1000
    assert bench.saved["auto_labels"].num_rows > 500
    assert not set(bench.saved["auto_labels"]["row_key"].to_pylist()) & set(train)


def test_the_same_inputs_give_the_same_outputs() -> None:
    first, second = World(1500, seed=6).bench(), World(1500, seed=6).bench()
    accept(first, AcceptConfig())
    accept(second, AcceptConfig())
    assert first.saved["auto_labels"].equals(second.saved["auto_labels"])
    assert first.saved["acceptance"] == second.saved["acceptance"]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"audit": pa.table({"row_key": ["k1"], "label": pa.array([None], pa.string())})}, "without a label"),
        ({"audit": pa.table({"row_key": ["k1", "k1"], "label": ["no", "no"]})}, "more than once"),
        ({"audit": pa.table({"row_key": ["stranger"], "label": ["no"]})}, "audit_predictions lacks 1"),
        ({"audit": pa.table({"row_key": pa.array([], pa.string()), "label": pa.array([], pa.string())})}, "audit is empty"),
        ({"predictions": pa.table({"row_key": ["k1"], "label": ["no"]})}, "lacks the column"),
        ({"pool": pa.table({"row_key": ["k1"], "text": ["x"]})}, "pool lacks"),
        ({"train": pa.table({"row_key": [f"k{i}" for i in range(800)]})}, "training rows"),
    ],
)
def test_tables_that_do_not_fit_are_refused(broken: dict[str, pa.Table], message: str) -> None:
    bench = World(800, seed=7).bench(**broken)
    with pytest.raises(BadInput, match=message):
        accept(bench, AcceptConfig())
    assert not bench.saved
