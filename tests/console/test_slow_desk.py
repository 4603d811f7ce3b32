"""The desk in front of a slow server and on a slow machine: it says what it waits for, and a press answers what was on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.console.desk import expect_text, filled
from tests.console.held import Held
from tests.console.tabs import until
from tests.console.test_live_pages import Open
from tests.console.test_slow_answers import at, without

if TYPE_CHECKING:
    from playwright.sync_api import Dialog

__all__ = ["at"]
pytestmark = pytest.mark.slow


def test_whoever_is_quicker_than_the_network_is_not_told_that_all_is_done_and_is_asked_before_leaving(at: Open) -> None:
    desk = filled(at.workspace, 9, name="quick", labels=("yes", "no"))
    page = at.tab.page
    taking = Held(page, "**/take")
    page.goto(f"{at.tab.address}/label/quick")
    taking.wait()
    page.keyboard.press("1")  # nothing is in front yet
    page.wait_for_timeout(6000)  # as long as it takes until somebody who has nothing left is looked after
    taking.let_go()
    expect_text(page, "Item 0:")
    answers = Held(page, "**/answer")
    for n in range(4):
        expect_text(page, f"Item {n}:")
        page.keyboard.press("2")
    page.locator("#question").get_by_text("Fetching the next item").wait_for()
    answers.wait()
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    with page.expect_event("dialog"):
        page.evaluate("setTimeout(() => location.assign('/tasks'))")
    assert asked == ["beforeunload"]
    answers.let_go()
    for n in range(4, 9):
        expect_text(page, f"Item {n}:")
        page.keyboard.press("1")
    page.get_by_text("Nothing is left for you").wait_for()
    assert [row.label for row in desk.answers()] == ["no"] * 4 + ["yes"] * 5


def test_a_desk_that_was_not_answered_says_so_and_goes_on_by_itself(at: Open) -> None:
    desk = filled(at.workspace, 1, name="silent", labels=("yes", "no"))
    page = at.tab.page
    page.route("**/take", lambda route: route.abort())
    page.goto(f"{at.tab.address}/label/silent")
    page.locator("#said").get_by_text("The server did not answer.").wait_for()
    page.locator("#question").get_by_text("Fetching the next item").wait_for()
    page.unroute("**/take")
    expect_text(page, "Item 0:")
    page.keyboard.press("1")
    page.get_by_text("Nothing is left for you").wait_for()
    assert [row.label for row in desk.answers()] == ["yes"]
    without(at.tab, "ERR_FAILED")


def test_a_second_press_before_the_next_item_is_on_the_screen_is_not_its_answer(at: Open) -> None:
    desk = filled(at.workspace, 3, name="stalled", labels=("yes", "no"))
    page = at.tab.open("/label/stalled")
    expect_text(page, "Item 0:")
    # A machine that is busy: the second press waits for the page behind the first.
    page.evaluate(
        """() => { for (let n = 0; n < 2; n++)
          document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "1", code: "Digit1", bubbles: true })); }"""
    )
    page.get_by_text("it was not taken").wait_for()
    expect_text(page, "Item 1:")
    page.keyboard.press("2")
    expect_text(page, "Item 2:")
    until(page, "document.getElementById('mine').textContent === '2'")
    assert [row.label for row in desk.answers()] == ["yes", "no"]
