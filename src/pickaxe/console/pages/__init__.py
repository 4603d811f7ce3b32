"""Every page of the console, and how one is made.

```python
def router(site: Site) -> APIRouter:
    routes = site.router()                                  # routes need the scope "read" unless they say otherwise

    @routes.get("/things")
    def things(request: Request) -> Response:               # plain `def`: it runs in the thread pool
        workspace = site.workspace_of(request)              # what this caller may see
        return site.page(request, "things.html", found=read_things(workspace))

    return routes
```

The template extends ``layout.html`` and takes every word from ``t("things.title")``; keys are listed in ``words/*/things.toml``.
A region with ``data-live`` and an ``id`` is kept fresh while the page is open; ``data-chart`` holds a Vega-Lite specification.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import Response

if TYPE_CHECKING:
    from pickaxe.kernel.errors import PickaxeError
    from pickaxe.kernel.workspace import Workspace

PAGES = (
    "overview",
    "start",
    "tasks",
    "runs",
    "artifacts",
    "data",
    "endpoints",
    "traces",
    "bill",
    "search",
    "label",
    "review",
    "plan",
    "settings",
)
"""Modules of this package, in the order in which their routes are tried."""


class Console(APIRouter):
    """The console's routes. A server that drains calls `stop`, on its event loop: streams end then."""

    def __init__(self, workspace: Workspace) -> None:
        from pickaxe.console import live, preferences
        from pickaxe.console.site import Site

        super().__init__()
        self._site = Site(workspace, PAGES)
        for part in (preferences, live, *(import_module(f"{__name__}.{name}") for name in PAGES)):
            self.routes.extend(part.router(self._site).routes)

    def error_page(self, request: Request, error: PickaxeError) -> Response:
        """What somebody with a browser reads of a refusal, in their language."""
        return self._site.error(request, error)

    def error_words(self, request: Request, error: PickaxeError) -> dict[str, str]:
        """The same for a script of a page, as far as there are words: ``language`` and the parts; empty in English."""
        from pickaxe.console.problems import in_words

        language = self._site.language_of(request)
        said = in_words(error, language)
        return {"language": language, **said} if said else {}

    def stop(self) -> None:
        for stop in self._site.on_drain:
            stop()


def pages(workspace: Workspace) -> Console:
    """The console's routes over `workspace`: pages, static files, live updates."""
    return Console(workspace)
