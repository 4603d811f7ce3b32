"""Whose a job is: what was called off stays so after a kill, and servers that share a catalog do not take each other's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import pickaxe
from pickaxe.flows.job_view import JOB, STAGE, job_of, jobs_page, starts_in_vain
from pickaxe.flows.jobs import Jobs
from pickaxe.kernel.errors import Conflict
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.workspace import Workspace
from tests.postgres import lay_out, shared_server

TASK = {"name": "never-run", "data": "demo:headlines", "annotators": "simulated", "ingest": {"label": "l"}}


def test_jobs_are_listed_newest_first_page_by_page(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        jobs = Jobs(workspace)  # never started: they wait
        ids = [jobs.submit(workspace, "produce", TASK | {"name": f"task-{number}"}, by="ada").id for number in range(5)]
        first = jobs_page(workspace, limit=2)
        rest = jobs_page(workspace, after=first[-1].seq, limit=10)
        assert [job.id for job in (*first, *rest)] == ids[::-1]
        assert {job.state for job in first} == {"queued"}
        assert jobs.cancel(workspace, ids[0]).state == "cancelled"
        with pytest.raises(Conflict):
            jobs.cancel(workspace, ids[0])


def test_what_was_called_off_just_before_a_kill_is_not_begun_again(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        job = Jobs(workspace).submit(workspace, "produce", TASK, by="ada")
        workspace.emit(JOB, job.id, name="cancel")  # and killed before it could say that it ended
    with pickaxe.open(tmp_path / "workspace") as workspace:
        jobs = Jobs(workspace)
        assert jobs.start() == [job.id]
        end = time.monotonic() + 300
        while job_of(workspace, job.id).state != "cancelled":
            assert time.monotonic() < end
            time.sleep(0.05)
        jobs.stop()
        assert job_of(workspace, job.id).attempts == 0


def test_only_deaths_without_a_stage_done_in_between_count_against_a_job(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        job = Jobs(workspace).submit(workspace, "produce", TASK, by="ada").id

        def told(kind: str, name: str, **body: object) -> int:
            workspace.emit(kind, job, name=name, body=body)
            return starts_in_vain(workspace, job)

        assert [told(JOB, "started") for _ in range(3)] == [1, 2, 3]
        assert told(STAGE, "ingest", state="ended", cached=True) == 3  # what was there before is no step forward
        assert told(STAGE, "curate", state="ended", cached=False) == 0
        assert told(JOB, "started") == 1
        assert told(JOB, "stopped") == 0
        assert job_of(workspace, job).state == "queued"


def test_a_job_that_kills_its_server_every_time_is_given_up(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        job = Jobs(workspace).submit(workspace, "produce", TASK, by="ada")
        for _ in range(5):
            workspace.emit(JOB, job.id, name="started")
    with pickaxe.open(tmp_path / "workspace") as workspace:
        jobs = Jobs(workspace)
        jobs.start()
        end = time.monotonic() + 300
        while (ended := job_of(workspace, job.id)).state != "failed":
            assert time.monotonic() < end
            time.sleep(0.05)
        jobs.stop()
        assert ended.error is not None
        assert "5 times" in ended.error["message"]


def test_a_job_is_taken_over_from_a_dead_server_only_and_by_one(tmp_path: Path) -> None:
    place = lay_out(tmp_path / "workspace", shared_server().fresh_url())
    one_core = Settings(cores=1)
    with (
        Workspace(place, settings=one_core) as first,
        Workspace(place, settings=one_core) as second,
        Workspace(place, settings=one_core) as third,
    ):
        job = Jobs(first).submit(first, "produce", TASK, by="ada")
        assert Jobs(second)._adopted() == []  # its server lives
        first.stores.pools.close(first.stores.pool_id)
        taken = Jobs(second)._adopted()
        assert [job_id for _, _, job_id in taken] == [job.id]
        assert Jobs(third)._adopted() == []
        assert job_of(third, job.id).state == "queued"
