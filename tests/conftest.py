"""One thread per process and nothing fetched, whoever starts the tests and however."""

from __future__ import annotations

import os

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


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What goes to one process when several share the tests: a file, as it shares what its fixtures made; and all that looks at the
    finished line, which takes a minute to make, or starts a Ray cluster, of which a machine has one."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        shared = "finished" in fixtures or "ray" in item.path.stem.split("_")
        item.add_marker(pytest.mark.xdist_group("line" if shared else str(item.path)))
