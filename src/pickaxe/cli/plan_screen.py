"""Forecasts and claims on the screen: one in full, several side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pickaxe.compute.planner.calculator import Forecast
    from pickaxe.compute.planner.claims.claims import Claim

_LONGEST_TORNADO = 8
_ALTERNATIVES = 6


def print_json(document: Any) -> None:
    """Plain JSON; infinities are null by then."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False))


def print_forecasts(found: Mapping[str, Forecast], lang: str) -> None:
    """One forecast with its bands, what moves it and its alternatives; several as columns."""
    from pickaxe.cli.screen import print_table
    from pickaxe.compute.planner.words import in_units, word

    first = next(iter(found.values()))
    if len(found) == 1:
        lines = [
            [
                word("results", name, lang),
                *(in_units(first.text(name, value), lang) for value in (band.centre, band.low, band.high)),
            ]
            for name, band in first.results.items()
        ]
        print_table([*_heads(lang, first.kind, "centre"), "5%", "95%"], lines, right={1, 2, 3})
        _print_tornado(first, lang)
    else:
        names = list(dict.fromkeys(name for item in found.values() for name in item.results))
        lines = [[word("results", name, lang), *(in_units(_cell(item, name), lang) for item in found.values())] for name in names]
        print_table(["", *found], lines, right=set(range(1, len(found) + 1)))
    for name, item in found.items():
        for text in (note.said(lang) for note in item.notes):
            click.echo(f"{name}: {text}" if len(found) > 1 else text)
    if len(found) == 1:
        _print_alternatives(first, lang)
        _print_layouts(first, lang)


def _heads(lang: str, *names: str) -> list[str]:
    from pickaxe.compute.planner.words import word

    return [word("screen", name, lang) for name in names]


def _cell(item: Forecast, name: str) -> str:
    if name not in item.results:
        return ""
    band = item.results[name]
    if float(band.low) == float(band.high):
        return item.text(name, band.centre)
    return f"{item.text(name, band.centre)} ({item.text(name, band.low)} – {item.text(name, band.high)})"


def _print_tornado(item: Forecast, lang: str) -> None:
    from pickaxe.cli.screen import print_table
    from pickaxe.compute.planner.words import in_units, word

    name, bars = next(((name, bars) for name, bars in item.tornado.items() if bars), ("", []))
    if not bars:
        return
    title = word("results", name, lang)
    lines = [
        [
            word("fields", bar.field, lang),
            *(
                in_units(text, lang)
                for text in (item.input_text(bar.field), item.text(name, bar.at_low), item.text(name, bar.at_high))
            ),
        ]
        for bar in bars[:_LONGEST_TORNADO]
    ]
    heads = [word("screen", "moves", lang).format(what=title), *_heads(lang, "range", "at_low", "at_high")]
    print_table(heads, lines, right={1, 2, 3})


def _print_alternatives(item: Forecast, lang: str) -> None:
    from pickaxe.cli.screen import print_table
    from pickaxe.compute.planner.quantities.units import Money, Seconds
    from pickaxe.compute.planner.words import said

    rows = said(item.extra.get("alternatives", []), lang)
    if not rows:
        return
    lines = [
        [
            row["weights"],
            row["parallel"],
            str(row["devices_per_replica"]),
            item.shown(Money(row["cost_day"])) if row["cost_day"] is not None else "",
            f"{row['devices']:.0f}" if row.get("devices") is not None else "",
            item.shown(Seconds(row["first_token"])) if "first_token" in row else "",
            item.shown(Seconds(row["token_time"])) if "token_time" in row else "",
            row["why"],
        ]
        for row in (*rows[:_ALTERNATIVES], *(row for row in rows[_ALTERNATIVES:] if row["why"]))
    ]
    heads = _heads(lang, "weights", "split", "replica_devices", "cost_day", "devices", "first_token", "token_time", "falls_out")
    print_table(heads, lines, right={2, 3, 4, 5, 6})


def _print_layouts(item: Forecast, lang: str) -> None:
    """The layouts of a training in order of cost, where their steps go, and why others fall out."""
    from pickaxe.cli.screen import print_table
    from pickaxe.compute.planner.quantities.units import Bytes
    from pickaxe.compute.planner.words import said

    found = said(item.extra.get("layouts"), lang)
    if found is None:
        return
    print_table(
        _heads(lang, "layout", "memory", "reachable", "waits"),
        [
            [row["text"], str(Bytes(row["memory"]["total"])), f"{row['reachable_mfu']:.0%}", _waits(row["step"], lang)]
            for row in found["best"]
        ],
        right={1, 2},
    )
    click.echo(_heads(lang, "tried")[0].format(count=found["considered"]))
    for fallen in found["fallen"]:
        click.echo(f"  {fallen['layouts']}: {fallen['reason']} ({fallen['example']})")


def _waits(step: Mapping[str, float], lang: str) -> str:
    """The parts of a step that take a hundredth of it or more, largest first."""
    parts = sorted(((value / step["total"], name) for name, value in step.items() if name != "total"), reverse=True)
    return ", ".join(f"{_heads(lang, name)[0]} {share:.0%}" for share, name in parts if share >= 0.01)


def print_claims(rows: Sequence[Mapping[str, Any]], lang: str) -> None:
    """One line for each claim."""
    from pickaxe.cli.screen import print_table

    lines = [[row["id"], row["title"], row["said"], row["computed"], row["verdict_text"]] for row in rows]
    print_table(_heads(lang, "id", "claim", "said", "computed", "verdict"), lines, right={2, 3})


def print_claim(item: Claim, lang: str) -> None:
    """The statement, the verdict, what it takes, and its arithmetic."""
    from pickaxe.cli.screen import print_table
    from pickaxe.compute.planner.claims.report import needed_text, report
    from pickaxe.compute.planner.claims.solver import solve

    row, found = report(item, lang), solve(item)
    click.echo(f"{row['title']}\n  {row['says']}\n\n{row['verdict_text']}: {row['why']}")
    if row["note"]:
        click.echo(row["note"])
    click.echo(f"\n  {item.formula}\n  " + ", ".join(f"{name} {value}" for name, value in row["stated"].items()))
    if row["assumptions"]:
        lines = [
            [entry["name"], entry["usual"], f"{entry['low']} – {entry['high']}", entry["why"]] for entry in row["assumptions"]
        ]
        print_table(_heads(lang, "left_open", "usual", "plausible", "why"), lines, right={1, 2})
    if row["cases"]:
        print_table(
            _heads(lang, "arithmetic", "published", "computed"),
            [[entry["text"], entry["published"], entry["computed"]] for entry in row["cases"]],
            right={1, 2},
        )
    if row["tradeoff"] and found.verdict != "true":
        pairs = row["tradeoff"]
        nothing, doubtful, needs = _heads(lang, "no_value", "not_plausible", "needs")
        lines = [[at["of"], at["needs"] or nothing, "" if at["plausible"] else doubtful] for at in pairs["points"]]
        print_table([pairs["of"], needs.format(what=pairs["needs"]), ""], lines, right={0, 1})
    changed, source = _heads(lang, "changed", "source")
    if found.needed:
        click.echo(changed.format(needed="; ".join(needed_text(item, need, lang) for need in found.needed)))
    click.echo(source.format(source=item.source))
