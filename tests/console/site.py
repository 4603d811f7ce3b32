"""The console inside the whole server, in this process: ``python -m tests.console.site WORKSPACE [PORT]``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

import pickaxe
from pickaxe.console import pages
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller, Role
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import CALLER
from pickaxe.server.app import create_app


def caller(role: Role = Role.ADMIN, tenant: str = LOCAL_TENANT) -> Caller:
    return Caller(tenant, f"principal-{role}", "ada", role, role.scopes, "person")


class SignedIn:
    """Puts one caller behind every request, as the server's guard does for who is signed in."""

    def __init__(self, app: ASGIApp, who: Caller) -> None:
        self._app, self._who = app, who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[CALLER] = self._who
        await self._app(scope, receive, send)


def application(workspace: Workspace, who: Caller | None = None) -> FastAPI:
    """Console, predictions, traces and feedback, all for one caller."""
    return create_app(workspace, routers=[pages(workspace)], who=lambda app: SignedIn(app, who or caller()))


@contextmanager
def looked_at(folder: Path, fill: Callable[[Workspace], Workspace]) -> Iterator[TestClient]:
    """A browser without scripts in front of a filled workspace: one for all tests of a module that only look."""
    with pickaxe.open(folder) as workspace, TestClient(application(fill(workspace)), base_url="http://localhost") as client:
        yield client


if __name__ == "__main__":
    with pickaxe.open(Path(sys.argv[1])) as opened:
        uvicorn.run(application(opened), host="127.0.0.1", port=int(sys.argv[2]) if len(sys.argv) > 2 else 8765, log_level="info")
