"""Queues that people make on a page, and what goes wrong while they answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from pickaxe.data.label.queue import Queue, create_queue
from pickaxe.kernel.workspace import Workspace
from tests.console.browser import Browser
from tests.console.desk import expect_text, filled, marks, press, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def queue(workspace: Workspace) -> Callable[..., Queue]:
    return partial(filled, workspace)


def test_a_queue_is_made_from_the_page_and_reviewed(workspace: Workspace, browser: Browser) -> None:
    import pyarrow as pa

    workspace.import_table(pa.table({"row_key": ["a", "b"], "text": ["x", "y"]}), "notes/rows")
    page = browser.open(workspace, "/label")
    page.fill("input[name=name]", "notes")
    page.fill("input[name=labels]", "yes, no")
    page.fill("input[name=overlap]", "2")
    page.click("text=Make the queue")
    page.wait_for_selector(".question .text")
    review = page.url.replace("/label/notes", "/review/notes")
    page.goto(review)  # leaving the desk gives the items back
    for name, keys in (("ann", "12"), ("bob", "11")):
        desk = browser.open(workspace, "/label/notes", name=name)
        for text, key in zip("xy", keys, strict=True):
            expect_text(desk, text)
            desk.keyboard.press(key)
        wait_until(lambda name=name: Queue(workspace, "notes").counts()["by"].get(name) == 2)
    page.goto(review)
    assert "Krippendorff" in page.inner_text("main")
    assert page.locator("text=ann").count() >= 1
    browser.clean(page)


def test_a_long_text_is_scrolled_by_keyboard_in_its_place(workspace: Workspace, browser: Browser) -> None:
    import pyarrow as pa

    rows = workspace.import_table(pa.table({"row_key": ["k0"], "text": ["long " * 2_000]}), "mail/rows")
    create_queue(workspace, "mail", rows, labels=("urgent", "not urgent"))
    page = browser.open(workspace, "/label/mail", width=390)
    expect_text(page, "long")
    browser.clean(page)
    press(page, "1")
    page.wait_for_selector("text=Nothing is left for you")
    browser.clean(page)


def test_an_answer_that_cannot_be_saved_comes_back_with_all_that_was_given(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    desk = queue(form="spans")
    page = browser.open(workspace, "/label/mail")
    expect_text(page, "Item 0:")
    page.route("**/answer", lambda route: route.abort())
    press(page, "1", "n", *"hm", "Enter", "Enter")
    page.wait_for_selector("#said.bad >> text=Not saved:")
    expect_text(page, "Item 0:")
    assert (marks(page), page.input_value("#note")) == (["urgent: Item"], "hm")
    page.unroute("**/answer")
    press(page, "Enter")
    expect_text(page, "Item 1:")
    wait_until(lambda: desk.counts()["answers"] == 1)
    assert desk.answers()[0].note == "hm"


def test_an_item_that_another_answered_meanwhile_is_said_and_left(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    desk = queue(items=6)
    page = browser.open(workspace, "/label/mail")
    expect_text(page, "Item 0:")
    desk.answer("bob", "k0", "urgent", seconds=1)
    press(page, "2")
    page.wait_for_selector("text=others have answered this item")
    expect_text(page, "Item 1:")
    press(page, "2")
    wait_until(lambda: {row.row_key: row.label for row in desk.answers()} == {"k0": "urgent", "k1": "not urgent"})


def test_a_form_that_is_not_right_keeps_what_was_typed_and_says_what_is_wrong_beside_it(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    queue()
    page = browser.open(workspace, "/label", width=390, theme="dark")
    page.fill("input[name=name]", "mail")
    page.select_option("select[name=form]", "pairs")
    page.fill("textarea[name=guidelines]", "标注" * 10_000)
    page.uncheck("input[name=blind]")
    page.click("text=Make the queue")
    page.get_by_role("alert").wait_for()
    assert page.inner_text("#wrong-name") == "There is a queue mail already: choose another name."
    assert page.inner_text("#wrong-rows").startswith("The table has no column first, second")
    assert page.evaluate("() => document.activeElement.name") == "name"
    assert [page.input_value(f"[name={name}]") for name in ("name", "form")] == ["mail", "pairs"]
    assert page.input_value("textarea[name=guidelines]") == "标注" * 10_000
    assert not page.is_checked("input[name=blind]")
    page.troubles.remove("Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)")
    browser.clean(page)
    page.fill("input[name=name]", "letters")
    page.select_option("select[name=form]", "choice")
    page.fill("input[name=labels]", "one，two, 三")
    page.click("text=Make the queue")
    page.wait_for_selector(".question .text")
    made = Queue(workspace, "letters").config
    assert (made.labels, made.blind, made.guidelines) == (("one", "two", "三"), False, "标注" * 10_000)
