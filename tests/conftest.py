"""One thread per process and nothing fetched, whoever starts the tests and however."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

# Before any test imports numpy or torch: thread pools read these once, when they are loaded.
os.environ.update(
    OMP_NUM_THREADS="1",
    GOMP_SPINCOUNT="0",
    OPENBLAS_NUM_THREADS="1",
    TOKENIZERS_PARALLELISM="false",
    HF_HUB_OFFLINE="1",
)

import pytest
from hypothesis import HealthCheck, settings

# No deadline: two cores shared with other work make single examples slow now and then. Derandomised, so a red test is red again.
settings.register_profile(
    "pickaxe", deadline=None, derandomize=True, database=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pickaxe")


_DEAR = ("finished_line", "Finished", "ray_cluster")
_OTHER_STORES = re.compile(r"\[.*\b(postgres|postgresql|s3|sealed|bucket)\b.*\]")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What also runs on the stores that a laptop starts with is slow on the others: each of those is a server of its own."""
    for item in items:
        if _OTHER_STORES.search(item.name):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Tests that share what is dear to make go to one process: those of a file, as they share what its fixtures made; and all that
    look at the finished line, which takes a minute to make, or start a Ray cluster, of which a machine has one."""
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class ByWhatIsShared(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "line" if _is_dear(config.rootpath / file) else file

    return ByWhatIsShared(config, log)


@cache
def _is_dear(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    return any(word in text for word in _DEAR)
