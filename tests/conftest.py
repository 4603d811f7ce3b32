"""One thread per process and nothing fetched, whoever starts the tests and however."""

from __future__ import annotations

import os
import re

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


_OTHER_STORES = re.compile(r"\[.*\b(postgres|postgresql|s3|sealed|bucket)\b.*\]")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What also runs on the stores that a laptop starts with is slow on the others: each of those is a server of its own."""
    for item in items:
        if _OTHER_STORES.search(item.name):
            item.add_marker(pytest.mark.slow)
