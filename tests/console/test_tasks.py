"""The page of a task: its line by phases, what each stage made, and a run that is not over."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from pickaxe.flows.standing import standing
from pickaxe.kernel.config import Config
from pickaxe.kernel.nouns import RunState
from pickaxe.kernel.step import StepContext
from pickaxe.kernel.workspace import Workspace
from tests.console.browser import Browser
from tests.kernel.sample_steps import Count, count


class Made(Config):
    output: str
    rows: int


def make(ctx: StepContext, config: Made) -> None:
    import pyarrow as pa

    ctx.save_table(config.output, pa.table({"row_key": pa.array([f"k{n}" for n in range(config.rows)], type=pa.string())}))


class Judged(Config):
    passed: bool


def judge(ctx: StepContext, config: Judged) -> None:
    ctx.save_json("verdict", verdict(config.passed), kind="report")


def verdict(passed: bool) -> dict[str, Any]:
    accuracy = {"value": 0.8, "low": 0.7, "high": 0.9}
    rules: list[Any] = []
    return {
        "passed": passed,
        "statement": "as it was measured",
        "models": {"candidate": {"accuracy": accuracy}},
        "comparisons": {},
        "rules": rules,
        "worst_errors": rules,
    }


@pytest.mark.slow
def test_a_verdict_is_what_a_run_made_not_what_somebody_imported(empty: Workspace, client: TestClient) -> None:
    empty.run(count, Count(upto=1), name="words/ingest", cores=1)

    def shown() -> list[set[str]]:
        pages = [client.get(place).text for place in ("/tasks", "/tasks/words")]
        return [set(re.findall("gate passed|gate failed", page)) for page in pages]

    empty.import_json(verdict(passed=True), "words/verdict")
    assert shown() == [set(), set()]
    empty.run(judge, Judged(passed=False), name="words/gate", cores=1)
    assert shown() == [{"gate failed"}, {"gate failed"}]
    empty.import_json(verdict(passed=True) | {"statement": "better"}, "words/verdict")
    assert empty.artifact("words/verdict").version == 3
    assert shown() == [{"gate failed"}, {"gate failed"}], "the newest that a run made, not the newest"


@pytest.mark.slow
def test_a_phase_whose_last_stage_made_no_rows_says_how_it_ended(empty: Workspace, client: TestClient) -> None:
    for stage, output, rows in (("predict", "predictions", 9), ("auto-label", "auto_labels", 0), ("assemble", "training_set", 1)):
        empty.run(make, Made(output=output, rows=rows), name=f"words/{stage}", cores=1)
    for page in ("/tasks", "/tasks/words"):
        said = _strip(client.get(page).text)
        assert (said["Teacher"], said["Student"], said["Labels"]) == ("succeeded", "1 row", "not yet")
    assert _strip(client.get("/tasks", headers={"accept-language": "zh"}).text)["学生模型"] == "1 行"


@pytest.mark.slow
def test_the_stages_of_a_line_with_people_stand_in_their_order(empty: Workspace) -> None:
    done = ("select", "test/test-sample", "divide", "adjudicate", "label", "test/test-answers", "feedback")
    for rows, stage in enumerate(done):
        empty.run(
            make,
            Made(output={"adjudicate": "gold", "divide": "lessons"}.get(stage, "rows"), rows=rows),
            name=f"words/{stage}",
            cores=1,
        )
    found = standing(empty, "words")
    assert found is not None
    assert found.others == ()
    (labels,) = (phase for phase in found.phases if phase.name == "labels")
    assert labels.rows == done.index("adjudicate"), "the labels, not what was set apart of them"
    assert [stage.stage for stage in labels.stages] == [
        "test/test-answers", "test/test-sample", "feedback", "select", "label", "adjudicate", "divide",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_run_has_said_nothing_yet_while_it_may_still_speak(empty: Workspace, client: TestClient) -> None:
    handle = empty.submit(count, Count(upto=1, nap=3), name="words/count", cores=1)
    until = time.monotonic() + 300
    while empty.runs.get(handle.run_id).state != RunState.RUNNING:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert "It has said nothing yet." in client.get(f"/runs/{handle.run_id}").text
    handle.result()
    assert "said nothing" not in client.get(f"/runs/{handle.run_id}").text
    silent = empty.run(make, Made(output="rows", rows=1), name="words/silent", cores=1)
    assert "It said nothing." in client.get(f"/runs/{silent.run.id}").text


@pytest.mark.slow
def test_the_list_of_tasks_has_what_the_newest_model_cost_beside_the_one_before(workspace: Workspace, browser: Browser) -> None:
    workspace.run(count, Count(upto=1), name="words/ingest", cores=1)
    for rows in (1, 2):
        workspace.run(make, Made(output="model", rows=rows), name="words/publish", cores=1)
    page = browser.open(workspace, "/tasks")
    page.wait_for_selector(".priced strong")
    assert page.inner_text(".priced").startswith("Cost of model 2")
    assert "words/model:1" in page.inner_text(".priced")
    browser.clean(page)


def _strip(page: str) -> dict[str, str]:
    """phase -> what its place in the line says, of the first line on the page."""
    line = page[page.index('<ol class="line">') :].split("</ol>")[0]
    return dict(re.findall(r'<span class="state \w+">(.*?)</span>\s*<strong>(.*?)</strong>', line))
