"""The gate on models whose quality is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pickaxe.evaluate.config import GateConfig
from pickaxe.evaluate.gate import gate, require_passed
from pickaxe.evaluate.rules import REMEDIES
from pickaxe.kernel.errors import BadInput, GateFailed
from pickaxe.testing import StepBench

CLASSES = ["no", "yes"]
ROWS = 1200


class Remembering:
    """A model that knows the probabilities of each text by heart."""

    def __init__(self, folder: Path) -> None:
        stored = json.loads((folder / "pickaxe.json").read_text())
        self.classes, self.known = stored["classes"], stored["known"]

    def predict_proba(self, texts: list[str]) -> np.ndarray:
        return np.array([self.known[text] for text in texts], dtype=np.float32)


@pytest.fixture(autouse=True)
def _remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pickaxe.kernel.predictors.load_named", lambda group, name, *, what: Remembering)


@pytest.fixture
def test_rows() -> pa.Table:
    rng = np.random.default_rng(0)
    labels = [CLASSES[index] for index in rng.integers(2, size=ROWS)]
    return pa.table({"row_key": [f"k{i}" for i in range(ROWS)], "text": [f"text {i}" for i in range(ROWS)], "label": labels})


def model(folder: Path, test: pa.Table, accuracy: float, *, seed: int = 1, claims: float | None = None,
          classes: list[str] | None = None) -> Path:  # fmt: skip
    """A model folder that is right on `accuracy` of the test rows and says it is `claims` sure. The same seed errs alike."""
    names, rng = classes or CLASSES, np.random.default_rng(seed)
    known = {}
    sure = claims or accuracy
    for row, luck in zip(test.to_pylist(), rng.random(test.num_rows), strict=True):
        right = names.index(row["label"]) if row["label"] in names else 0
        said = right if luck < accuracy else (right + 1) % len(names)
        probs = np.full(len(names), (1 - sure) / (len(names) - 1))
        probs[said] = sure
        known[row["text"]] = probs.tolist()
    folder.mkdir()
    (folder / "pickaxe.json").write_text(json.dumps({"format": "remembering", "classes": names, "known": known}))
    return folder


def judged(config: GateConfig, **inputs: Any) -> dict[str, Any]:
    bench = StepBench(inputs)
    gate(bench, config)
    json.dumps(bench.saved["verdict"], allow_nan=False)
    return bench.saved["verdict"]


def rule(verdict: dict[str, Any], name: str) -> dict[str, Any]:
    return next(item for item in verdict["rules"] if item["name"] == name)


def test_a_good_candidate_passes_every_rule(tmp_path: Path, test_rows: pa.Table) -> None:
    verdict = judged(
        GateConfig(min_accuracy=0.75, min_recall_per_class=0.7, min_gain_over_baseline=0.03),
        candidate=model(tmp_path / "c", test_rows, 0.84),
        baseline=model(tmp_path / "b", test_rows, 0.76),
        teacher=model(tmp_path / "t", test_rows, 0.86),
        incumbent=model(tmp_path / "i", test_rows, 0.83),
        test=test_rows,
        train=pa.table({"row_key": ["other"], "text": ["another text"]}),
    )
    assert verdict["passed"], verdict["statement"]
    require_passed(verdict)
    assert [item["name"] for item in verdict["rules"]] == [
        "enough_test_rows", "no_test_row_in_training", "beats_majority_class", "min_accuracy", "min_recall_per_class", "max_ece",
        "gain_over_baseline", "min_share_of_teacher", "not_worse_than_incumbent",
    ]  # fmt: skip
    candidate = verdict["models"]["candidate"]
    assert candidate["accuracy"]["low"] < candidate["accuracy"]["value"] < candidate["accuracy"]["high"]
    assert 0.80 < candidate["accuracy"]["value"] < 0.88
    assert rule(verdict, "gain_over_baseline")["low"] > 0
    assert all("1200 rows" in item["data"] and item["metric"] for item in verdict["rules"])
    assert len(verdict["worst_errors"]) == 20
    assert all(item["label"] != item["predicted"] for item in verdict["worst_errors"])


@pytest.mark.parametrize(
    ("failing", "config", "others"),
    [
        ("beats_majority_class", {}, {"candidate": 0.5}),
        ("min_accuracy", {"min_accuracy": 0.9}, {}),
        ("min_recall_per_class", {"min_recall_per_class": 0.9}, {}),
        ("max_ece", {"max_ece": 0.05}, {"claims": 0.99}),
        ("gain_over_baseline", {}, {"baseline": 0.839}),
        ("gain_over_baseline", {"min_gain_over_baseline": 0.2}, {"baseline": 0.78}),
        ("min_share_of_teacher", {}, {"teacher": 0.95}),
        ("not_worse_than_incumbent", {}, {"incumbent": 0.87}),
        ("enough_test_rows", {"min_test_rows": ROWS + 1}, {}),
    ],
)
def test_each_rule_can_fail_alone(
    tmp_path: Path, test_rows: pa.Table, failing: str, config: dict[str, Any], others: dict[str, float]
) -> None:
    candidate = model(tmp_path / "c", test_rows, others.pop("candidate", 0.84), claims=others.pop("claims", None))
    models = {name: model(tmp_path / name, test_rows, accuracy) for name, accuracy in others.items()}
    verdict = judged(GateConfig(**config), candidate=candidate, test=test_rows, **models)
    assert not verdict["passed"]
    assert [item["name"] for item in verdict["rules"] if not item["passed"]] == [failing]
    with pytest.raises(GateFailed, match=failing) as caught:
        require_passed(verdict)
    assert caught.value.exit_code == 9
    assert f"what to do: {failing}: {REMEDIES[failing]}" in str(caught.value)


def test_a_negative_gain_is_what_may_be_lost(tmp_path: Path, test_rows: pa.Table) -> None:
    same = {name: model(tmp_path / name, test_rows, 0.84) for name in ("candidate", "baseline")}
    strict, lenient = (judged(GateConfig(min_gain_over_baseline=gain), test=test_rows, **same) for gain in (0.0, -0.2))
    assert not rule(strict, "gain_over_baseline")["passed"]
    assert rule(lenient, "gain_over_baseline")["passed"]


def test_a_test_row_seen_in_training_fails_the_gate_by_key_or_by_text(tmp_path: Path, test_rows: pa.Table) -> None:
    train = pa.table({"row_key": ["k3", "x"], "text": ["whatever", "  TEXT   7 "]})
    verdict = judged(GateConfig(), candidate=model(tmp_path / "c", test_rows, 0.84), test=test_rows, train=train)
    assert not rule(verdict, "no_test_row_in_training")["passed"]
    assert verdict["data"]["train"]["overlapping"] == ["k3", "k7"]


def test_a_predictions_table_stands_in_for_a_model(tmp_path: Path, test_rows: pa.Table) -> None:
    folder = model(tmp_path / "t", test_rows, 0.86)
    probs = Remembering(folder).predict_proba(test_rows["text"].to_pylist())
    order = np.random.default_rng(1).permutation(ROWS)  # predictions may come in another order
    table = pa.table(
        {
            "row_key": [f"k{i}" for i in order],
            "label": [CLASSES[probs[i].argmax()] for i in order],
            "confidence": probs.max(1)[order].astype(float),
            "probs": [probs[i].tolist() for i in order],
        }
    )
    candidate = model(tmp_path / "c", test_rows, 0.84)
    by_model = judged(GateConfig(), candidate=candidate, teacher=folder, test=test_rows)
    by_table = judged(GateConfig(), candidate=candidate, teacher_predictions=table, test=test_rows)
    assert by_table["comparisons"] == by_model["comparisons"]
    assert by_table["models"]["teacher"]["ece"] == pytest.approx(by_model["models"]["teacher"]["ece"])
    assert by_table["models"]["teacher"]["brier"] is None
    assert any("no class order" in note for note in by_table["notes"])

    with pytest.raises(BadInput, match="teacher_predictions lacks 1200"):
        judged(GateConfig(), candidate=candidate, test=test_rows,
               teacher_predictions=table.set_column(0, "row_key", [[f"z{i}" for i in range(ROWS)]]))  # fmt: skip


def test_classes_without_test_rows_and_unknown_classes_are_stated(tmp_path: Path, test_rows: pa.Table) -> None:
    labels = ["strange" if index < 40 else label for index, label in enumerate(test_rows["label"].to_pylist())]
    test = test_rows.set_column(2, "label", [labels])
    verdict = judged(GateConfig(), candidate=model(tmp_path / "c", test, 0.9, classes=["no", "yes", "maybe"]), test=test)
    by_label = {item["label"]: item for item in verdict["models"]["candidate"]["per_class"]}
    assert by_label["maybe"]["recall"] == {"value": None, "low": None, "high": None}
    assert by_label["strange"]["recall"]["value"] == 0
    notes = "\n".join(verdict["notes"])
    assert "'strange' is unknown to the candidate: its 40 test rows count as errors" in notes
    assert "'maybe' has no test row" in notes
    assert "no baseline was given" in notes
    assert "overlap between training and test was not checked" in notes


def test_a_teacher_that_is_never_right_does_not_break_the_gate(tmp_path: Path, test_rows: pa.Table) -> None:
    verdict = judged(
        GateConfig(), candidate=model(tmp_path / "c", test_rows, 0.84), teacher=model(tmp_path / "t", test_rows, 0.0, claims=0.9),
        test=test_rows,
    )  # fmt: skip
    assert rule(verdict, "min_share_of_teacher")["passed"]


def test_the_verdict_is_the_same_again_and_moves_with_the_seed(tmp_path: Path, test_rows: pa.Table) -> None:
    inputs = {"candidate": model(tmp_path / "c", test_rows, 0.84), "test": test_rows}
    first, again, other = StepBench(inputs), StepBench(inputs), StepBench(inputs, seed=8)
    for bench in (first, again, other):
        gate(bench, GateConfig())
    assert first.saved["verdict"] == again.saved["verdict"]
    assert first.saved["verdict"]["models"]["candidate"]["accuracy"] != other.saved["verdict"]["models"]["candidate"]["accuracy"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.slice(0, 0), "test set is empty"),
        (lambda table: table.drop_columns(["text"]), "lacks the column"),
        (lambda table: table.set_column(2, "label", [[None] * ROWS]), "without a label"),
        (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "more than once"),
    ],
)
def test_unusable_test_rows_are_refused(tmp_path: Path, test_rows: pa.Table, change: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        judged(GateConfig(), candidate=model(tmp_path / "c", test_rows, 0.84), test=change(test_rows))


def test_a_gate_without_candidate_is_refused(test_rows: pa.Table) -> None:
    with pytest.raises(BadInput, match="no candidate"):
        judged(GateConfig(), test=test_rows)
