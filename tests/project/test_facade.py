"""The façade: what `import pickaxe` offers is a promise, so a change here is a decision (and a line in the changelog)."""

from __future__ import annotations

import importlib
import re

import pytest

import pickaxe
from tests.project.tree import PACKAGE

NAMES = [
    "Artifact",
    "BadInput",
    "Config",
    "Endpoint",
    "Event",
    "GateFailed",
    "Lease",
    "PickaxeError",
    "RemoteWorkspace",
    "Run",
    "RunFailed",
    "StepContext",
    "Workspace",
    "__version__",
    "connect",
    "open",
    "produce",
]


def test_the_names_are_pinned() -> None:
    assert sorted(pickaxe.__all__) == NAMES


def test_every_name_is_there_and_documented() -> None:
    for name in pickaxe.__all__:
        value = getattr(pickaxe, name)
        assert name.startswith("__") or value.__doc__, name


def test_dir_shows_the_lazy_names() -> None:
    assert set(pickaxe.__all__) <= set(dir(pickaxe))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Artefact'"):
        _ = pickaxe.Artefact  # pyright: ignore[reportAttributeAccessIssue]


def test_all_is_true_wherever_it_is_declared() -> None:
    for file in sorted(PACKAGE.rglob("*.py")):
        if re.search(r"^__all__", file.read_text(encoding="utf-8"), re.MULTILINE):
            parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
            module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
            assert [name for name in module.__all__ if not hasattr(module, name)] == [], module.__name__
