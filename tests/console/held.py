"""A network that keeps what it is asked for, until it is let go: slow, and the same in every run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.console.tabs import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


class Held:
    """Requests of a page that match a pattern wait here from now on."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._page, self._pattern, self._open = page, pattern, False
        self.routes: list[Route] = []
        page.route(pattern, self._came)

    def _came(self, route: Route) -> None:
        if self._open:
            route.continue_()
        else:
            self.routes.append(route)

    def wait(self, count: int = 1) -> None:
        """Until so many requests have been made."""
        ends = time.monotonic() + PATIENCE
        while len(self.routes) < count:
            assert time.monotonic() < ends, f"{len(self.routes)} requests for {self._pattern}, expected {count}"
            self._page.wait_for_timeout(10)

    def let_go(self) -> None:
        """These are answered, later ones at once."""
        self._open = True
        for route in self.routes:
            route.continue_()
