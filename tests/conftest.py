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

from hypothesis import HealthCheck, settings

# No deadline: two cores shared with other work make single examples slow now and then. Derandomised, so a red test is red again.
settings.register_profile(
    "pickaxe", deadline=None, derandomize=True, database=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pickaxe")
