from __future__ import annotations

import pytest

from pickaxe.kernel import registry


@pytest.fixture(autouse=True, scope="session")
def _fake_format() -> None:
    registry._OWN[registry.PREDICTORS]["fake-words"] = "tests.serve.fakes:WordsPredictor"
