"""Labelling in a real browser: keys are answers, each saved at once; undo, skip, notes; two people; spans and pairs; the pace."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from pickaxe.data.label.forms import spans_of
from pickaxe.data.label.queue import Queue, create_queue
from pickaxe.kernel.workspace import Workspace
from tests.console.browser import Browser
from tests.console.desk import TEXTS, expect_text, filled, marks, press, pressed, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def queue(workspace: Workspace) -> Callable[..., Queue]:
    return partial(filled, workspace)


def test_keys_answer_undo_skip_and_note(workspace: Workspace, queue: Callable[..., Queue], browser: Browser) -> None:
    desk = queue()
    page = browser.open(workspace, "/label/mail")
    expect_text(page, "Item 0:")
    page.keyboard.press("1")
    expect_text(page, "Item 1:")
    page.keyboard.press("n")
    page.keyboard.type("hard 1 to say")  # digits in a note are no answers
    page.keyboard.press("Enter")
    page.keyboard.press("2")
    expect_text(page, "Item 2:")
    page.keyboard.press("s")
    expect_text(page, "Item 3:")
    wait_until(lambda: desk.counts()["answers"] == 2)
    assert {row.label: row.note for row in desk.answers()} == {"urgent": "", "not urgent": "hard 1 to say"}
    assert all(row.seconds > 0 and row.annotator == "ada" for row in desk.answers())
    browser.clean(page)


def test_undo_brings_back_one_thing_after_the_other_a_skip_too_with_what_was_given(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    desk = queue()
    page = browser.open(workspace, "/label/mail")
    expect_text(page, "Item 0:")
    press(page, "n", *"hm", "Enter", "2")
    expect_text(page, "Item 1:")
    press(page, "n", *"later", "Enter", "s")
    expect_text(page, "Item 2:")
    press(page, "1")
    expect_text(page, "Item 3:")
    press(page, "u")
    expect_text(page, "Item 2:")
    assert pressed(page) == "1 urgent"
    press(page, "u")
    expect_text(page, "Item 1:")
    assert (pressed(page), page.input_value("#note")) == ("", "later")
    press(page, "u")
    expect_text(page, "Item 0:")
    assert (pressed(page), page.input_value("#note")) == ("2 not urgent", "hm")
    browser.clean(page)
    press(page, "u")
    page.wait_for_selector("text=There is nothing to take back.")
    assert desk.counts()["answers"] == 0
    page.wait_for_function("() => document.getElementById('mine').textContent === '0'")
    for n, key in enumerate("112"):
        expect_text(page, f"Item {n}:")
        press(page, key)
    expect_text(page, "Item 3:")
    wait_until(lambda: desk.counts()["answers"] == 3)
    assert {row.row_key: (row.label, row.note) for row in desk.answers()} == {
        "k0": ("urgent", "hm"),
        "k1": ("urgent", "later"),
        "k2": ("not urgent", ""),
    }


def test_undo_after_a_reload_and_a_reload_after_an_undo_lose_nothing(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    desk = queue(form="spans")
    page = browser.open(workspace, "/label/mail")
    expect_text(page, "Item 0:")
    press(page, "1", "ArrowRight", "2", "n", *"hm", "Enter", "Enter")
    expect_text(page, "Item 1:")
    wait_until(lambda: desk.counts()["answers"] == 1)
    page.reload()
    expect_text(page, "Item 1:")
    press(page, "1", "u")
    expect_text(page, "Item 0:")
    assert (marks(page), page.input_value("#note")) == (["urgent: Item", "not urgent: 0"], "hm")
    page.reload()
    expect_text(page, "Item 0:")
    assert (marks(page), page.input_value("#note")) == (["urgent: Item", "not urgent: 0"], "hm")
    browser.clean(page)
    press(page, "1", "Enter")  # the cursor stands on the first word: its mark goes
    expect_text(page, "Item 1:")
    wait_until(lambda: desk.counts()["answers"] == 1)
    (row,) = desk.answers()
    assert ([span["label"] for span in spans_of(row.label)], row.note) == (["not urgent"], "hm")


def test_marks_that_were_begun_are_kept_while_an_undone_item_is_in_front(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    desk = queue(form="spans")
    page = browser.open(workspace, "/label/mail")
    expect_text(page, "Item 0:")
    press(page, "Enter")
    expect_text(page, "Item 1:")
    press(page, "2", "u")
    expect_text(page, "Item 0:")
    press(page, "1", "Enter")
    expect_text(page, "Item 1:")
    assert marks(page) == ["not urgent: Item"]
    press(page, "Enter")
    wait_until(lambda: desk.counts()["answers"] == 2)
    assert [spans_of(row.label)[0]["label"] for row in desk.answers()] == ["urgent", "not urgent"]


def test_a_person_at_the_keyboard_answers_more_than_one_item_a_second(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    """Every answer waits until its item is on the screen, as a person would."""
    desk = queue()
    page = browser.open(workspace, "/label/mail")
    began = time.monotonic()
    for n in range(40):
        expect_text(page, f"Item {n}:")
        page.keyboard.press(str(1 + n % 2))
    wait_until(lambda: desk.counts()["answers"] == 40)
    rate = 40 / (time.monotonic() - began)
    print(f"{rate:.1f} labels a second")
    assert rate > 1
    assert [row.label for row in desk.answers()] == ["urgent", "not urgent"] * 20


def test_the_end_of_the_queue_says_so_and_two_people_share_it(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    desk = queue(items=8)
    ann, bob = (browser.open(workspace, "/label/mail", name=name) for name in ("ann", "bob"))
    for page in (ann, bob):
        expect_text(page, "Item")
    assert ann.inner_text(".question .text") != bob.inner_text(".question .text")
    while desk.counts()["complete"] < 8:
        for page in (ann, bob):
            for text in page.locator(".question .text").all_inner_texts():
                expect_text(page, text)
                page.keyboard.press("1")
        ann.wait_for_timeout(20)
    assert desk.counts()["answers"] == 8
    ann.wait_for_selector("text=Nothing is left for you")


def test_whoever_has_nothing_left_is_shown_the_next_batch(
    workspace: Workspace, queue: Callable[..., Queue], browser: Browser
) -> None:
    import pyarrow as pa

    desk = queue(items=1)
    page = browser.open(workspace, "/label/mail")
    expect_text(page, "Item 0:")
    page.keyboard.press("1")
    page.wait_for_selector("text=Nothing is left for you")
    rows = workspace.import_table(pa.table({"row_key": ["next"], "text": ["The next batch"]}), "mail/rows")
    create_queue(workspace, "mail", rows, labels=("urgent", "not urgent"), after=desk.artifact.id, replaces=True)
    expect_text(page, "The next batch")
    page.keyboard.press("2")
    wait_until(lambda: {row.row_key: row.label for row in desk.answers()} == {"k0": "urgent", "next": "not urgent"})
    browser.clean(page)


def test_spans_are_marked_by_keyboard_in_characters(workspace: Workspace, queue: Callable[..., Queue], browser: Browser) -> None:
    desk = queue(items=2, form="spans")
    page = browser.open(workspace, "/label/mail")
    expect_text(page, "Item 0:")
    page.keyboard.press("1")  # "Item"
    for _ in range(5):  # 0 : is 🙂 this
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("2")  # "this one"
    page.keyboard.press("Enter")
    wait_until(lambda: desk.counts()["answers"] == 1)
    spans = spans_of(desk.answers()[0].label)
    assert [(TEXTS[0][span["start"] : span["end"]], span["label"]) for span in spans] == [
        ("Item", "urgent"),
        ("this one", "not urgent"),
    ]
    browser.clean(page)


def test_pairs_are_compared(workspace: Workspace, queue: Callable[..., Queue], browser: Browser) -> None:
    desk = queue(items=3, form="pairs")
    page = browser.open(workspace, "/label/mail")
    for n, key in enumerate("213"):
        expect_text(page, f"Item {n}:")
        page.keyboard.press(key)
    wait_until(lambda: desk.counts()["answers"] == 3)
    assert [row.label for row in desk.answers()] == ["second", "first", "tie"]
