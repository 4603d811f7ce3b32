"""What the commands share: opening the workspace, tables on the screen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from pickaxe.kernel.workspace import Workspace


def reading(path: str | None) -> Workspace:
    """The workspace for reading; never waits for a writer."""
    from pickaxe.kernel.workspace import Workspace

    return Workspace(path, mode="r")


def writing(path: str | None) -> Workspace:
    """The workspace for writing; raises `WriterBusy` naming who holds it."""
    from pickaxe.kernel.workspace import Workspace

    return Workspace(path, mode="w")


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
        table.add_column(title, justify="right" if index in right else "left", overflow="fold")
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    console().print(table)
