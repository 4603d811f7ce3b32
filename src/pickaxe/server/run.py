"""Running the application: in the foreground until a signal, or in a thread of the process that holds the workspace."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.errors import Conflict, PickaxeError, Unavailable
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.backend import ServingStore
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.deployment import Deployment
from pickaxe.serve.service import Serving
from pickaxe.server.app import LOCAL_HOSTS, Layer, create_app
from pickaxe.server.connections import Connection
from pickaxe.server.everybody import NAME, Everybody, acting_for
from pickaxe.server.listen import host_of, listening, url_of

_DRAIN_SECONDS = 30
_IDLE_SECONDS = 75
"""Idle connections are kept for longer than clients and proxies keep theirs, so that none is closed under a request on its way."""
_START_SECONDS = 300.0


def serve(
    store: ServingStore,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    workspace: str = "",
    config: ServeConfig | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way finish and their traces are written before this returns.

    Args:
        port: 0 takes any free one.
        workspace: what `/healthz` calls the workspace.
        ready: called with the URL once requests are answered.

    Raises `BadInput` for a host that is not loopback, `Conflict` for a workspace that people sign in to (`pickaxe up` asks who calls),
    `Unavailable` when the port is taken, and whatever the store raises when it cannot be read.
    """
    if _password(store):
        raise Conflict("people sign in to this workspace", remedy="serve it with: pickaxe up")
    with listening(host, port) as listener:
        hosts = {*LOCAL_HOSTS, host_of(listener)}
        server = Server(create_app(store, workspace=workspace, config=config, hosts=hosts, who=_layer(store, None)))
        server.run_until_stopped(listener, ready)


def _layer(store: ServingStore, password: str | None) -> Layer:
    """Everybody who reaches the server acts for the tenant whose view of the stores it was given."""
    if isinstance(store, Workspace):
        caller = acting_for(store.tenant_id, store.principal_id)
        return lambda app: Everybody(app, caller, password)
    return Everybody


def _password(store: ServingStore) -> str | None:
    """Where people sign in, this machine's other users are strangers too."""
    return secrets.token_urlsafe(24) if isinstance(store, Workspace) and not Access.of(store.catalog).open else None


class ServerThread:
    """The server in a background thread, for a process that already holds the workspace.

    >>> with ServerThread(workspace) as server:           # doctest: +SKIP
    ...     httpx.post(f"{server.url}/v1/endpoints/headlines/predict", json={"text": "..."})

    Where people sign in to the workspace, the URL holds a password that nobody else knows; all act for the workspace's tenant.
    Leaving the block lets requests under way finish and writes their traces. With `whole`, all that `pickaxe up` serves is there:
    the API, jobs, the console; `store` is then a `Workspace`. Raises as `serve` does.
    """

    def __init__(
        self,
        store: ServingStore,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        workspace: str = "",
        config: ServeConfig | None = None,
        whole: bool = False,
    ) -> None:
        self._arguments = (store, host, port, workspace, config)
        self._whole = whole
        self._password = None if whole else _password(store)
        self._closing = contextlib.ExitStack()
        self.url = ""

    def __enter__(self) -> Self:
        store, host, port, workspace, config = self._arguments
        with contextlib.ExitStack() as undo:
            listener = undo.enter_context(listening(host, port))
            self._server = self._made(store, workspace, config, {*LOCAL_HOSTS, host_of(listener)})
            started = threading.Event()
            self._server.on_started = started.set
            failed: list[BaseException] = []

            def run() -> None:
                try:
                    self._server.run_on([listener])
                except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                    failed.append(error)
                finally:
                    started.set()

            thread = threading.Thread(target=run, name="pickaxe-server", daemon=True)
            thread.start()
            undo.callback(self._stop, thread)
            if not started.wait(_START_SECONDS):
                raise Unavailable(
                    f"the server did not start within {_START_SECONDS:g} s", remedy="its log says what it waits for"
                )
            if failed:
                raise failed[0]
            self.url = url_of(listener).replace("//", f"//{NAME}:{self._password}@" if self._password else "//")
            self._closing = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.close()

    @property
    def deployments(self) -> Mapping[tuple[str, str], Deployment]:
        """What it has loaded now."""
        return self._server.serving.deployments

    def refresh(self) -> None:
        """Load what was published by now, instead of waiting for the next look at the catalog."""
        asyncio.run_coroutine_threadsafe(self._server.serving.refresh(), self._server.loop).result()

    def _made(self, store: ServingStore, workspace: str, config: ServeConfig | None, hosts: set[str]) -> Server:
        if self._whole and isinstance(store, Workspace):
            from pickaxe.server.up import whole_app

            app = whole_app(store, config=config, hosts=hosts)
            return Server(app, on_drain=app.state.drain)
        who = _layer(store, self._password)
        return Server(create_app(store, workspace=workspace, config=config, hosts=hosts, who=who))

    def _stop(self, thread: threading.Thread) -> None:
        self._server.should_exit = True
        thread.join(_DRAIN_SECONDS + 10)


class Server(uvicorn.Server):
    """uvicorn with our drain: a signal ends it, and is not raised again to kill the process before its traces are written."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, app: FastAPI, *, on_drain: Callable[[], None] = lambda: None) -> None:
        """`on_drain` is called on the event loop when no new request is taken any more; what never ends by itself must end then."""
        self.serving: Serving = app.state.serving
        self.on_started: Callable[[], None] = lambda: None
        self._on_drain = on_drain
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=_DRAIN_SECONDS,
                timeout_keep_alive=_IDLE_SECONDS,
            )
        )

    def run_until_stopped(self, listener: socket.socket, ready: Callable[[str], None] | None) -> None:
        """Run in the foreground; `ready` is called with the URL once requests are answered."""
        url = url_of(listener)
        self.on_started = lambda: ready(url) if ready else None
        self.run_on([listener])

    def run_on(self, sockets: list[socket.socket]) -> None:
        """Run until asked to stop. Raises what kept the application from starting."""
        try:
            self.run(sockets=sockets)
        except SystemExit:  # uvicorn's way to say that the lifespan failed
            failure = self.serving.failure
            if isinstance(failure, PickaxeError):
                raise failure from None
            raise Unavailable(
                "the server could not start", got=repr(failure)[:300], remedy="the server's log has the details"
            ) from failure

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        if self.started:
            self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_drain()
        await super().shutdown(sockets=sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
