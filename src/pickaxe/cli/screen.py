"""What the commands share: opening the workspace, tables on the screen."""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pickaxe
from pickaxe.kernel.access.scopes import LOCAL_TENANT, SCOPES, Caller, Role
from pickaxe.kernel.system.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

    from pickaxe import RemoteWorkspace
    from pickaxe.flows.workspace import Workspace
    from pickaxe.kernel.errors import WriterBusy

    Opened = Workspace | RemoteWorkspace
    """A workspace here or behind a server: the same façade."""


def reading(path: str | None) -> AbstractContextManager[Opened]:
    """The workspace for reading: the server's that PICKAXE_URL names, or that holds the folder; else the folder, which never waits.

    Where a server holds it, the command asks as whoever is signed in to it here.
    """
    from pickaxe.flows.workspace import Workspace

    if there := _elsewhere(path):
        return there
    url = server_with(path)
    return pickaxe.connect(url) if url else Workspace(path, mode="r")


def writing(path: str | None) -> AbstractContextManager[Opened]:
    """The workspace for writing: the server's that PICKAXE_URL names; the folder; or the server's that holds the folder.

    Raises `WriterBusy` naming who holds it, when that is no server.
    """
    from pickaxe.kernel.errors import WriterBusy

    if there := _elsewhere(path):
        return there
    try:
        return holding(path)
    except WriterBusy as busy:
        url = _server_of(busy)
        if url is None:
            raise
        return _through(url)


@contextmanager
def _written_down(workspace: Workspace) -> Iterator[Workspace]:
    """The workspace, and at the end an entry in its audit log: which command, by whom, with which exit status."""
    from pickaxe.kernel.access import audit
    from pickaxe.kernel.errors import PickaxeError

    context, outcome = click.get_current_context(silent=True), 1
    with workspace:
        try:
            yield workspace
            outcome = 0
        except PickaxeError as error:
            outcome = error.exit_code
            raise
        finally:
            command = context.command_path if context else "pickaxe"
            by = Caller(LOCAL_TENANT, workspace.principal_id, getpass.getuser(), Role.ADMIN, frozenset(SCOPES), "local")
            with suppress(PickaxeError):  # a full disk is told by what filled it
                audit.record(workspace.log, by, command, str(workspace.path), outcome, through="cli", origin=platform.node())


def holding(path: str | None) -> AbstractContextManager[Workspace]:
    """The folder itself, for what only its one writer can do. Raises `WriterBusy`, with the address when that is a server."""
    from pickaxe.flows.workspace import Workspace
    from pickaxe.kernel.errors import WriterBusy

    refuse_address(path)
    try:
        return _written_down(Workspace(path, mode="w"))
    except WriterBusy as busy:
        if url := _server_of(busy):
            busy.remedy = f"a server has it: do it there ({url}), or stop it first"
        raise


def refuse_address(path: str | None) -> None:
    """For a command that is about files of this machine. Raises `Conflict` where PICKAXE_URL names a server instead of a folder."""
    from pickaxe.kernel.errors import Conflict

    if url := _address(path):
        raise Conflict(
            f"this works on a folder, not on {url}",
            expected="-w FOLDER, where the workspace is",
            remedy="name the folder with -w, or do it on the server's machine",
        )


def server_with(path: str | None) -> str | None:
    """The address of the server that holds the folder; None when none does."""
    from pickaxe.kernel.settings import Settings
    from pickaxe.kernel.system.lock import holder_of

    folder = Path(path) if path is not None else Settings.from_environment().workspace
    return _url_of(holder_of(folder / "writer.lock"))


def _elsewhere(path: str | None) -> RemoteWorkspace | None:
    url = _address(path)
    return pickaxe.connect(url) if url else None


def _address(path: str | None) -> str | None:
    """Of the server that is meant instead of a folder; None where a folder is named, or nothing is."""
    return (os.environ.get("PICKAXE_URL") or None) if path is None else None


def _through(url: str) -> RemoteWorkspace:
    click.echo(f"a server has this workspace: going through {url}", err=True)
    return pickaxe.connect(url)


def _server_of(busy: WriterBusy) -> str | None:
    holder = busy.details.get("holder")
    return _url_of(holder) if isinstance(holder, dict) else None


def _url_of(holder: Mapping[str, Any]) -> str | None:
    """The address of a server that holds a workspace, by what it says of itself."""
    url = holder.get("url")
    return url if isinstance(url, str) and url.startswith("http://") else None


def console() -> Console:
    """Standard output; wide lines when it is no terminal, so that nothing is folded on its way through a pipe."""
    import sys

    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200)


def print_table(head: Sequence[str], lines: Sequence[Sequence[str]], *, right: Collection[int] = (), empty: str = "") -> None:
    """A plain table; whole lines when the output is not a terminal, so that it can be piped."""
    if not lines:
        click.echo(empty)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, title in enumerate(head):
        table.add_column(Text(visible(title)), justify="right" if index in right else "left", overflow="fold")
    for line in lines:
        table.add_row(*(Text(visible(cell)) for cell in line))
    console().print(table)
