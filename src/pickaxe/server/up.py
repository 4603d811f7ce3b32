"""`pickaxe up`: the whole of Pickaxe in one process. It holds the workspace to write; everybody else comes through it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from pickaxe.console import pages
from pickaxe.flows.hosting import Hosting
from pickaxe.flows.jobs import Jobs
from pickaxe.kernel.ledger.spare import SERVER, spare_core
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.config import ServeConfig
from pickaxe.server import sign_in
from pickaxe.server.app import LOCAL_HOSTS, create_app
from pickaxe.server.authenticate import Authenticate, Cookies, ready_for_strangers
from pickaxe.server.crowd import Crowd
from pickaxe.server.declared import declared
from pickaxe.server.listen import hosts_of, is_loopback, listening
from pickaxe.server.refusing import ForWhoReads
from pickaxe.server.run import Server
from pickaxe.wire.native.door import Door
from pickaxe.wire.native.live import Live
from pickaxe.wire.native.routes import routers as native_routers

if TYPE_CHECKING:
    from pickaxe.server.openid import OpenId


def up(
    workspace: Workspace,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    names: Collection[str] = (),
    https: bool = False,
    config: ServeConfig | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way finish, a job under way goes on when the next server starts.

    Args:
        host: an address of this machine. Unless it is loopback, somebody must be able to sign in.
        port: 0 takes any free one.
        names: under which others reach it: what a request's Host header may say beside the address.
        https: browsers reach it through a proxy that speaks TLS, so that its cookies are for https only.
        ready: called with the URL once requests are answered.

    Raises `Conflict` for a host that others reach while nobody can sign in; otherwise as `pickaxe.server.run.serve` does.
    """
    # A proxy brings strangers to loopback too.
    loopback = is_loopback(host) and not https and not names
    if not loopback:
        ready_for_strangers(workspace)
    with listening(host, port, anywhere=not is_loopback(host)) as listener:
        hosts = {*LOCAL_HOSTS, *hosts_of(listener), *names}
        holder = f"{SERVER}-{uuid.uuid4().hex[:12]}"
        app = whole_app(workspace, config=config, hosts=hosts, loopback=loopback, https=https, holder=holder)

        def announced(url: str) -> None:
            workspace.stores.announce(url)
            if ready is not None:
                ready(url)

        with spare_core(workspace, holder):
            Server(app, on_drain=app.state.drain).run_until_stopped(listener, announced)


def whole_app(
    workspace: Workspace,
    *,
    config: ServeConfig | None = None,
    hosts: Iterable[str] = LOCAL_HOSTS,
    loopback: bool = True,
    https: bool = False,
    holder: str | None = None,
) -> FastAPI:
    """Predictions, the native API and the console over one workspace; jobs run for as long as the application lives.

    With a `holder`, who holds a core for it in the ledger, its serving is forecast, and compared when it ends.
    """
    jobs, live = Jobs(workspace), Live(workspace.log.newest_seq)
    cookies, console, openid = Cookies(secure=https), pages(workspace), _provider()
    door = Door(workspace, live, jobs, config or ServeConfig())
    refuse = ForWhoReads(console.error_page, console.error_words, lambda: declared(app))
    app = create_app(
        workspace,
        workspace=str(workspace.path),
        config=config,
        hosts=hosts,
        routers=[
            *native_routers(door),
            sign_in.router(workspace, cookies, door.attempts, openid),
            console,
        ],
        beside=[_working(jobs), *([Hosting(workspace, holder, lambda: app.state.serving)] if holder else [])],
        who=lambda inner: Authenticate(
            Crowd(inner, refuse=refuse),
            workspace=workspace,
            loopback=loopback,
            cookies=cookies,
            routes=lambda: declared(app),
            refuse=refuse,
        ),
        refuse=refuse,
    )

    def drain() -> None:
        live.stop()
        console.stop()

    app.state.drain = drain
    return app


def _provider() -> OpenId | None:
    """The OpenID provider that the environment names; what speaks to it is loaded only then."""
    if not os.environ.get("PICKAXE_OIDC_ISSUER"):
        return None
    from pickaxe.server.openid import OpenId, OpenIdConfig

    config = OpenIdConfig.from_environment()
    return OpenId(config) if config else None


@contextmanager
def _working(jobs: Jobs) -> Iterator[Jobs]:
    jobs.start()
    try:
        yield jobs
    finally:
        jobs.stop()
