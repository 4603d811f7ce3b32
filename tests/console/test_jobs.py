"""Jobs on the overview: those that failed, and those under way with a way to stop them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from pickaxe.flows import job_carrier
from pickaxe.flows.job_view import JOB, job_of, jobs_under_way, recent_facts
from pickaxe.kernel.access.scopes import Role
from pickaxe.kernel.events import Events
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread
from tests.console.site import application, caller
from tests.console.tabs import tab
from tests.flows.test_attention import SAID, job
from tests.flows.test_jobs import TASK
from tests.kernel.sample_steps import Count, count


def queued(workspace: Workspace, name: str) -> str:
    body = {"kind": "produce", "spec": {"name": name}, "by": "ada", "as": workspace.principal_id, "pool": "here"}
    workspace.emit(JOB, f"job-{name}", name="queued", body=body)
    return f"job-{name}"


def test_a_failed_job_waits_for_somebody_even_before_the_first_run(empty: Workspace, client: TestClient) -> None:
    job(empty, "words", 1, "failed")
    page = client.get("/").text
    assert SAID in page
    assert "<b>words</b>" in page
    empty.run(count, Count(upto=2), name="words/count", cores=1)
    page = client.get("/").text
    assert 'href="/tasks/words">words</a>' in page
    assert "Nothing waits for you." not in page


def test_jobs_under_way_say_whose_turn_is_before(empty: Workspace, client: TestClient) -> None:
    assert 'id="jobs-title"' not in client.get("/").text
    ids = [queued(empty, name) for name in ("asks", "first", "second", "third", "over")]
    empty.emit(JOB, ids[0], name="waiting", body={"task": "asks", "missing": 3, "address": "/label/asks"})
    empty.emit(JOB, ids[1], name="started")
    empty.emit(JOB, ids[4], name="ended", body={"state": "cancelled"})
    under_way = jobs_under_way(recent_facts(empty))
    assert [(now.job.name, now.job.state, now.behind) for now in under_way] == [
        ("asks", "waiting", ()),
        ("first", "running", ()),
        ("second", "queued", ("first",)),
        ("third", "queued", ("first", "second")),
    ]
    assert all(now.since >= now.job.queued_at for now in under_way)
    page = client.get("/").text
    assert "after first and 1 more" in page
    assert 'href="/label/asks"' in page
    assert page.count("data-cancel=") == 4
    empty.emit(JOB, ids[1], name="cancel")
    page = client.get("/").text
    assert "stops as soon as it can" in page
    assert page.count("data-cancel=") == 3


def test_only_who_may_write_is_offered_to_cancel(empty: Workspace) -> None:
    queued(empty, "words")
    for role, offered in ((Role.VIEWER, False), (Role.EDITOR, True)):
        with TestClient(application(empty, caller(role)), base_url="http://localhost") as client:
            page = client.get("/").text
        assert 'href="/tasks/words">words</a>' in page
        assert ('data-cancel="/v1/jobs/job-words/cancel"' in page) is offered


@pytest.mark.slow
def test_somebody_cancels_a_job_that_runs(empty: Workspace, chromium: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_carrier, "_produce", until_cancelled)
    with ServerThread(empty, whole=True) as server, tab(chromium, server.url) as opened:
        ids = [httpx.post(f"{server.url}/v1/jobs", json={"task": TASK | {"name": name}}).json()["data"]["id"] for name in "ab"]
        page = opened.open("/")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_text("after a", exact=True).wait_for()
        page.get_by_role("button", name="Cancel a").click()
        ends(empty, ids[0])
        page.get_by_role("button", name="Cancel b").click()
        ends(empty, ids[1])
        page.locator("#jobs-title").wait_for(state="detached")


def ends(workspace: Workspace, job_id: str) -> None:
    latest = time.monotonic() + 300
    while job_of(workspace, job_id).state != "cancelled":
        assert time.monotonic() < latest
        time.sleep(0.05)


def until_cancelled(workspace: Workspace, spec: Mapping[str, Any], watcher: Any) -> dict[str, Any]:
    """In the place of a line: a stage that takes until somebody calls it off."""
    while True:
        watcher.stage_started(spec["name"], 1, "ingest")
        time.sleep(0.05)


def test_the_overview_reads_the_newest_events_of_jobs_once(
    empty: Workspace, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(empty, "words")
    real, reads = Events.list, list[Any]()

    def counted(log: Events, **wanted: Any) -> Any:
        if wanted.get("kind") == JOB and wanted.get("subject") is None:
            reads.append(wanted)
        return real(log, **wanted)

    monkeypatch.setattr(Events, "list", counted)
    assert client.get("/").status_code == 200
    assert len(reads) == 1
