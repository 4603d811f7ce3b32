"""Commands that list what there is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from pickaxe.kernel.system.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pickaxe.cli.screen import Opened
    from pickaxe.kernel.nouns import Event


@click.command()
@click.option("--kind", help="Only this kind: source, dataset, annotations, labels, training, model, report…")
@click.argument("prefix", default="")
@click.pass_obj
def artifacts(workspace: str | None, kind: str | None, prefix: str) -> None:
    """List artifacts whose name starts with PREFIX, oldest first."""
    from pickaxe.cli.screen import print_table, reading

    with reading(workspace) as ws:
        found = ws.artifacts.list(kind=kind, prefix=prefix)
    print_table(
        ["artifact", "kind", "size", "made by", "aliases", "digest"],
        [
            [item.ref, item.kind, _bytes(item.size), item.run_id or "import", " ".join(item.aliases), item.digest[7:19]]
            for item in found
        ],
        right={2},
        empty="no artifacts yet: pickaxe produce --data FILE --text COLUMN",
    )


@click.command()
@click.argument("prefix", default="")
@click.option("--limit", default=50, show_default=True, help="Newest first.")
@click.pass_obj
def runs(workspace: str | None, prefix: str, limit: int) -> None:
    """List runs whose name starts with PREFIX, newest first."""
    from pickaxe.cli.screen import print_table, reading

    with reading(workspace) as ws:
        found = ws.runs.list(prefix=prefix, limit=limit)
    print_table(
        ["run", "name", "state", "attempts", "started", "seconds", "error"],
        [
            [
                run.id,
                run.name,
                run.state,
                str(run.attempt),
                f"{run.started_at:%Y-%m-%d %H:%M:%S}" if run.started_at else "",
                f"{(run.ended_at - run.started_at).total_seconds():.1f}" if run.ended_at and run.started_at else "",
                (run.error or {}).get("message", "")[:60],
            ]
            for run in found
        ],
        right={3, 5},
        empty="no runs yet: pickaxe produce --data FILE --text COLUMN",
    )


@click.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.pass_obj
def logs(workspace: str | None, run: str, follow: bool) -> None:
    """Show the logs, metrics and progress of RUN (an id, or a run's name for its newest)."""
    from pickaxe.cli.screen import reading

    with reading(workspace) as ws:
        for event in _events(ws, _run_id(ws, run), follow=follow):
            click.echo(f"{event.at:%H:%M:%S} {visible(_line(event))}")


@click.command()
@click.pass_obj
def endpoints(workspace: str | None) -> None:
    """List endpoints and the model versions behind them."""
    from pickaxe.cli.screen import print_table, reading

    with reading(workspace) as ws:
        lines = [
            [endpoint.name, endpoint.state, ws.artifact(route.artifact_id).ref, f"{route.weight:g}"]
            for endpoint in ws.endpoints()
            for route in endpoint.routes
        ]
    print_table(["endpoint", "state", "model", "weight"], lines, right={3}, empty="nothing is served yet")


@click.command()
@click.argument("artifact")
@click.option("--limit", default=20, show_default=True, help="Rows at most.")
@click.option("--offset", default=0, show_default=True, help="Rows to skip.")
@click.pass_obj
def rows(workspace: str | None, artifact: str, limit: int, offset: int) -> None:
    """Print rows of the table ARTIFACT (name, name:3, name@alias or id)."""
    from pickaxe.cli.screen import print_table, reading

    with reading(workspace) as ws:
        table = ws.read_table(ws.artifact(artifact)).slice(offset, limit)
    print_table(table.column_names, [[_cell(value) for value in row.values()] for row in table.to_pylist()], empty="no rows")


def _run_id(ws: Opened, wanted: str) -> str:
    if wanted.startswith("run-"):
        return ws.runs.get(wanted).id
    named = [run.id for run in ws.runs.list(prefix=wanted) if run.name == wanted]
    return named[0] if named else ws.runs.get(wanted).id


def _events(ws: Opened, run_id: str, *, follow: bool) -> Iterator[Event]:
    last = 0
    while True:
        ended = ws.runs.get(run_id).state not in ("queued", "running")
        for event in ws.events(subject=run_id, after_seq=last, limit=10_000):
            last = event.seq
            yield event
        if ended or not follow:
            return
        time.sleep(0.5)


def _line(event: Event) -> str:
    if event.kind == "log":
        return str(event.body["text"]).rstrip()
    if event.kind == "metric":
        return f"{event.name} = {event.value:.6g}" + ("" if event.step is None else f"  (step {event.step})")
    if event.kind == "progress":
        return f"{event.value or 0:.0%} {event.name}"
    if event.kind == "system":
        return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in event.body.items())
    return f"{event.kind} {event.name} {event.body or ''}"


def _bytes(size: int) -> str:
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    return "" if value is None else str(value)[:100]
