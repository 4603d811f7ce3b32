"""The labelling desk as a person has it in a browser: what is in front, keys, marks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pickaxe.data.label.queue import Queue, create_queue
from pickaxe.kernel.workspace import Workspace
from tests.console.tabs import PATIENCE

TEXTS = [f"Item {n}: is 🙂 this one urgent?" for n in range(80)]


def filled(workspace: Workspace, items: int = 80, *, name: str = "mail", **settings: Any) -> Queue:
    """A queue over so many items."""
    import pyarrow as pa

    columns = {"row_key": [f"k{n}" for n in range(items)], "text": TEXTS[:items]}
    if settings.get("form") == "pairs":
        columns |= {"first": ["good"] * items, "second": ["better"] * items}
    rows = workspace.import_table(pa.table(columns), f"{name}/rows")
    labels: dict[str, Any] = {} if settings.get("form") == "pairs" else {"labels": ("urgent", "not urgent")}
    create_queue(workspace, name, rows, **labels | settings)
    return Queue(workspace, name)


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def pressed(page: Any) -> str:
    """The answer that the page says was given before."""
    found = page.locator("#choices [aria-pressed=true]")
    return " ".join(found.inner_text().split()) if found.count() else ""


def marks(page: Any) -> list[str]:
    return [text.removesuffix("×").strip() for text in page.locator(".marked li").all_inner_texts()]


def expect_text(page: Any, text: str) -> None:
    """The item is on the screen: before that nobody answers it."""
    page.wait_for_function("text => document.querySelector('.question .text')?.textContent.startsWith(text)", arg=text)
    page.evaluate("() => new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)))")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
