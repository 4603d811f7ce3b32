"""A real browser in front of the console: the pages and the labelling API over one workspace, people by name, accessibility."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import uvicorn

from pickaxe.console import pages
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller, Role
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.app import create_app
from pickaxe.wire.native import routes_label
from pickaxe.wire.native.door import Door
from pickaxe.wire.native.live import Live
from tests.console.site import SignedIn
from tests.console.tabs import PATIENCE


class Browser:
    """Opens pages as somebody; servers live as long as the browser."""

    def __init__(self, chromium: Any) -> None:
        self._chromium = chromium
        self._servers: dict[tuple[int, str], tuple[uvicorn.Server, threading.Thread, str]] = {}
        self._contexts: list[Any] = []

    def open(self, workspace: Workspace, path: str, *, name: str = "ada", width: int = 1280, theme: str = "light") -> Any:
        """A page at `path`, as the person `name` sees it."""
        context = self._chromium.new_context(viewport={"width": width, "height": 860}, color_scheme=theme, locale="en-US")
        context.set_default_timeout(PATIENCE * 1000)
        self._contexts.append(context)
        page = context.new_page()
        page.troubles = []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("console", lambda said: page.troubles.append(said.text) if said.type == "error" else None)
        page.goto(self._address(workspace, name) + path)
        return page

    def clean(self, page: Any) -> None:
        """No script failed, nothing was refused by the policy, and axe finds nothing that keeps anybody out."""
        from axe_playwright_python.sync_playwright import Axe

        assert page.troubles == []
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        for server, thread, _ in self._servers.values():
            server.should_exit = True
            thread.join(PATIENCE)

    def _address(self, workspace: Workspace, name: str) -> str:
        key = (id(workspace), name)
        if key not in self._servers:
            self._servers[key] = _serve(workspace, name)
        return self._servers[key][2]


def _serve(workspace: Workspace, name: str) -> tuple[uvicorn.Server, threading.Thread, str]:
    role = Role.ADMIN
    somebody = Caller(LOCAL_TENANT, f"principal-{name}", name, role, role.scopes, "person")
    labelling = routes_label.router(Door(workspace, Live(workspace.log.newest_seq)))
    app = create_app(workspace, routers=[pages(workspace), labelling], who=lambda app: SignedIn(app, somebody))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    return server, thread, f"http://127.0.0.1:{listener.getsockname()[1]}"
