"""What counts as code: the step's module and whatever it imports from the same project."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pickaxe.kernel import code


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small project: steps -> helpers -> deep, and a module nobody imports."""
    package = tmp_path / "someproject"
    package.mkdir()
    for name, source in {
        "__init__": "",
        "steps": "from someproject.helpers import helped\ndef step(ctx, config):\n    return helped()\n",
        "helpers": "def helped():\n    from . import deep\n    return deep.VALUE\n",
        "deep": "import json\nVALUE = 1\n",
        "unrelated": "VALUE = 1\n",
    }.items():
        (package / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    for cached in (code._project_file, code._read):
        cached.cache_clear()
    yield package
    for name in [name for name in sys.modules if name.startswith("someproject")]:
        del sys.modules[name]


def _fingerprint() -> str:
    return code.fingerprint(importlib.import_module("someproject.steps").step)


@pytest.mark.parametrize("module", ["steps", "helpers", "deep"])
def test_a_change_in_anything_the_step_calls_changes_the_fingerprint(project: Path, module: str) -> None:
    before = _fingerprint()
    assert _fingerprint() == before
    file = project / f"{module}.py"
    file.write_text(file.read_text() + "# changed\n")
    assert _fingerprint() != before


def test_a_module_that_the_step_does_not_import_does_not_count(project: Path) -> None:
    before = _fingerprint()
    (project / "unrelated.py").write_text("VALUE = 2\n")
    assert _fingerprint() == before


def test_another_release_of_a_library_changes_the_fingerprint(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "deep.py").write_text("import numpy\nVALUE = 1\n")
    before = _fingerprint()
    monkeypatch.setattr(code, "_release", lambda package: "99.0")
    assert _fingerprint() != before


def test_rooms_count_and_the_kernel_does_not() -> None:
    from pickaxe.data.curate import curate

    own, foreign = code._closure(curate.__module__)
    assert {"pickaxe.data.curate", "pickaxe.data.near"} <= set(own)
    assert not any(name.startswith("pickaxe.kernel") for name in own)
    assert "rensa" in foreign
