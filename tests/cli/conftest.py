"""Commands as a person types them, run in this process: exit status and what was printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pickaxe.cli import main
from tests.flows.tiny import Files, Finished, finished_line, shared_files


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str


Pickaxe = Callable[..., Said]


@pytest.fixture
def pickaxe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pickaxe:
    """``pickaxe("cost", "tiny/model")``"""

    def run(*arguments: object) -> Said:
        monkeypatch.setenv(
            "PICKAXE_URL", os.environ.get("PICKAXE_URL", "")
        )  # --url sets it; what was before comes back afterwards
        monkeypatch.setattr(sys, "argv", ["pickaxe", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return shared_files(tmp_path_factory)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finished_line(tmp_path_factory)
