"""A new task in the browser: the file, the form and its forecast, the start, and starting again; for those who may, by keyboard too."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.testclient import TestClient

from pickaxe.flows import job_carrier
from pickaxe.flows.job_view import JOB, jobs_page
from pickaxe.flows.task import Task
from pickaxe.kernel.access.scopes import Role
from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.run import ServerThread
from tests.console.site import application, caller, looked_at
from tests.console.tabs import Tab, tab
from tests.console.test_jobs import queued, until_cancelled
from tests.flows.test_attention import job as ended_job
from tests.kernel.sample_steps import Count, count

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROWS = 900
CSV = "id,body,kind\n" + "".join(
    f'{n},"the printer, {n}, is on fire",{"urgent" if n % 3 else "not urgent"}\n' for n in range(ROWS)
)


SOURCE = "uploads/office-tickets:1"


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """In front of a workspace with `SOURCE`, for all tests that start nothing."""
    path = tmp_path_factory.mktemp("file") / "Office tickets.csv"
    path.write_text(CSV, encoding="utf-8")

    def fill(workspace: Workspace) -> Workspace:
        workspace.import_files(path, SOURCE.removesuffix(":1"))
        return workspace

    with looked_at(tmp_path_factory.mktemp("looking") / "workspace", fill) as client:
        yield client


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Office tickets.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


@pytest.fixture
def uploaded(empty: Workspace, file: Path) -> Artifact:
    return empty.import_files(file, "uploads/office-tickets")


def form(client: TestClient, source: str, **asked: object) -> str:
    answer = client.get("/tasks/-/new?" + urlencode({"source": source} | asked))
    assert answer.status_code == 200
    return answer.text


def drafted(page: str) -> dict[str, Any] | None:
    """The task that Start would post."""
    found = re.search(r'data-task="([^"]*)"', page)
    return json.loads(html.unescape(found[1])) if found else None


def task_of(page: str) -> Task:
    found = drafted(page)
    assert found is not None
    return Task.parse(found, where="page")


def test_only_who_may_write_is_offered_a_new_task(empty: Workspace) -> None:
    for role, offered in ((Role.VIEWER, False), (Role.LABELLER, False), (Role.EDITOR, True)):
        with TestClient(application(empty, caller(role)), base_url="http://localhost") as client:
            for path in ("/", "/tasks"):
                assert ('href="/tasks/-/new"' in client.get(path).text) is offered
            assert client.get("/tasks/-/new").status_code == (200 if offered else 403)


def test_the_file_says_most_of_it(looking: TestClient) -> None:
    assert "Office tickets.csv" in looking.get("/tasks/-/new").text, "it can be chosen again"
    page = form(looking, SOURCE)
    task = task_of(page)
    assert (task.name, task.data, task.annotators) == ("office-tickets", f"artifact:{SOURCE}", "file")
    assert (task.ingest.text, task.ingest.label) == ("body", "kind")
    for seen in ("900 rows", "<bdi>urgent</bdi> 600", "the printer, 0, is on fire", "nothing to forecast from"):
        assert seen in page


def test_how_the_file_is_read_is_said_and_may_be_changed(empty: Workspace, client: TestClient, tmp_path: Path) -> None:
    rows = "".join(f"{n};打印机坏了，请尽快维修 {n};{'急' if n % 3 else '不急'}\r\n" for n in range(200))
    (tmp_path / "工单.csv").write_bytes(f"三月份 工单;;\r\nid;内容;类别\r\n{rows}".encode("gb18030"))
    source = empty.import_files(tmp_path / "工单.csv", "uploads/tickets-zh").id
    page = form(client, source)
    for seen in ("gb18030", "split by ;", "打印机坏了，请尽快维修 0", "1 line above the header", "<bdi>急</bdi>"):
        assert seen in page
    assert "which is a guess" not in page
    assert task_of(page).ingest.encoding == "auto", "the line finds what was found here, and has it on record"
    page = form(client, source, encoding="latin-1", delimiter=";", lines_above="1")
    assert "打印机坏了" not in page
    task = task_of(form(client, source, encoding="gbk", delimiter="tab", lines_above="1", name="t", annotators="file", label="x"))
    assert (task.ingest.encoding, task.ingest.delimiter, task.ingest.skip_before_header) == ("gbk", "\t", 1)
    for asked, said in (({"encoding": "utff-8"}, "unknown encoding"), ({"delimiter": ";;"}, "the delimiter is one character")):
        page = form(client, source, **asked)
        assert said in page
        assert "打印机坏了，请尽快维修 0" in page, "as it is read by itself"
        assert drafted(page) is None


def test_a_guess_is_called_one(empty: Workspace, client: TestClient, tmp_path: Path) -> None:
    rows = "".join(f"{n},le café est fermé {n},{'a' if n % 3 else 'b'}\n" for n in range(50))
    (tmp_path / "cafe.csv").write_bytes(f"id,body,kind\n{rows}".encode("cp1252"))
    page = form(client, empty.import_files(tmp_path / "cafe.csv", "uploads/cafe").id)
    assert "read as cp1252, which is a guess" in page
    assert "le café est fermé 0" in page


def test_people_need_classes_and_are_not_shown_the_files_labels(looking: TestClient) -> None:
    page = form(looking, SOURCE, name="tickets", text="body", label="kind", annotators="people", classes="")
    assert drafted(page) is None
    assert "Say which classes people choose from" in page
    page = form(looking, SOURCE, name="tickets", text="body", annotators="people", classes="urgent,")
    assert "Say which classes people choose from" in page, "while the second is being typed"
    asked = {"classes": " urgent ,not urgent,", "max_labels": "300", "test_labels": "120", "intended_use": "Sort tickets."}
    page = form(looking, SOURCE, name="tickets", text="body", label="kind", annotators="people", **asked)
    task = task_of(page)
    assert (task.ingest.label, task.label.classes) == (None, ("urgent", "not urgent"))
    assert (task.label.max_labels, task.test_labels, task.intended_use) == (300, 120, "Sort tickets.")
    assert "420 answers of people, about 42" in page
    asked |= {"rounds": "3", "more_labels": "50"}
    assert "520 answers of people" in form(looking, SOURCE, name="tickets", text="body", annotators="people", **asked)


def test_limits_and_settings_reach_the_task(looking: TestClient) -> None:
    asked = {"max_cost": "0.5", "max_minutes": "2", "max_memory_gb": "3", "rounds": "2", "latency_ms": "1", "min_accuracy": "0.8"}
    task = task_of(form(looking, SOURCE, name="t", annotators="file", label="kind", text="body", **asked))
    assert (task.limits.max_cost, task.limits.max_seconds, task.limits.max_memory_gb) == (0.5, 120, 3)
    assert (task.rounds, task.students.latency_ms, task.gate.min_accuracy) == (2, 1, 0.8)


def test_any_other_setting_is_typed_as_in_a_task_file(looking: TestClient) -> None:
    fine = {"name": "t", "annotators": "file", "label": "kind", "text": "body", "min_accuracy": "0.7"}
    typed = "gate.max_ece = 0.2\ncurate.languages = ['en']"
    task = task_of(form(looking, SOURCE, **fine, settings=typed))
    assert (task.gate.max_ece, task.gate.min_accuracy, task.curate.languages) == (0.2, 0.7, ("en",))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"settings": "gate.max_ece ="}, "the other settings cannot be read"),
        ({"settings": "gate.max_eec = 1"}, "max_eec"),
        ({"settings": "encoder = '/etc'"}, "a path on the server cannot be named here"),
        ({"rounds": "99"}, "rounds"),
        ({"max_cost": "much"}, "max_cost"),
        ({"name": "../etc"}, "name"),
        ({"annotators": "nobody"}, "annotators"),
        ({"label": ""}, "ingest.label"),
        ({"encoder": "/etc"}, "a path on the server cannot be named here"),
    ],
)
def test_what_cannot_be_started_is_said_beside_the_form(looking: TestClient, asked: dict[str, str], said: str) -> None:
    fine = {"name": "t", "annotators": "file", "label": "kind", "text": "body"}
    page = form(looking, SOURCE, **fine | asked)
    wrong = re.search(r"data-wrong>(.*?)</p>", page, re.DOTALL)
    assert wrong is not None
    assert said in wrong[1]
    assert drafted(page) is None


def test_few_rows_and_a_name_that_is_taken_are_said(empty: Workspace, client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("\n".join(CSV.splitlines()[:100]) + "\n", encoding="utf-8")
    few = empty.import_files(tmp_path / "few.csv", "uploads/few")
    assert "99 rows are few: below about 667" in form(client, few.id)
    empty.run(count, Count(upto=2), name="few/count", cores=1)
    assert task_of(form(client, few.id)).name == "few-2"
    assert "there is such a task." in form(client, few.id, name="few", annotators="file", label="kind", text="body")


def test_what_is_no_file_of_texts_is_refused_with_a_reason(empty: Workspace, client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    other = empty.import_files(tmp_path / "a.pdf", "uploads/a")
    for source, status, said in ((other.id, 422, "a.pdf is a PDF"), ("art-none", 404, "no artifact")):
        answer = client.get(f"/tasks/-/new?source={source}")
        assert (answer.status_code, said in answer.text) == (status, True)


def started(empty: Workspace, spec: dict[str, Any], *, state: str = "succeeded", error: object = None) -> str:
    body = {"kind": "produce", "spec": spec, "by": "ada", "as": empty.principal_id, "pool": "here"}
    empty.emit(JOB, "job-1", name="queued", body=body)
    if state != "queued":
        empty.emit(JOB, "job-1", name="started")
        empty.emit(JOB, "job-1", name="ended", body={"state": state, "error": error})
    return "job-1"


def test_a_task_has_its_page_before_its_first_run(empty: Workspace, client: TestClient) -> None:
    assert client.get("/tasks/tickets").status_code == 404
    started(empty, {"name": "tickets", "data": "demo:headlines"}, state="queued")
    page = client.get("/tasks/tickets").text
    assert 'data-cancel="/v1/jobs/job-1/cancel"' in page
    assert "data-start" not in page


@pytest.mark.slow
def test_an_ended_job_is_started_again_or_goes_on_or_is_changed(empty: Workspace, client: TestClient, uploaded: Artifact) -> None:
    spec = {
        "name": "tickets",
        "data": f"artifact:{uploaded.id}",
        "annotators": "file",
        "ingest": {"text": "body", "label": "kind"},
    }
    spec |= {"curate": {"test_share": 0.3}, "students": {"latency_ms": 2.0}}
    id = started(empty, spec)
    page = client.get("/tasks/tickets").text
    bodies = [json.loads(html.unescape(found)) for found in re.findall(r'data-start="([^"]*)"', page)]
    assert bodies == [{"kind": "produce", "task": spec}, {"kind": "produce", "task": spec | {"rounds": 2}}]
    assert f'href="/tasks/-/new?job={id}"' in page
    changed = client.get(f"/tasks/-/new?job={id}&name=tickets&latency_ms=4&annotators=file&label=kind&text=body").text
    task = task_of(changed)
    assert (task.curate.test_share, task.students.latency_ms) == (0.3, 4), "what the form does not show stays"
    with TestClient(application(empty, caller(Role.VIEWER)), base_url="http://localhost") as viewer:
        assert "data-start" not in viewer.get("/tasks/tickets").text


def test_why_a_job_failed_stands_on_the_tasks_page(empty: Workspace, client: TestClient) -> None:
    error = {"code": "bad_input", "message": "5 test rows are too few", "expected": "100", "remedy": "bring more"}
    started(empty, {"name": "tickets", "data": "demo:headlines"}, state="failed", error=error)
    page = client.get("/tasks/tickets").text
    for said in ("5 test rows are too few", "100", "bring more", "Start again"):
        assert said in page
    assert "Next round" not in page


# In a browser


def violations(page: Page) -> list[Any]:
    from axe_playwright_python.sync_playwright import Axe

    return [(item["id"], [node["target"] for node in item["nodes"]][:3]) for item in Axe().run(page).response["violations"]]


def four_jobs(workspace: Workspace) -> None:
    """One that failed, one that waits for people, one that runs, and one behind it."""
    ended_job(workspace, "broken", 1, "failed")
    ids = [queued(workspace, name) for name in ("asks", "runs", "waits")]
    workspace.emit(JOB, ids[0], name="waiting", body={"task": "asks", "missing": 3, "address": "/label/asks"})
    workspace.emit(JOB, ids[1], name="started")


@pytest.mark.slow
@pytest.mark.parametrize(("dark", "language"), [(False, "en"), (True, "zh-CN")])
def test_nobody_is_shut_out(
    empty: Workspace, uploaded: Artifact, chromium: Browser, dark: bool, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_carrier, "_produce", until_cancelled)
    people = {"name": "tickets", "text": "body", "annotators": "people", "classes": "a, b", "max_cost": "1"}
    paths = ["/", "/tasks", "/tasks/runs", "/tasks/-/new", f"/tasks/-/new?source={uploaded.id}"]
    paths += [f"/tasks/-/new?{urlencode({'source': uploaded.id, 'encoding': 'cp1252'})}"]
    paths += [f"/tasks/-/new?{urlencode({'source': uploaded.id} | people | more)}" for more in ({}, {"rounds": "99"})]
    with ServerThread(empty, whole=True) as server:
        four_jobs(empty)  # the server takes up what it finds when it starts
        for narrow in (False, True):
            with tab(chromium, server.url, dark=dark, narrow=narrow, language=language) as opened:
                for path in paths:
                    page = opened.open(path)
                    for summary in page.locator("summary").all():
                        summary.click()
                    assert violations(page) == [], path
                    assert not narrow or page.evaluate("document.documentElement.scrollWidth") <= 390, path
                page = opened.open("/")
                for name in ("asks", "runs", "waits"):
                    assert page.locator("#jobs").get_by_role("link", name=name, exact=True).count() == 1


@pytest.mark.slow
def test_a_task_is_started_by_keyboard(empty: Workspace, file: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_carrier, "_produce", until_cancelled)
    with ServerThread(empty, whole=True) as server, tab(chromium, server.url) as opened:
        page = opened.open("/tasks/-/new")
        with page.expect_file_chooser() as chooser:
            reach(page, "#file")
            page.keyboard.press("Enter")
        chooser.value.set_files(file)
        page.wait_for_url("**source=**")
        page.wait_for_selector("html[data-ready]", state="attached")
        reach(page, "input[name=annotators]:checked")
        page.keyboard.press("ArrowDown")  # from the file's labels to people
        page.locator("#f-classes").wait_for()
        reach(page, "#f-classes")
        page.keyboard.type("urgent, not urgent")
        page.locator("#forecast-title").wait_for()
        page.keyboard.press("Enter")
        page.wait_for_url("**/tasks/office-tickets")
        page.get_by_role("button", name="Cancel office-tickets").wait_for()
        (job,) = jobs_page(empty)
        assert Task.parse(dict(job.spec), where="job").label.classes == ("urgent", "not urgent")
        httpx.post(f"{server.url}/v1/jobs/{job.id}/cancel").raise_for_status()
        page.get_by_role("button", name="Start again").click()
        page.get_by_role("button", name="Cancel office-tickets").wait_for()
        newest = jobs_page(empty)[0]
        assert (newest.id != job.id, newest.spec) == (True, job.spec)
        httpx.post(f"{server.url}/v1/jobs/{newest.id}/cancel").raise_for_status()


def reach(page: Page, selector: str) -> None:
    """Press Tab until it has the focus."""
    for _ in range(60):
        if page.evaluate("(selector) => document.activeElement?.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{selector} cannot be reached")


@pytest.mark.slow
def test_another_separator_shows_other_columns(empty: Workspace, tmp_path: Path, chromium: Browser) -> None:
    rows = "".join(f"the printer is on fire {n}|{'calm;0,5' if n % 2 else 'calm'}\n" for n in range(300))
    (tmp_path / "odd.csv").write_text(f"body|kind;price\n{rows}", encoding="utf-8")
    source = empty.import_files(tmp_path / "odd.csv", "uploads/odd").id
    with ServerThread(empty, whole=True) as server, tab(chromium, server.url) as opened:
        page = opened.open(f"/tasks/-/new?source={source}")
        page.get_by_text("How the file is read").click()
        page.select_option("#f-delimiter", "|")
        page.wait_for_url("**delimiter=%7C**")
        page.wait_for_selector("html[data-ready]", state="attached")
        assert page.locator("#f-text option").all_inner_texts() == ["body", "kind;price"]
        assert page.locator("#f-text").input_value() == "body"
        page.select_option("#f-encoding", "cp1252")
        page.wait_for_url("**encoding=cp1252**")
        assert "delimiter=%7C" in page.url


@pytest.mark.slow
def test_what_a_server_refuses_is_said_and_another_file_may_be_chosen(
    empty: Workspace, file: Path, tmp_path: Path, chromium: Browser
) -> None:
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04 an Excel workbook")
    (tmp_path / "empty.csv").touch()
    with ServerThread(empty, whole=True) as server, tab(chromium, server.url) as opened:
        page = opened.open("/tasks/-/new")
        problem = page.locator("#upload [data-problem]")
        page.set_input_files("#file", tmp_path / "empty.csv")
        problem.get_by_text("The file is empty.").wait_for()
        page.set_input_files("#file", tmp_path / "book.csv")
        problem.get_by_text("zip archive").wait_for()
        assert page.locator("#file").evaluate("field => field === document.activeElement")
        assert empty.artifacts.list(kind="source") == []
        page.evaluate("document.getElementById('upload').dataset.most = '100'")
        page.set_input_files("#file", file)
        problem.get_by_text("larger than").wait_for()
        opened.open("/tasks/-/new")
        page.set_input_files("#file", file)
        page.wait_for_url("**source=**")
        refusals_are_expected(opened)


def refusals_are_expected(opened: Tab) -> None:
    opened.complaints[:] = [said for said in opened.complaints if "422" not in said]
