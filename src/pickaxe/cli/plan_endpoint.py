"""What serving the workspace's own endpoints takes: for `pickaxe plan serve --endpoint` and for the start of `pickaxe up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pickaxe.compute.planner.here.foresight import Foresight
    from pickaxe.compute.planner.here.serving import ServingForecast
    from pickaxe.flows.ceiling import Ceiling
    from pickaxe.kernel.workspace import Workspace

_ROWS = {
    "nano_hour": "an hour of the server",
    "memory_peak_bytes": "peak memory",
    "answer_us": "an answer, median",
    "answers_hour": "answers an hour",
    "nano_thousand": "1,000 answers",
    "tokens_hour": "tokens an hour, all endpoints",
}


def print_endpoint(workspace: str | None, name: str, *, as_json: bool) -> None:
    """The forecast of one endpoint, with the server that holds it."""
    from pickaxe.cli.plan_screen import print_json
    from pickaxe.cli.screen import print_table, reading

    with reading(workspace) as ws:
        found, server = ws.serving_forecast(name)
    if as_json:
        print_json(found.body() | {"server": server.body()["meters"]})
        return
    meters = {**server.meters, **found.meters}
    lines = [_line(title, meter, meters[meter], meter in found.by_traces) for meter, title in _ROWS.items() if meter in meters]
    lines += [[title, f"{value:,.0f}", "", source] for title, value, source in _most(found, server) if value]
    print_table([f"serving {name}", "forecast", "5 – 95%", "from"], lines, right={1, 2})
    if "answer_us" not in meters:
        click.echo("no answers of the last day and no earlier server to forecast traffic and its price from")


def print_serving(workspace: str | None, limits: Ceiling) -> None:
    """What a server of this workspace is forecast to take, before one starts; a line for each endpoint. Raises `BadInput` beyond a limit."""
    from pickaxe.cli.screen import print_table, reading

    with reading(workspace) as ws:
        found = [ws.serving_forecast(endpoint.name) for endpoint in ws.endpoints()]
    if not found:
        click.echo("nothing is published: a server would only wait")
        return
    server = found[0][1]
    lines = [_line(title, meter, server.meters[meter], False) for meter, title in _ROWS.items() if meter in server.meters]
    print_table(["the server", "forecast", "5 – 95%", "from"], lines, right={1, 2})
    for endpoint, _ in found:
        most = [f"at most {value:,.0f} {title}" for title, value, _ in _most(endpoint, server) if value][:1]
        click.echo(f"{endpoint.endpoint}: {'; '.join(most + _of_traffic(endpoint))}")
    limits.admit_serving(found)


def in_a_line(workspace: Workspace, name: str) -> str:
    """What the server that just started keeps as its forecast, in one line."""
    from pickaxe.compute.planner.here.serving import ServingForecast, kept_forecast

    found, server = (kept_forecast(workspace, subject) or ServingForecast(subject, {}) for subject in (name, ""))
    parts = [f"{_text('nano_hour', server.meters['nano_hour'].middle)} an hour"] if "nano_hour" in server.meters else []
    parts += [f"at most {value:,.0f} {title}" for title, value, _ in _most(found, server) if value][:1]
    parts += _of_traffic(found)
    return f"{name}, forecast: {'; '.join(parts)}"


def _most(found: ServingForecast, server: ServingForecast) -> list[tuple[str, float | None, str]]:
    """Answers a second at most: of the whole server on its core, where that is known, and of the model alone."""
    return [
        ("answers a second, the server on one core", server.answers_s, "CPU time of an answer in earlier windows"),
        ("answers a second, the model alone", found.calls_s, "timed when a server loaded it"),
    ]


def _of_traffic(found: ServingForecast) -> list[str]:
    said = [f"an answer in {_text('answer_us', found.meters['answer_us'].middle)}"] if "answer_us" in found.meters else []
    if "nano_thousand" in found.meters:
        often = _text("answers_hour", found.meters["answers_hour"].middle)
        said.append(f"{_text('nano_thousand', found.meters['nano_thousand'].middle)} for 1,000 answers at {often} an hour")
    return said or ["no traffic yet to forecast from"]


def _line(title: str, meter: str, item: Foresight, by_traces: bool) -> list[str]:
    band = "" if item.low == item.high else f"{_text(meter, item.low)} – {_text(meter, item.high)}"
    return [title, _text(meter, item.middle), band, _source(meter, item.runs, by_traces)]


def _source(meter: str, runs: int, by_traces: bool) -> str:
    windows = f"earlier windows: {runs}"
    match meter:
        case "nano_hour":
            return f"today's price of a core; {windows}"
        case "nano_thousand":
            return "the cores of all servers, shared by all answers"
        case _:
            return f"answers of the last day: {runs}" if by_traces else windows


def _text(meter: str, value: float) -> str:
    from pickaxe.flows.report.markup import size
    from pickaxe.kernel.ledger.cost import as_money

    match meter:
        case "nano_hour" | "nano_thousand":
            return as_money(round(value))
        case "memory_peak_bytes":
            return size(round(value))
        case "answer_us":
            return f"{value / 1000:,.2f} ms"
        case _:
            return f"{value:,.0f}" if value >= 10 else f"{value:,.1f}"
