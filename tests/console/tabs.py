"""Tabs of a real browser in front of the real server, each of which notes everything that goes wrong in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

PATIENCE = 120.0
"""Seconds for anything that a page shall come to: far more than a busy machine takes."""

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@dataclass
class Tab:
    """A page at an address, with everything that went wrong in it."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list[str])

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path, wait_until="load")
        self.page.wait_for_selector("html[data-ready]", state="attached")
        return self.page


def until(page: Page, condition: str) -> None:
    """Wait until the expression is true; the page's policy forbids the driver's own way, which evaluates a string in the page."""
    ends = time.monotonic() + PATIENCE
    while not page.evaluate(condition):
        assert time.monotonic() < ends, condition
        page.wait_for_timeout(50)


@contextmanager
def tab(browser: Browser, address: str, *, narrow: bool = False, dark: bool = False, language: str = "en") -> Iterator[Tab]:
    """A tab of its own. An error in a script, or anything that the page's policy refuses, fails the test."""
    context = browser.new_context(
        viewport=NARROW if narrow else WIDE,  # pyright: ignore[reportArgumentType] - a dict that playwright takes
        color_scheme="dark" if dark else "light",
        locale=language,
    )
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    opened = Tab(page, address)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))

    def console(said: ConsoleMessage) -> None:
        place = said.location.get("url", "")
        icon_of_others = place.endswith("/favicon.ico") and not place.startswith(address)  # which the browser asks for by itself
        if said.type == "error" and not icon_of_others:
            opened.complaints.append(said.text)

    page.on("console", console)
    yield opened
    context.close()
    assert opened.complaints == []
