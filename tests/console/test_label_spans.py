"""Marking spans in a real browser: by mouse, by finger, in scripts without spaces, from a suggestion."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pickaxe.data.label.forms import spans_of
from pickaxe.data.label.queue import Queue, create_queue
from pickaxe.kernel.workspace import Workspace
from tests.console.browser import Browser
from tests.console.desk import expect_text, marks, press, wait_until

pytestmark = pytest.mark.slow

TEXT = "Acme bought Widget Ltd"


@pytest.fixture
def queue(workspace: Workspace) -> Callable[..., Queue]:
    import pyarrow as pa

    def make(*texts: str, suggested: list[dict[str, Any]] | None = None, **settings: Any) -> Queue:
        keys = [f"k{n}" for n in range(len(texts))]
        rows = workspace.import_table(pa.table({"row_key": keys, "text": list(texts)}), "q/rows")
        if suggested is not None:
            table = pa.table({"row_key": keys, "label": [json.dumps(suggested)] * len(keys)})
            settings["prelabels"] = workspace.import_table(table, "q/suggested").id
        create_queue(workspace, "q", rows, form="spans", labels=("ORG", "PLACE"), **settings)
        return Queue(workspace, "q")

    return make


def marked(queue: Queue, key: str = "k0") -> list[tuple[str, str]]:
    (label,) = (row.label for row in queue.answers() if row.row_key == key)
    text = queue.items[key].text
    return [(text[span["start"] : span["end"]], span["label"]) for span in spans_of(label)]


def test_words_are_drawn_over_a_label_is_pressed_and_enter_submits(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    desk = queue(TEXT)
    page = browser.open(workspace, "/label/q")
    expect_text(page, TEXT)
    draw(page, "Widget", "Ltd")
    page.click("#choices >> text=ORG")
    press(page, "Enter")  # the text has the focus again: this submits, and does not press the label once more
    wait_until(lambda: desk.counts()["answers"] == 1)
    assert marked(desk) == [("Widget Ltd", "ORG")]


def test_a_finger_draws_over_words_too(workspace: Workspace, queue: Callable[..., Queue], browser: Browser) -> None:
    desk = queue(TEXT)
    page = browser.open(workspace, "/label/q", width=390)
    expect_text(page, TEXT)
    session = page.context.new_cdp_session(page)
    (x, y), (to_x, to_y) = (middle(page, word) for word in ("Widget", "Ltd"))
    points: list[tuple[str, list[dict[str, float]]]] = [("touchStart", [{"x": x, "y": y}])]
    points += [("touchMove", [{"x": x + (to_x - x) * step / 5, "y": y + (to_y - y) * step / 5}]) for step in range(1, 6)]
    for kind, touched in [*points, ("touchEnd", [])]:
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})
    page.click("#choices >> text=PLACE")
    page.click("#submit")
    wait_until(lambda: desk.counts()["answers"] == 1)
    assert marked(desk) == [("Widget Ltd", "PLACE")]


def test_a_script_without_spaces_is_marked_by_character(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    desk = queue("北京的张伟加入👩‍👩‍👧公司", "cafe\u0301 नमस्ते")
    page = browser.open(workspace, "/label/q")
    expect_text(page, "北京的")
    press(page, "Shift+ArrowRight", "2", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "1", "Enter")
    expect_text(page, "cafe")
    press(page, "1", "ArrowRight", "2", "Enter")
    wait_until(lambda: desk.counts()["answers"] == 2)
    assert marked(desk) == [("北京", "PLACE"), ("张伟", "ORG")]
    assert marked(desk, "k1") == [("cafe\u0301", "ORG"), ("नमस्ते", "PLACE")]


def test_a_suggestion_is_there_to_be_corrected(workspace: Workspace, queue: Callable[..., Queue], browser: Browser) -> None:
    desk = queue(TEXT, suggested=[{"start": 0, "end": 4, "label": "PLACE"}], blind=False)
    page = browser.open(workspace, "/label/q")
    expect_text(page, TEXT)
    assert marks(page) == ["PLACE: Acme"]
    assert "Suggested: PLACE: Acme" in page.inner_text("#question")
    press(page, "2", "1", "Enter")
    wait_until(lambda: desk.counts()["answers"] == 1)
    assert marked(desk) == [("Acme", "ORG")]


def test_a_hidden_suggestion_is_told_after_the_answer_where_it_differs(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    queue(TEXT, TEXT, suggested=[{"start": 0, "end": 4, "label": "PLACE"}])
    page = browser.open(workspace, "/label/q")
    expect_text(page, TEXT)
    assert marks(page) == []
    press(page, "2", "Enter")
    assert page.inner_text("#said") == ""
    press(page, "1", "Enter")
    page.wait_for_selector("text=The suggestion was PLACE: Acme")
    press(page, "U")  # under Caps Lock
    page.wait_for_selector("text=Brought back")
    browser.clean(page)


def middle(page: Any, word: str) -> tuple[float, float]:
    box = page.locator(".spans span", has_text=word).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def draw(page: Any, first: str, last: str) -> None:
    page.mouse.move(*middle(page, first))
    page.mouse.down()
    page.mouse.move(*middle(page, last))
    page.mouse.up()
