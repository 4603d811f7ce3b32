"""`pickaxe user`, `pickaxe api-key`, `pickaxe tenant`: who may act."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pickaxe.cli.screen import Opened

_ROLES = click.Choice(["viewer", "labeller", "editor", "admin"])
_SCOPES = click.Choice(["read", "label", "predict", "write", "admin"])


@click.group()
def user() -> None:
    """People who may sign in. The first is an admin with a password: from then on everybody has to say who they are."""


@user.command("add")
@click.argument("name")
@click.option(
    "--role", type=_ROLES, required=True, help="What they may do: look, label too, change things too, manage people too."
)
@click.option(
    "--no-password", is_flag=True, help="They sign in with an OpenID provider (NAME is their e-mail), or use keys only."
)
@click.pass_obj
def add_user(workspace: str | None, name: str, role: str, no_password: bool) -> None:
    """Add NAME. The password is asked for; through a pipe it is the first line."""
    from pickaxe.kernel.access.scopes import Role

    password = None if no_password else _password(f"Password for {name}")
    with _opened(workspace) as ws:
        first = not any(person.signs_in != "no" for person in ws.members.people())
        person = ws.members.add_person(name, Role(role), password=password)
    click.echo(f"{person.name} is {person.role} of {person.tenant_id}")
    if first:
        _say_what_is_next(ws, person.name, password)


def _say_what_is_next(ws: Opened, name: str, password: str | None) -> None:
    """Nobody acts without signing in any more: whoever made it so goes on here, or learns how."""
    from pickaxe.cli.sign_in import say_signed_in
    from pickaxe.kernel.workspace import Workspace

    click.echo("from now on a server of this workspace asks everybody who they are, and so do commands while one holds it")
    if isinstance(ws, Workspace):
        click.echo("next: pickaxe up; then sign in at its address with a browser, and for commands: pickaxe sign-in")
    elif password is not None and sys.stdin.isatty() and click.confirm(f"Sign in here as {name} now?", default=True, err=True):
        say_signed_in(ws.url, ws.sign_in(ws.url, name, password))
    else:
        click.echo(f"next: pickaxe sign-in {ws.url}, which commands need here from now on")


@user.command("list")
@click.pass_obj
def list_users(workspace: str | None) -> None:
    """List the people of the tenant."""
    from pickaxe.cli.screen import print_table

    with _opened(workspace) as ws:
        people = ws.members.people()
    lines = [[each.name, each.role, each.signs_in, _day(each.created_at), _day(each.disabled_at)] for each in people]
    print_table(
        ["name", "role", "signs in with", "added", "disabled"], lines, empty="nobody yet: pickaxe user add NAME --role admin"
    )


@user.command("role")
@click.argument("name")
@click.argument("role", type=_ROLES)
@click.pass_obj
def set_role(workspace: str | None, name: str, role: str) -> None:
    """Give NAME another ROLE, in force at once for their sessions and keys too."""
    from pickaxe.kernel.access.scopes import Role

    with _opened(workspace) as ws:
        person = ws.members.change_person(name, role=Role(role))
    click.echo(f"{person.name} is {person.role} of {person.tenant_id}")


@user.command("password")
@click.argument("name")
@click.pass_obj
def set_password(workspace: str | None, name: str) -> None:
    """Set a new password for NAME; their sessions end."""
    password = _password(f"New password for {name}")
    with _opened(workspace) as ws:
        person = ws.members.change_person(name, password=password)
    click.echo(f"{person.name} signs in with the new password")


@user.command("disable")
@click.argument("name")
@click.pass_obj
def disable(workspace: str | None, name: str) -> None:
    """Shut NAME out: their sessions and keys end at once. What they did stays theirs."""
    with _opened(workspace) as ws:
        person = ws.members.change_person(name, disabled=True)
    click.echo(f"{person.name} is disabled")


@user.command("enable")
@click.argument("name")
@click.pass_obj
def enable(workspace: str | None, name: str) -> None:
    """Let NAME in again, with the same role and password. Keys that ended stay ended."""
    with _opened(workspace) as ws:
        person = ws.members.change_person(name, disabled=False)
    click.echo(f"{person.name} may sign in again")


@click.group("api-key")
def api_key() -> None:
    """Keys with which programs call the API: PICKAXE_API_KEY, or the header Authorization: Bearer KEY."""


@api_key.command("create")
@click.argument("name")
@click.option("--scope", "scopes", type=_SCOPES, multiple=True, required=True, help="What it may do. Repeatable.")
@click.option("--days", type=float, help="Until it expires; without it never.")
@click.option("--for", "person", help="Whose it is; yours without it. It may never do more than its owner.")
@click.pass_obj
def create_key(workspace: str | None, name: str, scopes: tuple[str, ...], days: float | None, person: str | None) -> None:
    """Make a key called NAME and print it. It is not kept anywhere: this is the only time it is shown."""
    lasts = timedelta(days=days) if days is not None else None
    with _opened(workspace) as ws:
        key, secret = ws.members.create_key(name, scopes, lasts=lasts, person=person)
    click.echo(secret)
    click.echo(f"{key.id} may {', '.join(key.scopes)}" + (f" until {_day(key.expires_at)}" if key.expires_at else ""), err=True)


@api_key.command("list")
@click.pass_obj
def list_keys(workspace: str | None) -> None:
    """List the keys, newest first."""
    from pickaxe.cli.screen import print_table

    with _opened(workspace) as ws:
        found = ws.members.keys()
    lines = [
        [key.id, key.name, " ".join(key.scopes), key.principal_id, _day(key.expires_at) or "never", _day(key.revoked_at)]
        for key in found
    ]
    print_table(
        ["key", "name", "may", "whose", "expires", "revoked"],
        lines,
        empty="no keys yet: pickaxe api-key create NAME --scope read",
    )


@api_key.command("revoke")
@click.argument("key")
@click.pass_obj
def revoke_key(workspace: str | None, key: str) -> None:
    """End KEY (its id): it opens nothing any more, from now on."""
    with _opened(workspace) as ws:
        ws.members.revoke_key(key)
    click.echo(f"{key} is revoked")


@click.group()
def tenant() -> None:
    """Tenants: each sees nothing but its own."""


@tenant.command("add")
@click.argument("name")
@click.option("--admin", required=True, help="Its first admin, who adds the others.")
@click.pass_obj
def add_tenant(workspace: str | None, name: str, admin: str) -> None:
    """Add the tenant NAME with its first admin, whose password is asked for."""
    password = _password(f"Password for {admin} of {name}")
    with _opened(workspace) as ws:
        made = ws.members.add_tenant(name, admin=admin, password=password)
    click.echo(f"{made.id}: sign in as {admin}, tenant {made.name}")


@tenant.command("list")
@click.pass_obj
def list_tenants(workspace: str | None) -> None:
    """List the tenants."""
    from pickaxe.cli.screen import print_table

    with _opened(workspace) as ws:
        print_table(["tenant", "name"], [[each.id, each.name] for each in ws.members.tenants()])


def _opened(workspace: str | None) -> AbstractContextManager[Opened]:
    from pickaxe.cli.screen import writing

    return writing(workspace)


def _password(prompt: str) -> str:
    if sys.stdin.isatty():
        return click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True)
    return sys.stdin.readline().rstrip("\r\n")


def _day(at: datetime | None) -> str:
    """Nothing for the user of this machine, who was not added by anybody."""
    return f"{at:%Y-%m-%d %H:%M}" if at and at.timestamp() else ""
