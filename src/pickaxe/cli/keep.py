"""Commands that keep a workspace: backup, restore, doctor."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def backup(workspace: str | None, target: Path) -> None:
    """Write the workspace to the file TARGET (a .tar.zst), while it is in use, and read it back to be sure.

    Runs under way begin anew after a restore; everything that was acknowledged before the backup began is in it.
    """
    from pickaxe.kernel.upkeep.backup import back_up

    done = back_up(_folder(workspace), target.absolute(), _tell)
    click.echo(f"{target}: {done.files:,} files, {done.size:,} bytes ({target.stat().st_size:,} compressed), read back and whole")


@click.command()
@click.argument("source", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.pass_obj
def restore(workspace: str | None, source: Path) -> None:
    """Unpack the backup SOURCE into a new workspace folder (-w FOLDER); every file is compared with its digest first."""
    from pickaxe.kernel.upkeep.backup import restore as unpack

    folder = _folder(workspace)
    done = unpack(source.absolute(), folder, _tell)
    click.echo(f"{folder}: {done.files:,} files, {done.size:,} bytes, as of {done.made_at}")


@click.command()
@click.option("--quick", is_flag=True, help="Look whether content is there, without reading it.")
@click.pass_obj
def doctor(workspace: str | None, quick: bool) -> None:
    """Examine the workspace: content missing or damaged, rows that point nowhere, a ledger that does not add up, files of nobody.

    Reads only, also while a server writes, and says how to mend what it finds. Exit status 6 when something is wrong.
    """
    from pickaxe.kernel.errors import Corrupted
    from pickaxe.kernel.upkeep.doctor import examine
    from pickaxe.kernel.wording import counted
    from pickaxe.kernel.workspace import Workspace

    with Workspace(_folder(workspace), mode="r") as ws:
        found = examine(ws, quick=quick, tell=_tell)
    for finding in found.findings:
        click.echo(f"{finding.severity}: {finding.what}\n  what to do: {finding.mend}")
    click.echo(
        ", ".join(counted(getattr(found, f"{noun}s"), noun) for noun in ("artifact", "blob", "table", "pool"))
        + " looked at"
        + (", content not read" if quick else "")
    )
    if not found.sound:
        raise SystemExit(Corrupted.exit_code)
    click.echo("sound")


def _folder(workspace: str | None) -> Path:
    from pickaxe.cli.screen import refuse_address
    from pickaxe.kernel.settings import Settings

    refuse_address(workspace)

    return Path(workspace or Settings.from_environment().workspace).absolute()


def _tell(done: int, total: int) -> None:
    if done and done % 1000 == 0:
        click.echo(f"{done:,} of {total:,}" if total else f"{done:,}", err=True)
