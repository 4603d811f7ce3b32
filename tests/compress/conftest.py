"""The tiny encoder and task of the training tests, and a teacher made of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from pickaxe.testing import StepBench
from pickaxe.train.config import TeacherConfig
from pickaxe.train.service import train_teacher
from tests.train.tiny_task import make_encoder, make_gold


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def gold() -> pa.Table:
    return make_gold()


@pytest.fixture(scope="session")
def teacher(encoder: Path, gold: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bench = StepBench({"gold": gold, "encoder": encoder})
    config = TeacherConfig(
        max_length=16, epochs=3, learning_rate=3e-3, head_learning_rate=1e-2, freeze_embeddings=False, threads=1
    )
    train_teacher(bench, config)
    return shutil.copytree(bench.saved["teacher"], tmp_path_factory.mktemp("trained") / "teacher")


@pytest.fixture(scope="session")
def auto_labels(gold: pa.Table) -> pa.Table:
    """240 texts with probabilities such as a good teacher gives."""
    import itertools

    from tests.train.tiny_task import BAD, GOOD, PLACES, THINGS, labelled

    texts = [f"a {own} {thing} in {place}" for own, thing, place in itertools.product(GOOD + BAD, THINGS, PLACES[1:])]
    labels = ["good" if text.split()[1] in GOOD else "bad" for text in texts]
    table = labelled(texts, labels)
    probs = [[0.1, 0.9] if label == "good" else [0.95, 0.05] for label in labels]
    return table.append_column("probs", pa.array(probs)).append_column("labelled_by", pa.array(["teacher-1"] * len(texts)))
