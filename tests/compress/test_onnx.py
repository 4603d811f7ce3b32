"""Export: the same answers in fp32, nearly the same in int8, the same bytes each time."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pickaxe.compress.config import ExportConfig, StudentConfig
from pickaxe.compress.service import export_onnx, search_students
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.predictors import Predictor, load_predictor
from pickaxe.testing import StepBench

pytestmark = pytest.mark.slow  # an export takes seconds

TEXTS = ["a superb show in lima", "a dreadful walk", "", "fine " * 40, "a poor plan in oslo"]


@pytest.fixture(scope="module")
def exported(teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for precision in ("fp32", "int8"):
        bench = StepBench({"teacher": teacher})
        export_onnx(bench, ExportConfig(precision=precision))
        folders[precision] = shutil.copytree(bench.saved["onnx"], tmp_path_factory.mktemp("exported") / precision)
    return folders


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("int8", 0.05)])
def test_the_export_answers_as_the_teacher_does(
    teacher: Path, exported: dict[str, Path], precision: str, tolerance: float
) -> None:
    model = load_predictor(exported[precision])
    assert isinstance(model, Predictor)
    expected = load_predictor(teacher).predict_proba(TEXTS)
    assert model.predict_proba(TEXTS) == pytest.approx(expected, abs=tolerance)
    assert model.predict_proba(TEXTS[:1]) == pytest.approx(expected[:1], abs=tolerance)
    assert model.predict_proba([]).shape == (0, 2)


def test_eight_bits_are_smaller(exported: dict[str, Path]) -> None:
    sizes = {name: (folder / "model.onnx").stat().st_size for name, folder in exported.items()}
    assert sizes["int8"] < sizes["fp32"]


def test_the_same_teacher_gives_the_same_bytes_and_names_no_path(teacher: Path, exported: dict[str, Path]) -> None:
    bench = StepBench({"teacher": teacher})
    export_onnx(bench, ExportConfig())
    content = (bench.saved["onnx"] / "model.onnx").read_bytes()
    assert hashlib.sha256(content).digest() == hashlib.sha256((exported["int8"] / "model.onnx").read_bytes()).digest()
    assert b"site-packages" not in content
    assert b".py" not in content


def test_the_search_may_choose_the_export(teacher: Path, gold: pa.Table, auto_labels: pa.Table) -> None:
    bench = StepBench({"gold": gold, "auto_labels": auto_labels, "teacher": teacher})
    search_students(bench, StudentConfig(families=("onnx",), latency_ms=20, threads=1))
    assert bench.saved["search"]["chosen"]["family"] == "onnx"
    assert np.mean(
        load_predictor(bench.saved["student"]).predict_proba(gold["text"].to_pylist()).argmax(axis=1)
    ) == pytest.approx(0.5, abs=0.1)


def test_only_an_encoder_is_exported(exported: dict[str, Path]) -> None:
    with pytest.raises(BadInput, match="cannot be exported"):
        export_onnx(StepBench({"teacher": exported["int8"]}), ExportConfig())


def test_a_damaged_export_is_refused(exported: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(exported["int8"], folder)
    (folder / "model.onnx").write_bytes((exported["int8"] / "model.onnx").read_bytes()[:500])
    with pytest.raises(BadInput, match="cannot be loaded"):
        load_predictor(folder)
