"""`pickaxe up`."""

from __future__ import annotations

import os
import socket

import click

_MOST_FORECASTS = 3
_LIMIT = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Any other than loopback needs somebody who can sign in.")
@click.option("--port", default=8080, show_default=True, help="0 takes any free one.")
@click.option(
    "--name", "names", multiple=True, help="A name under which others reach it, such as pickaxe.example.org. Repeatable."
)
@click.option("--https", is_flag=True, help="Browsers come through a proxy that speaks TLS.")
@click.option(
    "--engine",
    metavar="local|ray://…",
    help="Where runs go: here, or on the Ray cluster at ray://HOST:PORT, ray://auto, ray://local.",
)
@click.option("--dry-run", is_flag=True, help="Show what serving should take, by what was served here before, and stop.")
@click.option(
    "--max-cost", type=_LIMIT, metavar="DOLLARS", help="Refuse to start when an hour of the server is forecast to cost more."
)
@click.option("--max-time", type=_LIMIT, metavar="SECONDS", help="Refuse to start when an answer is forecast to take longer.")
@click.option("--max-memory", type=_LIMIT, metavar="GB", help="Refuse to start when the server is forecast to need more.")
@click.pass_obj
def up(
    workspace: str | None,
    host: str,
    port: int,
    names: tuple[str, ...],
    https: bool,
    engine: str | None,
    dry_run: bool,
    max_cost: float | None,
    max_time: float | None,
    max_memory: float | None,
) -> None:
    """Start everything: the endpoints, the API under /v1, the console, and jobs in the background.

    The server is the workspace's one writer. Other commands go through it by themselves: those on the same folder, and those that are
    given its address in $PICKAXE_URL. Killed at any moment, it goes on with its jobs when it is started again.
    """
    from pickaxe.cli.plan_endpoint import in_a_line, print_serving
    from pickaxe.cli.screen import holding
    from pickaxe.flows.ceiling import LimitsConfig
    from pickaxe.kernel.access.principals import Access
    from pickaxe.kernel.registry import SERVERS, load_named

    asked = {"max_cost": max_cost, "max_seconds": max_time, "max_memory_gb": max_memory}
    limits = LimitsConfig.parse(asked, where="limits").ceiling
    if dry_run:
        print_serving(workspace, limits)
        return
    run = load_named(SERVERS, "up", what="server")
    if engine is not None:
        os.environ["PICKAXE_ENGINE"] = "ray://local" if engine == "ray" else engine
    with holding(workspace) as ws:
        serving = [endpoint.name for endpoint in ws.endpoints()]
        if limits:
            limits.admit_serving([ws.serving_forecast(name) for name in serving])

        def ready(url: str) -> None:
            reached = url.replace("//0.0.0.0:", f"//{socket.gethostname()}:").replace("//[::]:", f"//{socket.gethostname()}:")
            click.echo(f"{ws.path.name}: {reached}  (Ctrl-C stops)")
            if serving:
                key = "" if Access.of(ws.catalog).open else ' -H "authorization: Bearer $PICKAXE_API_KEY"'
                click.echo(f"""try: curl -s {reached}/v1/endpoints/{serving[0]}/predict -H 'content-type: application/json'{key} \\
       -d '{{"text": "a text of yours"}}'""")
            for name in serving[:_MOST_FORECASTS]:
                click.echo(in_a_line(ws, name))

        run(ws, host, port, names=names, https=https, ready=ready)
