"""The first hour of somebody new: an empty folder, a server, a file of their own, a model that is served, tried and corrected."""

from __future__ import annotations

import csv
import json
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pickaxe
from tests.console.tabs import Tab, tab
from tests.faults import commands
from tests.flows.tiny import TASK, as_toml, make_files, tiny_lines

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow  # a whole line is run, behind a server, and then a round more

_LINE_MS = 1_200_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shop"


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    server = commands.start(folder, "up", "--port", 0)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()[1]
        server.send_signal(signal.SIGTERM)
        assert server.wait(300) == 0
    finally:
        server.kill()


@pytest.fixture
def at(chromium: Browser, url: str) -> Iterator[Tab]:
    with tab(chromium, url) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What somebody has on their disk: a CSV with more columns than two."""
    path = tmp_path / "Reviews of 2026.csv"
    rows = [json.loads(line) for line in tiny_lines(800) if line.startswith('{"text": "') and '"label"' in line]
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "review", "verdict"])
        writer.writerows([number, row["text"], row["label"]] for number, row in enumerate(rows) if row["text"])
    return path


def test_from_an_empty_folder_to_a_corrected_answer(at: Tab, url: str, file: Path, tmp_path: Path) -> None:
    with pickaxe.connect(url) as remote:  # a toy encoder, so that the teacher learns in seconds
        remote.import_files(make_files(tmp_path / "tiny").folder / "encoder", "encoders/toy", kind="encoder")
    page = at.open("/")
    page.get_by_role("link", name="Begin with a file").click()
    page.set_input_files("#file", file)
    page.wait_for_url("**source=**")
    page.get_by_text("verdict, the labels:").wait_for()
    page.get_by_text("More settings").click()
    page.select_option("#f-encoder", label="toy")
    page.fill("#f-settings", settings())
    page.get_by_text("nothing to forecast from").wait_for()
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/tasks/reviews-of-2026")
    ended(page)

    page.locator("#job").get_by_role("link", name="Try it").click()
    page.fill("[data-try] textarea", "a lovely evening in paris")
    page.get_by_role("button", name="Ask").click()
    answer = page.locator("[data-answer] [data-label]")
    answer.filter(has_text="d").wait_for()
    right = {"good": "bad", "bad": "good"}[answer.inner_text()]
    page.locator("[data-correct] select").select_option(right)
    page.locator("[data-correct] button").click()
    page.locator("[data-said]").filter(has_text=" ").wait_for()

    page = at.open("/")
    page.get_by_text("1 corrected answer waits for the next round").wait_for()
    page.locator("#line-reviews-of-2026 h2 a").click()
    page.get_by_role("link", name="Change settings").click()
    page.locator("#forecast-title").wait_for()
    page.get_by_text("there is such a task.").wait_for()
    assert "s" in page.locator("#draft .value").first.inner_text(), "now there is something to forecast from"
    page.go_back()
    page.get_by_role("button", name="Next round").click()
    page.locator("#job .state:is(.queued, .running)").wait_for()
    ended(page)
    page.locator("#published").get_by_role("link", name="reviews-of-2026/model:2").wait_for()


def settings() -> str:
    """What makes a toy of the line, as somebody would copy it out of a task file."""
    values = tomllib.loads(TASK)
    kept = ("curate", "label", "teacher", "predict", "accept", "students", "gate")
    values["teacher"] |= {"epochs": 5, "warm_epochs": 2}  # the file labels every row, five times as many as people do in the toy
    return as_toml({name: values[name] for name in kept})


def ended(page: Page) -> None:
    """Wait until the line has ended, and ended well."""
    page.locator("#job .state:is(.succeeded, .failed, .cancelled)").wait_for(timeout=_LINE_MS)
    assert page.locator("#job .state.succeeded").count() == 1, page.locator("#job").inner_text()
