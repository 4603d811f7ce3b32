"""`pickaxe sign-in`, `pickaxe sign-out`: a key for a server, kept for the commands of this user of this machine."""

from __future__ import annotations

import getpass
import os
import sys
from urllib.parse import urlsplit

import click

import pickaxe


@click.command("sign-in")
@click.argument("url", required=False)
@click.option("--name", help="Who you are there.  [default: asked for]")
@click.option("--tenant", default="local", show_default=True, help="Whose workspace it is.")
@click.option("--key", "with_key", is_flag=True, help="With a key from the console's settings, instead of a password.")
@click.option(
    "--days", type=click.FloatRange(min=0, min_open=True), default=90.0, show_default=True, help="Until you sign in again."
)
@click.pass_obj
def sign_in(workspace: str | None, url: str | None, name: str | None, tenant: str, with_key: bool, days: float) -> None:
    """Sign in to the server at URL, so that commands may act as you there: in $PICKAXE_URL, or where a server holds the folder.

    The password (through a pipe its first line) is not kept: a key of yours is made and kept in your configuration folder, readable
    by you only. PICKAXE_API_KEY, where it is set, comes before it.
    """
    url = url or _server(workspace)
    if urlsplit(url).scheme not in ("http", "https"):
        raise click.UsageError(f"{url!r} is no address of a server: expected one such as http://127.0.0.1:8080")
    if url.startswith("http://") and not (urlsplit(url).hostname or "").startswith(("127.", "::1", "localhost")):
        click.echo(f"note: {url} is not encrypted: whoever is on the way may read your password and key", err=True)
    if with_key:
        who = pickaxe.RemoteWorkspace.sign_in(url, key=_secret("Key"))
    else:
        name = name or click.prompt("Name", default=getpass.getuser(), err=True)
        who = pickaxe.RemoteWorkspace.sign_in(url, name, _secret(f"Password of {name}"), tenant=tenant, days=days)
    say_signed_in(url, who)


@click.command("sign-out")
@click.argument("url", required=False)
@click.pass_obj
def sign_out(workspace: str | None, url: str | None) -> None:
    """Revoke the key that `pickaxe sign-in` kept for the server at URL, and forget it."""
    url = url or _server(workspace)
    pickaxe.RemoteWorkspace.sign_out(url)
    click.echo(f"signed out of {url}: the key is revoked")


def say_signed_in(url: str, who: str) -> None:
    click.echo(f"signed in to {url} as {who}: commands use a key that only you may read; `pickaxe sign-out` ends it")


def _server(workspace: str | None) -> str:
    """The server that this command would go through. Raises `Conflict` when it would need none."""
    from pickaxe.cli.screen import server_with
    from pickaxe.kernel.errors import Conflict

    url = (os.environ.get("PICKAXE_URL") if workspace is None else None) or server_with(workspace)
    if url is None:
        raise Conflict(
            "no server has this workspace, so there is nothing to sign in to: commands act on the folder itself",
            remedy="start one with `pickaxe up`, or name another's address: pickaxe sign-in URL",
        )
    return url


def _secret(prompt: str) -> str:
    return click.prompt(prompt, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
