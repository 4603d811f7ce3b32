"""Fine-tuning: it learns, it resumes to the same bytes, it refuses what it cannot use."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.tokens import tokens_of_thread
from pickaxe.kernel.predictors import Predictor, load_predictor
from pickaxe.testing import StepBench
from pickaxe.train import finetune
from pickaxe.train.config import PredictConfig, TeacherConfig
from pickaxe.train.encoder_folder import check_encoder, find_encoder
from pickaxe.train.service import predict, train_teacher

CONFIG = TeacherConfig(max_length=16, epochs=3, learning_rate=3e-3, head_learning_rate=1e-2, freeze_embeddings=False, threads=1)


@pytest.fixture(scope="module")
def trained(encoder: Path, gold: pa.Table) -> StepBench:
    bench = StepBench({"gold": gold, "encoder": encoder})
    train_teacher(bench, CONFIG)
    return bench


def digest(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_the_teacher_learns_what_its_labels_say(trained: StepBench) -> None:
    model = load_predictor(trained.saved["teacher"])
    assert isinstance(model, Predictor)
    assert tuple(model.classes) == ("bad", "good")
    probs = model.predict_proba(["a superb show in lima", "a dreadful game in oslo"])
    assert probs.shape == (2, 2)
    assert probs.dtype == np.float32
    assert probs.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert probs.argmax(axis=1).tolist() == [1, 0]


@pytest.mark.slow
def test_losses_validation_and_calibration_are_told(trained: StepBench) -> None:
    names = {name for name, _, _ in trained.metrics}
    assert names >= {"loss", "validation_accuracy", "validation_loss", "temperature"}
    report = trained.saved["training"]
    assert [line["epoch"] for line in report["epochs"]] == [1, 2, 3]
    assert report["epochs"][-1]["training_loss"] < report["epochs"][0]["training_loss"] * 0.9
    assert sum(line["kept"] for line in report["epochs"]) == 1
    assert 0.25 <= report["temperature"] <= 8


class Killed(Exception):
    """Stands for kill -9 at this place."""


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", [1, 9, 14, 20])
def test_killed_and_started_again_it_ends_with_the_same_bytes(
    encoder: Path, gold: pa.Table, trained: StepBench, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    config = CONFIG.model_copy(update={"max_seconds_between_checkpoints": 1e-9})
    bench = StepBench({"gold": gold, "encoder": encoder})
    learn, seen = finetune.FineTuning._learn, 0

    def learn_until_killed(self: finetune.FineTuning, rows: np.ndarray, step: int, steps: int) -> float:
        nonlocal seen
        seen += 1
        if seen > killed_at:
            raise Killed
        return learn(self, rows, step, steps)

    monkeypatch.setattr(finetune.FineTuning, "_learn", learn_until_killed)
    with pytest.raises(Killed):
        train_teacher(bench, config)
    monkeypatch.undo()
    (bench.checkpoint / "training.half").write_bytes(b"torn in the middle of a write")

    train_teacher(bench, config)

    assert any("resumed" in line for line in bench.logs)
    assert sum(name == "loss" for name, _, _ in bench.metrics) == sum(name == "loss" for name, _, _ in trained.metrics)
    assert digest(bench.saved["teacher"]) == digest(trained.saved["teacher"])


@pytest.mark.slow
def test_a_seed_of_its_own_gives_a_model_of_its_own(encoder: Path, gold: pa.Table, trained: StepBench) -> None:
    bench = StepBench({"gold": gold, "encoder": encoder}, seed=8)
    train_teacher(bench, CONFIG)
    assert digest(bench.saved["teacher"])["model.safetensors"] != digest(trained.saved["teacher"])["model.safetensors"]


@pytest.mark.slow
def test_the_model_folder_names_no_place_on_this_machine(trained: StepBench, encoder: Path) -> None:
    for path in trained.saved["teacher"].glob("*.json"):
        assert str(encoder.parent) not in path.read_text()
    assert json.loads((trained.saved["teacher"] / "pickaxe.json").read_text())["format"] == "encoder"


@pytest.mark.slow
def test_a_warm_start_goes_on_from_the_earlier_teacher(encoder: Path, gold: pa.Table, trained: StepBench) -> None:
    bench = StepBench({"gold": gold, "encoder": encoder, "warm_start": trained.saved["teacher"]})
    train_teacher(bench, CONFIG.model_copy(update={"warm_epochs": 1}))
    (only,) = bench.saved["training"]["epochs"]
    assert only["training_loss"] < trained.saved["training"]["epochs"][0]["training_loss"]
    assert load_predictor(bench.saved["teacher"]).predict_proba(["a fine trip in rome"]).argmax() == 1


@pytest.mark.slow
def test_a_warm_start_with_other_classes_gets_a_new_head(encoder: Path, gold: pa.Table, trained: StepBench) -> None:
    renamed = gold.set_column(2, "label", pa.array([f"very {label}" for label in gold["label"].to_pylist()]))
    bench = StepBench({"gold": renamed, "encoder": encoder, "warm_start": trained.saved["teacher"]})
    train_teacher(bench, CONFIG.model_copy(update={"warm_epochs": 1}))
    assert tuple(load_predictor(bench.saved["teacher"]).classes) == ("very bad", "very good")
    assert any("new head" in line for line in bench.logs)


def test_training_stops_when_validation_falls_clearly_below_the_best(
    encoder: Path, gold: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.9, 0.5, 0.4, 0.95])
    monkeypatch.setattr(
        finetune, "validation_figures", lambda *_: {"validation_loss": 1.0, "validation_accuracy": next(accuracies)}
    )
    bench = StepBench({"gold": gold, "encoder": encoder})
    train_teacher(bench, CONFIG.model_copy(update={"epochs": 9, "patience": 2}))
    epochs = bench.saved["training"]["epochs"]
    assert [line["kept"] for line in epochs] == [True, False, False]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda gold: gold.slice(0, 0), "no labels"),
        (lambda gold: gold.set_column(2, "label", pa.array(["good"] * gold.num_rows)), "all labels are the same"),
        (lambda gold: gold.set_column(2, "label", pa.array([None] * gold.num_rows, pa.string())), "have no label"),
        (lambda gold: gold.drop_columns(["label"]), "lack the column"),
    ],
)
def test_labels_that_teach_nothing_are_refused(encoder: Path, gold: pa.Table, change, told: str) -> None:
    bench = StepBench({"gold": change(gold), "encoder": encoder})
    with pytest.raises(BadInput, match=told):
        train_teacher(bench, CONFIG)
    assert bench.saved == {}


def test_a_class_without_a_label_is_named(encoder: Path, gold: pa.Table) -> None:
    with pytest.raises(BadInput, match="no row is labelled ugly"):
        train_teacher(
            StepBench({"gold": gold, "encoder": encoder}), CONFIG.model_copy(update={"classes": ("bad", "good", "ugly")})
        )
    with pytest.raises(BadInput, match="unknown classes: good"):
        train_teacher(StepBench({"gold": gold, "encoder": encoder}), CONFIG.model_copy(update={"classes": ("bad", "ugly")}))


def test_a_folder_without_the_encoders_files_is_refused(encoder: Path, gold: pa.Table, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(encoder, folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BadInput, match=r"without tokenizer\.json"):
        train_teacher(StepBench({"gold": gold, "encoder": folder}), CONFIG)


def test_pickled_weights_are_refused_with_the_way_out(encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(encoder, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match="save_pretrained"):
        check_encoder(folder)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not JSON"),
        ("{}", "model_type"),
        ('{"model_type": "t5", "is_encoder_decoder": true}', "decoder"),
        ('{"model_type": "mine", "auto_map": {"AutoModel": "code.Mine"}}', "code of its own"),
    ],
)
def test_odd_encoder_configs_are_refused(encoder: Path, tmp_path: Path, content: str, told: str) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(encoder, folder)
    (folder / "config.json").write_text(content)
    with pytest.raises(BadInput, match=told):
        check_encoder(folder)


def test_weights_that_do_not_load_are_refused(encoder: Path, gold: pa.Table, tmp_path: Path) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(encoder, folder)
    (folder / "model.safetensors").write_bytes((encoder / "model.safetensors").read_bytes()[:100])
    with pytest.raises(BadInput, match="cannot be loaded"):
        train_teacher(StepBench({"gold": gold, "encoder": folder}), CONFIG)


def test_weights_of_another_model_are_refused(encoder: Path, gold: pa.Table, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "other"
    shutil.copytree(encoder, folder)
    weights = {name: value for name, value in load_file(encoder / "model.safetensors").items() if "layer.1" not in name}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match="lack 16 of the encoder's tensors"):
        train_teacher(StepBench({"gold": gold, "encoder": folder}), CONFIG)


def test_texts_longer_than_the_encoder_reads_are_refused_early(encoder: Path, gold: pa.Table) -> None:
    with pytest.raises(BadInput, match="reads 64 tokens at most"):
        train_teacher(StepBench({"gold": gold, "encoder": encoder}), CONFIG.model_copy(update={"max_length": 65}))


def test_an_encoder_may_be_named_by_its_folder(encoder: Path, tmp_path: Path) -> None:
    assert find_encoder(str(encoder)) == encoder
    with pytest.raises(BadInput, match="no folder"):
        find_encoder(str(tmp_path / "not" / "there"))


@pytest.mark.slow
def test_predictions_keep_the_order_of_the_rows(trained: StepBench, gold: pa.Table) -> None:
    bench = StepBench({"model": trained.saved["teacher"], "rows": gold})
    predict(bench, PredictConfig(chunk_size=50, threads=1))
    table = bench.saved["predictions"]
    assert table.column_names == ["row_key", "label", "confidence", "probs"]
    assert table["row_key"].to_pylist() == gold["row_key"].to_pylist()
    assert (
        np.mean([ours == theirs for ours, theirs in zip(table["label"].to_pylist(), gold["label"].to_pylist(), strict=True)])
        > 0.95
    )
    for row in table.slice(0, 20).to_pylist():
        assert row["confidence"] == max(row["probs"])
        assert row["label"] == ("bad", "good")[int(np.argmax(row["probs"]))]
    assert any(name == "texts_per_second" for name, _, _ in bench.metrics)


@pytest.mark.slow
def test_predictions_resume_after_the_last_finished_chunk(
    trained: StepBench, gold: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pickaxe.train.backends.encoder import EncoderPredictor

    config, values = PredictConfig(chunk_size=40, threads=1), {"model": trained.saved["teacher"], "rows": gold}
    whole, bench = StepBench(values), StepBench(values)
    predict(whole, config)
    asked, original = [], EncoderPredictor.predict_proba

    def dies_at_the_third(self: EncoderPredictor, texts: list[str]) -> np.ndarray:
        asked.append(len(texts))
        if len(asked) == 3:
            raise Killed
        return original(self, texts)

    monkeypatch.setattr(EncoderPredictor, "predict_proba", dies_at_the_third)
    with pytest.raises(Killed):
        predict(bench, config)
    predict(bench, config)
    assert asked == [40, 40, 40, 40, 40]
    assert bench.saved["predictions"].equals(whole.saved["predictions"])


@pytest.mark.slow
def test_no_rows_give_no_predictions(trained: StepBench, gold: pa.Table) -> None:
    bench = StepBench({"model": trained.saved["teacher"], "rows": gold.slice(0, 0)})
    predict(bench, PredictConfig(threads=1))
    assert bench.saved["predictions"].num_rows == 0


@pytest.mark.slow
def test_rows_without_text_are_refused(trained: StepBench, gold: pa.Table) -> None:
    with pytest.raises(BadInput, match="column"):
        predict(StepBench({"model": trained.saved["teacher"], "rows": gold.drop_columns(["text"])}), PredictConfig(threads=1))


@pytest.mark.slow
def test_tokens_are_counted_as_the_encoder_reads_them(encoder: Path, gold: pa.Table, trained: StepBench) -> None:
    """Five words and two marks are seven tokens, in each of three passes; padding is none."""
    model, before = load_predictor(trained.saved["teacher"]), tokens_of_thread()
    model.predict_proba(["a superb show in lima", "a walk"])
    assert tokens_of_thread() - before == 7 + 4
    bench, before = StepBench({"gold": gold, "encoder": encoder}), tokens_of_thread()
    train_teacher(bench, CONFIG.model_copy(update={"validation_share": 0.0}))
    assert tokens_of_thread() - before == 7 * gold.num_rows * CONFIG.epochs
