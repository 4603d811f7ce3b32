from __future__ import annotations

from collections.abc import Iterator

import pytest

from pickaxe.kernel import registry


@pytest.fixture(autouse=True, scope="module")
def _fake_format() -> Iterator[None]:
    """Taken back after each module: the formats of models are part of the key of every step that is handed one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._OWN[registry.PREDICTORS], "fake-words", "tests.serve.fakes:WordsPredictor")
        yield
