"""Commands about the key of an encrypted workspace."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def key() -> None:
    """The key that an encrypted workspace is opened with.

    A workspace is encrypted from its beginning when PICKAXE_KEY, or key in its workspace.toml, says where its key is: file:PATH,
    env:NAME, or (PICKAXE_KEY only) command:PROGRAM ARGUMENTS, whose output is the key.
    """


@key.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
def new(file: Path | None) -> None:
    """Make a key and print it, or write it to FILE, which only you may read. Keep a copy elsewhere: without it all is lost."""
    from pickaxe.kernel.encryption.keyring import key_id, new_master_key, parsed_key, write_key_file

    text = new_master_key()
    if file is None:
        click.echo(text)
        return
    write_key_file(file, text)
    click.echo(f"the key {key_id(parsed_key(text, 'it'))} is in {file}; use it with PICKAXE_KEY=file:{file.absolute()}", err=True)


@key.command()
@click.pass_obj
def show(workspace: str | None) -> None:
    """Say which key the workspace was made with or rotated to last; the key itself is nowhere in it."""
    from pickaxe.cli.screen import print_table, refuse_address
    from pickaxe.kernel.encryption.keyring import data_keys, opened_catalog
    from pickaxe.kernel.system.clock import as_datetime

    refuse_address(workspace)
    with opened_catalog(workspace, writable=False) as (catalog, _):
        found = data_keys(catalog)
    lines = [(str(row.id), row.master, f"{as_datetime(row.created_ns):%Y-%m-%d %H:%M}") for row in found]
    print_table(("data key", "sealed with", "made"), lines, empty="this workspace is not encrypted")


@key.command()
@click.option("--to", "where", required=True, help="Where the new key is: file:PATH, env:NAME or command:PROGRAM ARGUMENTS.")
@click.option("--renew", is_flag=True, help="Also make a new data key, which seals what is written from now on.")
@click.pass_obj
def rotate(workspace: str | None, where: str, renew: bool) -> None:
    """Change the key that the workspace is opened with. Its data keys are sealed anew, all at once; no data is rewritten.

    The workspace may be in use. Processes that have it open go on with what they know; the next to open it needs the new key.
    """
    from pickaxe.cli.screen import refuse_address
    from pickaxe.kernel.encryption.keyring import key_id, master_key, opened_catalog
    from pickaxe.kernel.encryption.keyring import rotate as rotate_keys
    from pickaxe.kernel.errors import Conflict

    refuse_address(workspace)
    fresh = master_key(where, trusted=True)
    with opened_catalog(workspace, writable=True) as (catalog, location):
        if location.key is None:
            raise Conflict("there is no key to rotate from", remedy="set PICKAXE_KEY to where the present key is")
        count = rotate_keys(catalog, master_key(location.key), fresh, renew=renew)
    click.echo(f"{count} data keys are sealed with the key {key_id(fresh)} now; set PICKAXE_KEY (or workspace.toml) to it")
