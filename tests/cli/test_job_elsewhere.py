"""`pickaxe produce` against a server: whose turn is before, and what Ctrl-C leaves going on there; `jobs` and `cancel`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

import pickaxe as library
from pickaxe.flows import job_carrier
from pickaxe.flows.job_view import jobs_under_way, recent_facts
from pickaxe.flows.jobs import Jobs
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread
from pickaxe.wire.native import remote_line
from tests.cli.conftest import Pickaxe
from tests.flows.test_jobs import TASK
from tests.kernel.sample_steps import Count, count

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
        (running,) = jobs_under_way(recent_facts(workspace))
        assert f"first goes on at the server as {running.job.id}" in first.err
        assert f"pickaxe --url {server.url} cancel {running.job.id}" in first.err
        assert "resumes" not in first.err
        assert "waiting behind 1 other job\n" in pickaxe("--url", server.url, *command, "second").out
        assert "waiting behind 2 other jobs\n" in pickaxe("--url", server.url, *command, "third").out
        assert len(jobs_under_way(recent_facts(workspace))) == 3


def test_jobs_are_listed_and_cancelled_at_the_server(pickaxe: Pickaxe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_carrier, "_produce", until_cancelled)
    with library.open(tmp_path / "w") as workspace, ServerThread(workspace, whole=True) as server:
        there = ("--url", server.url)
        assert "no jobs yet" in pickaxe(*there, "jobs").out
        ids = [httpx.post(f"{server.url}/v1/jobs", json={"task": TASK | {"name": name}}).json()["data"]["id"] for name in "abc"]
        listed = pickaxe(*there, "jobs").out.splitlines()
        assert [line.split()[:2] for line in listed if "job-" in line] == [
            [id, name] for id, name in zip(ids, "abc", strict=True)
        ][::-1]
        assert pickaxe(*there, "cancel", ids[2]).out == f"c ({ids[2]}) is cancelled; what it has done is kept\n"
        said = pickaxe(*there, "cancel", "a")
        assert said.out == f"a ({ids[0]}) stops within a second; what it has done is kept\n"
        ended = pickaxe(*there, "cancel", ids[2])
        assert (ended.code, "has ended" in ended.err) == (4, True)
        missing = pickaxe(*there, "cancel", "nothing")
        assert (missing.code, "pickaxe jobs, pickaxe runs" in missing.err) == (3, True)
        counted = workspace.run(count, Count(upto=1), name="words/count", cores=1)
        over = pickaxe(*there, "cancel", "words/count")
        assert (over.code, f"({counted.run.id}) is not under way" in over.err) == (4, True)
        workspace.stores.announce(server.url)  # as `pickaxe up` does: commands on the folder find the server by themselves
        assert pickaxe("-w", tmp_path / "w", "cancel", "b").code == 0


def test_a_job_that_a_server_left_is_called_off_in_the_folder(pickaxe: Pickaxe, tmp_path: Path) -> None:
    with library.open(tmp_path / "w") as workspace:
        job = Jobs(workspace).submit(workspace, "produce", TASK, by="ada")
    here = ("-w", tmp_path / "w")
    assert "queued" in pickaxe(*here, "jobs").out
    assert "is cancelled" in pickaxe(*here, "cancel", TASK["name"]).out
    assert "cancelled" in pickaxe(*here, "jobs").out
    assert pickaxe(*here, "cancel", job.id).code == 4
    with library.open(tmp_path / "w") as workspace:
        assert Jobs(workspace).start() == []
        busy = pickaxe(*here, "cancel", job.id)
    assert busy.code == 4
    assert "another command has this workspace" in busy.err
    assert "Ctrl-C" in busy.err


def test_a_command_that_is_interrupted_here_says_that_it_resumes(pickaxe: Pickaxe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pickaxe.cli.screen.reading", interrupted)
    said = pickaxe("runs")
    assert said.code == 130
    assert "run the same command again and it resumes" in said.err
