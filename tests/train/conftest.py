"""A tiny random BERT and a task that it can learn."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.train.tiny_task import make_encoder, make_gold


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def gold() -> pa.Table:
    return make_gold()
