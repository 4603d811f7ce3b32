"""`pickaxe produce` against a server: whose turn is before, and what Ctrl-C leaves going on there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import pickaxe as library
from pickaxe.flows import job_carrier
from pickaxe.flows.job_view import jobs_under_way
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread
from pickaxe.wire.native import remote_line
from tests.cli.conftest import Pickaxe

pytestmark = pytest.mark.slow


def until_cancelled(workspace: Workspace, spec: Mapping[str, Any], watcher: Any) -> dict[str, Any]:
    """In the place of a line: a stage that takes until somebody calls it off."""
    while True:
        watcher.stage_started(spec["name"], 1, "ingest")
        time.sleep(0.05)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_command_says_that_the_job_goes_on(
    pickaxe: Pickaxe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data.csv").write_text("text,label\na good day,good\n", encoding="utf-8")
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("PICKAXE_URL", "")
    monkeypatch.setattr(job_carrier, "_produce", until_cancelled)
    monkeypatch.setattr(remote_line, "_tell", interrupted)
    command = ("produce", "--data", tmp_path / "data.csv", "--label", "label", "--encoder", tmp_path / "encoder", "--name")
    with library.open(tmp_path / "w") as workspace, ServerThread(workspace, whole=True) as server:
        first = pickaxe("--url", server.url, *command, "first")
        assert first.code == 130, first.err
        assert "waiting behind" not in first.out
        (running,) = jobs_under_way(workspace)
        assert f"first goes on at the server as {running.job.id}" in first.err
        assert f"POST {server.url}/v1/jobs/{running.job.id}/cancel" in first.err
        assert "resumes" not in first.err
        assert "waiting behind 1 other job\n" in pickaxe("--url", server.url, *command, "second").out
        assert "waiting behind 2 other jobs\n" in pickaxe("--url", server.url, *command, "third").out
        assert len(jobs_under_way(workspace)) == 3


def test_a_command_that_is_interrupted_here_says_that_it_resumes(pickaxe: Pickaxe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pickaxe.cli.screen.reading", interrupted)
    said = pickaxe("runs")
    assert said.code == 130
    assert "run the same command again and it resumes" in said.err
