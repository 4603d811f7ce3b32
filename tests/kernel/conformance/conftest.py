"""The fixtures `blobs_backend` and `tables_backend`: each test of a suite runs once per backend in the list."""

from __future__ import annotations

import pytest

from tests.kernel.conformance.backends import BLOBS, TABLES, Backend

_LISTS: dict[str, list[Backend]] = {"blobs_backend": BLOBS, "tables_backend": TABLES}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, backends in _LISTS.items():
        if fixture in metafunc.fixturenames:
            test = metafunc.function.__name__
            metafunc.parametrize(fixture, [pytest.param(one, id=one.name, marks=_marks(one, test)) for one in backends])


def _marks(backend: Backend, test: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(reason=backend.gaps[test], strict=True)] if test in backend.gaps else []
