"""`pickaxe serve`."""

from __future__ import annotations

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback addresses only.")
@click.option("--port", default=8080, show_default=True, help="0 takes any free one.")
@click.pass_obj
def serve(workspace: str | None, host: str, port: int) -> None:
    """Serve every endpoint of the workspace: predict, feedback, traces, /healthz, /metrics.

    Answers are recorded, so the server is the workspace's one writer: stop it before you run `pickaxe produce` there again.
    """
    from pickaxe.cli.screen import writing
    from pickaxe.kernel.registry import SERVERS, load_named

    run = load_named(SERVERS, "foreground", what="server")
    with writing(workspace) as ws:
        names = [endpoint.name for endpoint in ws.endpoints()]

        def ready(url: str) -> None:
            click.echo(f"serving {', '.join(names) or 'no endpoint yet'} on {url}  (Ctrl-C stops)")
            if names:
                click.echo(f"""try: curl -s {url}/v1/endpoints/{names[0]}/predict -H 'content-type: application/json' \\
       -d '{{"text": "a text of yours"}}'""")

        with ws.engine.hold("server", 1):
            run(ws, host, port, workspace=str(ws.path), ready=ready)
