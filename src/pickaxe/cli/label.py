"""`pickaxe label`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("task", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def label(workspace: str | None, task: Path) -> None:
    """Label texts of TASK (a TOML file) by hand: one key an answer, each saved at once. Quit when you like; go on later.

    `pickaxe produce TASK` asks for the labels that are still missing and then runs the rest of the line.
    """
    from pickaxe.cli.live import TerminalLine
    from pickaxe.cli.screen import holding
    from pickaxe.flows.people import refuse_early
    from pickaxe.flows.produce import label_only
    from pickaxe.flows.task import Task
    from pickaxe.kernel.wording import counted

    job = Task.load(task)
    refuse_early(job)  # before there is a workspace
    with holding(workspace) as ws, TerminalLine() as live:
        given = label_only(job, ws, watcher=live)
    click.echo(f"{counted(given, 'answer')} on record")
