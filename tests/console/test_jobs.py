"""Jobs on the overview: those that failed, and those under way with a way to stop them."""

from __future__ import annotations

from starlette.testclient import TestClient

from pickaxe.kernel.workspace import Workspace
from tests.flows.test_attention import SAID, job
from tests.kernel.sample_steps import Count, count


def test_a_failed_job_waits_for_somebody_even_before_the_first_run(empty: Workspace, client: TestClient) -> None:
    job(empty, "words", 1, "failed")
    page = client.get("/").text
    assert SAID in page
    assert "<b>words</b>" in page
    empty.run(count, Count(upto=2), name="words/count", cores=1)
    page = client.get("/").text
    assert 'href="/tasks/words">words</a>' in page
    assert "Nothing waits for you." not in page
