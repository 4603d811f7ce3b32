"""What needs a person: a failed job until it is made good, and corrections that the next round would learn from."""

from __future__ import annotations

from pathlib import Path

import pytest

import pickaxe
from pickaxe.flows.attention import MOST_COUNTED, Matter, attention
from pickaxe.flows.job_view import JOB, STAGE
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.workspace import Workspace
from tests.kernel.sample_steps import Count, count, refuse
from tests.serve.fakes import write_model

SAID = "51 test rows are too few for the gate"


def job(workspace: Workspace, name: str, number: int, state: str | None = None) -> str:
    """A job of the task `name` as its events tell it; under way when it has no `state`."""
    job_id = f"job-{number}"
    workspace.emit(JOB, job_id, name="queued", body={"kind": "produce", "spec": {"name": name}, "by": "ada", "as": "ada"})
    workspace.emit(JOB, job_id, name="started")
    if state is not None:
        ended(workspace, job_id, state)
    return job_id


def ended(workspace: Workspace, job_id: str, state: str) -> None:
    error = {"code": "run_failed", "message": SAID, "remedy": "label more"} if state == "failed" else None
    workspace.emit(JOB, job_id, name="ended", body={"state": state, "result": None, "error": error})


def failed_jobs(workspace: Workspace) -> list[Matter]:
    return [matter for matter in attention(workspace) if matter.kind == "job"]


def test_a_failed_job_needs_somebody(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "w") as workspace:
        failed = job(workspace, "words", 1, "failed")
        (matter,) = failed_jobs(workspace)
        assert matter.subject == failed
        assert matter.said == {
            "name": "words",
            "error": {"code": "run_failed", "message": SAID, "remedy": "label more"},
            "task": "",
        }
        workspace.run(count, Count(upto=2), name="words/count", cores=1)
        (matter,) = failed_jobs(workspace)
        assert matter.said["task"] == "words"


@pytest.mark.parametrize(("newer", "left"), [("succeeded", 0), (None, 0), ("cancelled", 1), ("failed", 1)])
def test_it_is_over_once_a_newer_one_succeeds_or_is_under_way(tmp_path: Path, newer: str | None, left: int) -> None:
    with pickaxe.open(tmp_path / "w") as workspace:
        job(workspace, "words", 1, "failed")
        job(workspace, "other", 2, "succeeded")
        assert len(failed_jobs(workspace)) == 1
        job(workspace, "words", 3, newer)
        assert len(failed_jobs(workspace)) == left


def test_it_is_over_once_a_newer_model_is_published(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "w") as workspace:
        job(workspace, "words", 1, "failed")
        model = workspace.import_files(write_model(tmp_path / "model"), "words/model", kind="model")
        workspace.publish("words", [Route(model.id)])
        assert failed_jobs(workspace) == []


def test_a_job_that_failed_with_its_run_is_told_once(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "w") as workspace:
        failed = job(workspace, "words", 1)
        with pytest.raises(BadInput):
            workspace.run(refuse, pickaxe.Config(), name="words/refuse", cores=1)
        workspace.emit(STAGE, failed, name="refuse", body={"task": "words", "round": 1, "state": "started"})
        ended(workspace, failed, "failed")
        assert [matter.kind for matter in attention(workspace)] == ["failed"]


def test_only_corrections_are_counted_and_a_count_that_was_cut_says_so(tmp_path: Path) -> None:
    def told(workspace: Workspace, label: str, times: int = 1) -> None:
        body = {"label": label, "predicted": "bad", "by": "ada", "text": "x", "endpoint": "words"}
        workspace.log.emit_many([{"kind": "feedback", "subject": "t", "name": "words", "body": body}] * times)

    def counted(workspace: Workspace) -> list[dict[str, object]]:
        return [matter.said for matter in attention(workspace) if matter.kind == "feedback"]

    with pickaxe.open(tmp_path / "w") as workspace:
        told(workspace, "good")  # before the model: it has learnt from it
        model = workspace.import_files(write_model(tmp_path / "model"), "words/model", kind="model")
        workspace.publish("words", [Route(model.id)])
        told(workspace, "bad", 5)
        assert counted(workspace) == []
        told(workspace, "good", 2)
        assert counted(workspace) == [{"count": 2, "more": False}]
        told(workspace, "good", MOST_COUNTED - 1)
        assert counted(workspace) == [{"count": MOST_COUNTED, "more": True}]
