"""Carrying a workspace to other stores."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("target", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--catalog",
    metavar="URL",
    help="PostgreSQL for the catalog: postgresql://user:password@host/database?schema=name, or env:NAME.",
)
@click.option("--objects", metavar="URL", help="A bucket for blobs and tables: s3://bucket/prefix, or env:NAME.")
@click.option("--key", metavar="WHERE", help="Encrypt the target with the key from file:PATH or env:NAME.")
def move(source: Path, target: Path, catalog: str | None, objects: str | None, key: str | None) -> None:
    """Carry the workspace in the folder SOURCE to the folder TARGET: to PostgreSQL, to a bucket, encrypted, or back into files.

    SOURCE is only read, and nobody may write to it meanwhile. TARGET must be new; without options everything is kept in it. A move
    that was killed goes on when it is started again. In the end both sides are compared row by row, and everything in the target is
    read back and hashed.
    """
    from pickaxe.cli.screen import print_table
    from pickaxe.kernel.upkeep.move import move as carry

    said = {name: value for name, value in (("catalog", catalog), ("objects", objects), ("key", key)) if value}
    moved = carry(source, target, said, _tell)
    print_table(
        ["rows of", "count", "digest, the same on both sides"],
        [[name, f"{rows.count:,}", rows.digest] for name, rows in sorted(moved.rows.items()) if rows.count],
        right={1},
    )
    click.echo(f"{moved.tables:,} tables and {moved.blobs:,} blobs read back and found whole in {target}")
    click.echo(f"{source} is as it was; remove it when nobody needs it any more")


def _tell(stage: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{stage}: {done:,} of {total:,}", err=True, nl=done == total)
