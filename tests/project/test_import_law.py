"""kernel <- rooms <- flows <- wire, console, cli <- server; the contracts are in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.project.tree import ROOT

LINT = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"]


def test_the_law_is_kept() -> None:
    ended = subprocess.run([*LINT, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr


def test_the_law_sees_a_room_that_imports_a_room(tmp_path: Path) -> None:
    """The same layers over a package with one forbidden import: the check is alive."""
    package = tmp_path / "pickaxe"
    for name in ("kernel", "data", "train"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "train" / "service.py").write_text("import pickaxe.data\n")
    config = tmp_path / "law.toml"
    law = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.importlinter]")[2]
    first = law.split("[[tool.importlinter.contracts]]")[:2]
    config.write_text("[tool.importlinter]" + "[[tool.importlinter.contracts]]".join(first))
    ended = subprocess.run(
        [*LINT, "--no-cache", "--config", str(config)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert ended.returncode != 0
    assert "pickaxe.train.service -> pickaxe.data" in ended.stdout, ended.stdout + ended.stderr
