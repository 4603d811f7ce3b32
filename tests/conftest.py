"""One thread per process, nothing fetched, migrations run once, passwords and looking for garbage cost little, whoever starts the
tests and however."""

from __future__ import annotations

import functools
import gc
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

# Before any test imports numpy or torch: thread pools read these once, when they are loaded.
os.environ.update(
    OMP_NUM_THREADS="1",
    GOMP_SPINCOUNT="0",
    OPENBLAS_NUM_THREADS="1",
    TOKENIZERS_PARALLELISM="false",
    HF_HUB_OFFLINE="1",
)

import httpx
import pytest
from hypothesis import HealthCheck, settings

from pickaxe.kernel.system.garbage import collect_seldom

# As workers do. Left alone, a sixth of the CPU time of the tests goes into looking at a heap that stays.
collect_seldom()

if TYPE_CHECKING:
    from pickaxe.kernel.catalog.catalog import Catalog

# No deadline: two cores shared with other work make single examples slow now and then. Derandomised, so a red test is red again.
settings.register_profile(
    "pickaxe", deadline=None, derandomize=True, database=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pickaxe")

# A request that names no time-out waits five seconds otherwise: a busy machine takes longer now and then.
httpx._config.DEFAULT_TIMEOUT_CONFIG.__init__(120.0)
# And reads the certificates of every authority there is, 20 ms of CPU time: once is enough.
pytest.MonkeyPatch().setattr("httpx._transports.default.create_ssl_context", functools.cache(httpx.create_ssl_context))


@pytest.fixture(scope="session", autouse=True)
def _migrations_run_once() -> Iterator[None]:
    """What the migrations make of a process's first new catalog is written into the later ones as it is: a tenth of the time."""
    from pickaxe.kernel.catalog.catalog import Catalog
    from pickaxe.kernel.catalog.database import SqliteDatabase
    from pickaxe.kernel.catalog.schema import HEAD

    migrate, made = Catalog._upgrade, list[str]()

    def upgrade(catalog: Catalog) -> None:
        if not isinstance(catalog._database, SqliteDatabase) or _tables_and_indexes(catalog):
            migrate(catalog)
        elif not made:
            migrate(catalog)
            made[:] = [*_tables_and_indexes(catalog), f"INSERT INTO alembic_version VALUES ('{HEAD}')"]
        else:
            with catalog.write() as connection:
                for statement in made:
                    connection.exec_driver_sql(statement)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalog, "_upgrade", upgrade)
        yield


@pytest.fixture(scope="session", autouse=True)
def _usual_password_cost() -> Iterator[int]:
    """Passwords are hashed in a thousandth of the time."""
    from pickaxe.kernel.access import passwords

    usual, passwords._LOG_N = passwords._LOG_N, 5
    yield usual
    passwords._LOG_N = usual


@pytest.fixture
def passwords_at_full_cost(_usual_password_cost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test that the cost itself matters to."""
    from pickaxe.kernel.access import passwords

    monkeypatch.setattr(passwords, "_LOG_N", _usual_password_cost)


def _tables_and_indexes(catalog: Catalog) -> list[str]:
    """The statements that made them, in their order; those that SQLite makes by itself left out."""
    with catalog.read() as connection:
        found = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE sql > '' AND name NOT LIKE 'sqlite%' ORDER BY rowid"
        )
        return [statement for (statement,) in found]


_OTHER_STORES = re.compile(r"\[.*\b(postgres|postgresql|s3|sealed|bucket)\b.*\]")


def pytest_collection_finish() -> None:
    """Every test module is there now and stays: nobody looks at it for garbage again."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What also runs on the stores that a laptop starts with is slow on the others: each of those is a server of its own."""
    for item in items:
        if _OTHER_STORES.search(item.name):
            item.add_marker(pytest.mark.slow)
