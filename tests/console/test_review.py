"""Review in a real browser: what each person said side by side, for every form, and a reviewer who decides there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from pickaxe.data.label.forms import spans_of
from pickaxe.data.label.queue import Queue, create_queue
from pickaxe.kernel.access.scopes import Role
from pickaxe.kernel.workspace import Workspace
from tests.console.browser import Browser
from tests.console.site import application, caller

TEXT = "Acme 🙂 bought Widget in Paris"
ACME, WIDGET, PARIS = ({"start": start, "end": end, "label": "A"} for start, end in ((0, 4), (14, 20), (24, 29)))


@pytest.fixture
def answered(workspace: Workspace) -> Callable[..., Queue]:
    """A queue with the answers of ann and bob to each item."""
    import pyarrow as pa

    def make(*answers: tuple[Any, Any], form: str = "choice", labels: tuple[str, ...] = ("A", "B"), text: str = TEXT) -> Queue:
        many = len(answers)
        columns = {"row_key": [f"k{n}" for n in range(many)], "text": [f"{text} {n}" for n in range(many)]}
        columns |= {"first": ["the first text"] * many, "second": ["the second text"] * many}
        rows = workspace.import_table(pa.table(columns), "q/rows")
        create_queue(workspace, "q", rows, form=form, labels=() if form == "pairs" else labels, overlap=2)
        queue = Queue(workspace, "q")
        for n, pair in enumerate(answers):
            for who, value in zip(("ann", "bob"), pair, strict=True):
                queue.answer(who, f"k{n}", value, seconds=1, note=f"{who} says so")
        return queue

    return make


@pytest.mark.slow
def test_spans_are_shown_as_marks_and_decided(workspace: Workspace, answered: Callable[..., Queue], browser: Browser) -> None:
    queue = answered(([ACME, WIDGET], [ACME]), ([ACME], [PARIS]), ([ACME], [ACME]), form="spans")
    page = browser.open(workspace, "/review/q")
    page.wait_for_selector("html[data-ready]")
    main = page.inner_text("main")
    assert '"start"' not in main
    assert "Krippendorff" not in main
    assert "0.57" in page.inner_text("#figures")  # 2 of 3 + 0 of 2 + 2 of 2: 4 / 7
    first = page.locator("#item-k0")
    assert [said.locator("mark").all_inner_texts() for said in first.locator(".said").all()] == [
        ["Acme A", "Widget A"],
        ["Acme A"],
    ]
    assert "ann says so" in first.inner_text()
    browser.clean(page)

    page.click("#item-k0 >> text=Take bob's")
    page.wait_for_selector("#item-k0 >> text=Decided by ada")
    assert spans_of(queue.decisions()["k0"].label) == [ACME]
    page.wait_for_function("() => document.getElementById('figures').innerText.includes('undecided: 1')")

    page.locator("#item-k1 >> text=Mark it yourself").press("Enter")
    for key in ("1", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "2"):  # Acme is marked no more; "bought Widget" is
        page.keyboard.press(key)
    browser.clean(page)
    page.click("#item-k1 .main")
    page.wait_for_selector("#item-k1 >> text=Decided by ada")
    assert spans_of(queue.decisions()["k1"].label) == [{"start": 7, "end": 20, "label": "B"}]
    assert queue.decisions()["k1"].seconds > 0
    page.click("#item-k1 >> text=Take the decision back")
    page.wait_for_selector("#item-k1 >> text=Decided by ada", state="detached")
    assert queue.decisions().keys() == {"k0"}
    assert len(queue.answers()) == 6


@pytest.mark.slow
def test_pairs_show_both_texts_and_are_decided_by_keyboard(
    workspace: Workspace, answered: Callable[..., Queue], browser: Browser
) -> None:
    queue = answered(("first", "second"), ("tie", "first"), ("tie", "tie"), form="pairs")
    page = browser.open(workspace, "/review/q", width=390)
    page.wait_for_selector("html[data-ready]")
    item = page.inner_text("#item-k0")
    assert "the first text" in item
    assert "the second text" in item
    page.locator("#item-k0 >> role=button[name=Tie]").press("Enter")
    page.wait_for_selector("#item-k0 >> text=Decided by ada")
    page.keyboard.press("Enter")  # the first answer of the next item is in focus
    page.wait_for_selector("#item-k1 >> text=Decided by ada")
    assert {key: row.label for key, row in queue.decisions().items()} == {"k0": "tie", "k1": "first"}
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    browser.clean(page)


@pytest.mark.slow
def test_of_many_classes_those_given_are_buttons_and_the_others_a_list(
    workspace: Workspace, answered: Callable[..., Queue], browser: Browser
) -> None:
    labels = tuple(f"class {n}" for n in range(30))
    queue = answered((labels[3], labels[4]), labels=labels, text=" ".join([TEXT] * 60))
    page = browser.open(workspace, "/review/q", theme="dark")
    page.wait_for_selector("html[data-ready]")
    page.select_option("#item-k0 select", labels[20])
    page.click("#item-k0 [data-chosen]")
    page.wait_for_selector("#item-k0 >> text=Decided by ada")
    assert queue.decisions()["k0"].label == labels[20]
    browser.clean(page)


def test_who_only_labels_sees_the_answers_and_cannot_decide(workspace: Workspace, answered: Callable[..., Queue]) -> None:
    answered(("A", "B"))
    for role, may in ((Role.LABELLER, False), (Role.EDITOR, True)):
        with TestClient(application(workspace, caller(role)), base_url="http://localhost") as client:
            page = client.get("/review/q").text
            assert TEXT in page
            assert ("data-value" in page) is may


def test_the_agreement_says_what_it_is(workspace: Workspace, answered: Callable[..., Queue]) -> None:
    import pyarrow as pa

    answered(("A", "B"), ("A", "A"))
    rows = workspace.import_table(pa.table({"row_key": ["a"], "text": ["x"]}), "s/rows")
    create_queue(workspace, "s", rows, form="spans", labels=("A",), overlap=2)
    spans = Queue(workspace, "s")
    for who in ("ann", "bob"):
        spans.answer(who, "a", [], seconds=1)
    with TestClient(application(workspace), base_url="http://localhost") as client:
        page = client.get("/review").text
        assert ">α</span> 0.00" in page
        assert ">F1</span>" not in page, "nobody marked anything"
        assert "Nobody marked anything" in client.get("/review/s").text


def test_answers_to_an_earlier_version_are_shown_with_their_texts(workspace: Workspace, answered: Callable[..., Queue]) -> None:
    import pyarrow as pa

    answered(("A", "B"))
    rows = workspace.import_table(pa.table({"row_key": ["x"], "text": ["new"]}), "q/more")
    create_queue(workspace, "q", rows, labels=("A", "B"), overlap=2, replaces=True)
    with TestClient(application(workspace), base_url="http://localhost") as client:
        assert TEXT in client.get("/review/q").text


def test_texts_and_names_are_shown_as_they_are(workspace: Workspace) -> None:
    import pyarrow as pa

    text = '<img src=x onerror=alert(1)> "quoted" & שלום'
    rows = workspace.import_table(pa.table({"row_key": ["a"], "text": [text]}), "q/rows")
    create_queue(workspace, "q", rows, form="spans", labels=('<b>"x"',), overlap=2)
    queue = Queue(workspace, "q")
    queue.answer("ann", "a", [], seconds=1)
    queue.answer("<i>bob", "a", [{"start": 0, "end": 4, "label": '<b>"x"'}], seconds=1)
    with TestClient(application(workspace), base_url="http://localhost") as client:
        page = client.get("/review/q").text
    assert "<img src=x" not in page
    assert "<b>" not in page
    assert "<i>bob" not in page
