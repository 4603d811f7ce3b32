"""``pickaxe serve``. The command line names this command by its import path: the server stands above it in the import law."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("serve")
@click.option(
    "--workspace",
    type=click.Path(path_type=Path),
    default=None,
    help="Workspace folder (default: PICKAXE_WORKSPACE, or .pickaxe here).",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="localhost, 127.0.0.1 or ::1.")
@click.option("--port", default=8080, show_default=True, help="0 takes any free port.")
def serve_command(workspace: Path | None, host: str, port: int) -> None:
    """Serve the workspace's endpoints on this machine: predict, feedback, traces, metrics.

    Ends on Ctrl-C or SIGTERM, after the requests under way are answered and their traces are on record.
    """
    import pickaxe
    from pickaxe.server.listen import loopback_address
    from pickaxe.server.run import serve

    loopback_address(host)  # refused before a workspace is made or locked

    with pickaxe.open(workspace) as opened:

        def ready(url: str) -> None:
            names = [endpoint.name for endpoint in opened.endpoints()]
            click.echo(f"Serving {opened.path.name} at {url} (Ctrl-C ends)")
            click.echo(f"  endpoints: {', '.join(names) or 'none yet; pickaxe produce publishes one'}")
            if names:
                body = '{"text": "..."}'
                click.echo(f"  try: curl {url}/v1/endpoints/{names[0]}/predict -H 'content-type: application/json' -d '{body}'")

        serve(opened, host, port, workspace=opened.path.name, ready=ready)
