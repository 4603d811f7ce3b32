"""The command line: assembles commands, holds no logic. Commands are imported when they are called, so that help is instant."""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module
from pathlib import Path

import click
from click.core import ParameterSource

import pickaxe

_COMMANDS = {
    "demo": ("pickaxe.cli.produce:demo", "Run the whole line on 28,614 real headlines, then on a second task."),
    "produce": ("pickaxe.cli.produce:produce", "From raw texts to a served small model."),
    "label": ("pickaxe.cli.label:label", "Label texts by hand in the terminal."),
    "up": ("pickaxe.cli.up:up", "Start everything: endpoints, API, console, jobs in the background."),
    "jobs": ("pickaxe.cli.jobs:jobs", "List jobs: lines that a server carries out."),
    "cancel": ("pickaxe.cli.jobs:cancel", "Stop a job or a run."),
    "artifacts": ("pickaxe.cli.show:artifacts", "List artifacts: name, version, kind, size, digest."),
    "runs": ("pickaxe.cli.show:runs", "List runs: state, time, attempts."),
    "logs": ("pickaxe.cli.show:logs", "Show what a run said, or follow it live."),
    "endpoints": ("pickaxe.cli.show:endpoints", "List what is being served."),
    "cost": ("pickaxe.cli.bill:cost", "Full and marginal cost of an artifact, as a tree."),
    "bill": ("pickaxe.cli.bill:bill", "What the pool cost: charges, idle, and the proof that they add up."),
    "price": ("pickaxe.cli.bill:price", "Show the prices, or set one from now on."),
    "plan": ("pickaxe.cli.plan:plan", "What will it cost, will it fit: forecasts before anybody spends; measure this machine."),
    "lineage": ("pickaxe.cli.graph:lineage", "What an artifact or an answer was made from."),
    "blast": ("pickaxe.cli.graph:blast", "What a label, a row or an artifact touched, and the price to rebuild."),
    "rows": ("pickaxe.cli.show:rows", "Print rows of a table artifact."),
    "sign-in": ("pickaxe.cli.sign_in:sign_in", "Sign in to a server, so that commands may act as you there."),
    "sign-out": ("pickaxe.cli.sign_in:sign_out", "Revoke the key that signing in kept."),
    "user": ("pickaxe.cli.access:user", "People who may sign in, and their roles."),
    "api-key": ("pickaxe.cli.access:api_key", "Keys with which programs call the API."),
    "tenant": ("pickaxe.cli.access:tenant", "Tenants, each with its own people."),
    "audit": ("pickaxe.cli.audit:audit", "Who changed what, when, from where, and how it ended."),
    "key": ("pickaxe.cli.key:key", "The key of an encrypted workspace: make, show, rotate."),
    "backup": ("pickaxe.cli.keep:backup", "Write the workspace to one file, while it is in use."),
    "restore": ("pickaxe.cli.keep:restore", "Unpack a backup into a new workspace."),
    "doctor": ("pickaxe.cli.keep:doctor", "Look for what is missing or damaged, and say how to mend it."),
    "move": ("pickaxe.cli.move:move", "Carry a workspace to PostgreSQL, to a bucket, or back, losslessly."),
}

_ELSEWHERE = {
    "help": "pickaxe --help",
    "version": "pickaxe --version",
    **dict.fromkeys(("login", "signin"), "pickaxe sign-in"),
    **dict.fromkeys(("logout", "signout"), "pickaxe sign-out"),
    **dict.fromkeys(("serve", "server", "start", "ui", "console", "web"), "pickaxe up"),
    **dict.fromkeys(("train", "run", "fit", "new"), "pickaxe produce"),
    **dict.fromkeys(("init", "create"), "pickaxe produce --data FILE: a workspace is made by the first command that writes"),
    **dict.fromkeys(
        ("sql", "query"), "the console (pickaxe up, then Data), or in Python pickaxe.open(FOLDER, mode='r').sql('SELECT ...')"
    ),
    **dict.fromkeys(("list", "ls"), "pickaxe artifacts, pickaxe runs or pickaxe endpoints"),
    **dict.fromkeys(("status", "ps", "stop"), "pickaxe jobs, and pickaxe cancel to stop one"),
    "predict": "POST /v1/endpoints/NAME/predict of a server (pickaxe up), or in Python pickaxe.connect(URL).predict",
}
"""What other tools call a thing that has another name here, or is elsewhere."""


def _choose_workspace(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.obj = value


# For people who write -w after the command; the group has one of its own for before.
_WORKSPACE = click.Option(
    ["-w", "--workspace"],
    type=click.Path(file_okay=False),
    expose_value=False,
    callback=_choose_workspace,
    help="Folder of the workspace, here or before the command.",
)


class _Lazy(click.Group):
    """A group that knows its commands by name and imports one when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        if _WORKSPACE not in command.params:
            command.params.append(_WORKSPACE)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        from pickaxe.kernel.nearest import nearest

        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            here, near = _ELSEWHERE.get(args[0].lower()), nearest(args[0], _COMMANDS, most=1)
            meant = f"Perhaps you want {here}" if here else f"Did you mean {near[0]!r}?" if near else "See pickaxe --help."
            ctx.fail(f"no command {args[0]!r}. {meant}")
        return super().resolve_command(ctx, args)


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(pickaxe.__version__, prog_name="pickaxe")
@click.option(
    "-w",
    "--workspace",
    type=click.Path(file_okay=False),
    envvar="PICKAXE_WORKSPACE",
    help="Folder of the workspace, before or after the command.  [default: $PICKAXE_WORKSPACE, else .pickaxe here]",
)
@click.option(
    "--url",
    help="Address of a running server, instead of a folder.  [default: $PICKAXE_URL, where no folder is named]",
)
@click.pass_context
def group(ctx: click.Context, workspace: str | None, url: str | None) -> None:
    """From raw data to a small, cheap model that is served and watched, with one lineage graph and one bill.

    Begin with `pickaxe demo`, or with a file of yours: `pickaxe produce --data FILE --text COLUMN --label COLUMN`. Then ask about
    NAME/model@production, where NAME is the task's name. An artifact is named NAME (the newest), NAME:3, NAME@alias or by its id.
    """
    if url is not None and workspace is not None:
        if ctx.get_parameter_source("workspace") is not ParameterSource.ENVIRONMENT:
            raise click.UsageError("--url and --workspace name two places: give one of them")
        workspace = None  # what is written out goes before what the environment says
    if url is not None:
        os.environ["PICKAXE_URL"] = url
    ctx.obj = workspace


def main() -> None:
    """Run a command; every error that Pickaxe raises on purpose is printed with its remedy and its exit status."""
    from pickaxe.kernel.errors import PickaxeError
    from pickaxe.kernel.system.terminal import visible

    _settle_streams()
    try:
        status = group(prog_name="pickaxe", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        cause = error.__cause__ or error  # click puts an Abort in the place of what interrupted
        if isinstance(error.__context__, EOFError):
            click.echo("\nerror: a question was asked and nothing came: standard input has ended, or is no terminal", err=True)
            sys.exit(2)
        said = str(cause) if isinstance(cause, KeyboardInterrupt) else ""
        click.echo(f"\ninterrupted; {said or 'run the same command again and it resumes'}", err=True)
        sys.exit(130)
    except PickaxeError as error:
        click.echo(f"error: {visible(str(error))}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        click.echo(f"error: {visible(str(error))}\n  what to do: see to the room on the disk, or to the rights on it", err=True)
        sys.exit(5 if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else 1)
    # Outside its standalone mode click hands back the status of `ctx.exit(n)` instead of ending the process with it.
    sys.exit(status if isinstance(status, int) else 0)


def _settle_streams() -> None:
    """Streams that nobody opened lead nowhere, and a letter that a terminal does not know is written as its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
