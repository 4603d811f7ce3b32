"""Writes docs/cli.md from the commands themselves; `--check` only says whether it is up to date (exit code 1 when not)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from pickaxe.cli import group

TARGET = Path(__file__).parent / "cli.md"
HEAD = "# Command line\n\nWritten by `make docs` from the commands; do not edit.\n"


def reference() -> str:
    return HEAD + "".join(_sections(group, None, "pickaxe"))


def _sections(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=name, terminal_width=100, max_content_width=100)
    yield f"\n## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                yield from _sections(found, context, child)


if __name__ == "__main__":
    text = reference()
    if "--check" in sys.argv[1:]:
        current = TARGET.read_text(encoding="utf-8") if TARGET.is_file() else ""
        sys.exit(0 if current == text else f"{TARGET.name} is not what the commands say now; run: make docs")
    TARGET.write_text(text, encoding="utf-8")
    click.echo(f"wrote {TARGET.name}")
