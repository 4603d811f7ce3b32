"""A network that keeps what it is asked for, until it is let go: slow, and the same in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        for _ in range(1500):
            if len(self.routes) >= count:
                return
            self._page.wait_for_timeout(10)
        raise AssertionError(f"{len(self.routes)} requests for {self._pattern}, expected {count}")

    def let_go(self) -> None:
        """These are answered, later ones at once."""
        self._open = True
        for route in self.routes:
            route.continue_()
