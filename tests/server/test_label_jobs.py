"""A line with people as a job: it waits for the answers given through the queue, without a terminal, and outlives its server."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx
import pytest

import pickaxe
from pickaxe.flows.attention import attention
from tests.flows.tiny import Files, make_files, merged
from tests.server.test_jobs import job, server, submitted, until
from tests.train.tiny_task import GOOD

pytestmark = pytest.mark.slow

TEST_LABELS, POOL_LABELS, AUDIT = 50, 20, 8
FIRST = AUDIT + (POOL_LABELS - AUDIT) // 2


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tiny"))


def people_task(files: Files) -> dict[str, Any]:
    changes: dict[str, Any] = {"annotators": "people", "rounds": 1, "test_labels": TEST_LABELS, "traffic": None}
    changes |= {"gate": {"min_test_rows": TEST_LABELS}, "ingest": {"label": None}}
    changes["label"] = {"classes": ["bad", "good"], "max_labels": POOL_LABELS, "rounds": 2}
    values = merged(tomllib.loads(files.task.read_text(encoding="utf-8")), changes)
    return values | {"data": str(files.folder / "tiny.jsonl"), "encoder": str(files.folder / "encoder")}


def right(text: str) -> str:
    return "good" if any(f" {word} " in text for word in GOOD) else "bad"


def decided_otherwise(desk: Desk) -> str:
    """A reviewer decides against what will be answered about the item in front; its key."""
    (item,) = desk.post("take", ahead=0)
    desk.post("decide", row_key=item["row_key"], value={"good": "bad", "bad": "good"}[right(item["text"])])
    return item["row_key"]


class Desk:
    """Somebody who labels rightly through the routes that the console's page uses."""

    def __init__(self, url: str) -> None:
        self._queue = f"{url}/v1/queues/tiny"

    def post(self, action: str, **body: Any) -> Any:
        answer = httpx.post(f"{self._queue}/{action}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def answer(self, most: int) -> int:
        given = 0
        while given < most and (items := self.post("take", ahead=0)):
            self.post("answer", row_key=items[0]["row_key"], value=right(items[0]["text"]), seconds=1.5)
            given += 1
        return given


def waits(url: str, job_id: str, missing: int) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        now = job(url, job_id)
        assert now["state"] in ("queued", "running", "waiting"), now
        return now if now["state"] == "waiting" and now["missing"] == missing else None

    return until(found)


def test_a_job_waits_for_people_and_goes_on_by_itself(files: Files, tmp_path: Path) -> None:
    with server(tmp_path / "w") as (process, url):
        job_id, desk = submitted(url, people_task(files)), Desk(url)
        assert waits(url, job_id, TEST_LABELS)["waits_at"] == "/label/tiny"
        overview = httpx.get(f"{url}/").text
        assert f"{TEST_LABELS} answers wanted for tiny" in overview
        assert 'href="/label/tiny"' in overview
        assert httpx.get(f"{url}/label/tiny").status_code == 200
        # While it waits, the server is free for other work.
        (tmp_path / "one.csv").write_text("text\nx\n", encoding="utf-8")
        other = submitted(
            url, {"name": "other", "data": str(tmp_path / "one.csv"), "annotators": "file", "ingest": {"label": "l"}}
        )
        until(lambda: job(url, other)["state"] == "failed")
        assert desk.answer(TEST_LABELS - 10) == TEST_LABELS - 10
        desk.post("undo")
        waits(url, job_id, 11)
        process.send_signal(SIGKILL)
        process.wait()
    with server(tmp_path / "w") as (_, url):
        desk = Desk(url)
        waits(url, job_id, 11)
        reviewed = [decided_otherwise(desk)]
        assert desk.answer(100) == 11
        waits(url, job_id, FIRST)
        # Another's answers are as good, and what nobody here can answer is not waited for.
        (item,) = desk.post("take", ahead=0)
        desk.post("skip", row_key=item["row_key"])
        reviewed.append(decided_otherwise(desk))
        first = desk.answer(100)
        assert first == FIRST - 1
        last = until(lambda: desk.answer(100) or job(url, job_id)["state"] in ("failed", "succeeded"))
        assert first + last == POOL_LABELS
        until(
            lambda: httpx.get(f"{url}/v1/runs", params={"name": "tiny/adjudicate", "state": "succeeded"}).json()["data"]["items"]
        )
        if job(url, job_id)["state"] == "running":
            httpx.post(f"{url}/v1/jobs/{job_id}/cancel")
        until(lambda: job(url, job_id)["ended_at"])
        assert job(url, job_id)["attempts"] == 1
    with pickaxe.open(tmp_path / "w", mode="r") as workspace:
        assert not [matter for matter in attention(workspace) if matter.kind == "answers"]
        kept = workspace.read_table(workspace.artifact("tiny/annotations")).to_pylist()
        test = workspace.read_table(workspace.artifact("tiny/test/test_sample")).to_pylist()
        assert len(test) == TEST_LABELS
        assert [row["row_key"] for row in test if row["label"] != right(row["text"])] == [reviewed[0]]
        gold = workspace.read_table(workspace.artifact("tiny/gold")).to_pylist()
        assert [row["row_key"] for row in gold if row["label"] != right(row["text"])] == [reviewed[1]]
        assert not {row["row_key"] for row in test} & {row["row_key"] for row in kept}
        answers = [row for row in kept if row["arm"] != "review"]
        assert len({row["row_key"] for row in kept}) == len(answers) == len(kept) - 1 == POOL_LABELS
        assert item["row_key"] not in {row["row_key"] for row in kept}
        arms = Counter(row["arm"] for row in answers)
        assert arms["audit"] in (AUDIT - 1, AUDIT)  # the skipped one may have been one of them
        assert set(arms) == {"audit", "active", "random"}
        assert {row["round"] for row in kept} >= {0, 1}
        names = [event.name for event in workspace.events(kind="job", subject=job_id)]
        assert names[:2] == ["queued", "started"]
        assert names.count("waiting") == names.count("resumed")


def test_one_that_waits_is_called_off_at_once(files: Files, tmp_path: Path) -> None:
    with server(tmp_path / "w") as (_, url):
        job_id = submitted(url, people_task(files))
        waits(url, job_id, TEST_LABELS)
        assert httpx.post(f"{url}/v1/jobs/{job_id}/cancel").json()["data"]["state"] == "cancelled"
        assert "answers wanted" not in httpx.get(f"{url}/").text
