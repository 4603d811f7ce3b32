"""Writes docs/published-runs.md: published training runs, memory tables and speeds of serving with the planner's forecast of each.

`--check` only says whether it is up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import click

from pickaxe.compute.planner.catalogue import hardware, utilisation
from pickaxe.compute.planner.published.memory import TABLES
from pickaxe.compute.planner.published.runs import RUNS, TOLERANCE, Comparison, PublishedRun, compare
from pickaxe.compute.planner.published.serving import SPEEDS, PublishedSpeed, defaults, sources
from pickaxe.compute.planner.quantities.units import DeviceTime
from pickaxe.compute.planner.serving.inference import FOUR_BIT_REACH

TARGET = Path(__file__).parent / "published-runs.md"
HEAD = f"""# Published training runs, memory tables and speeds of serving, and what the planner says of them

Written by `make docs` from `runs.py`, `memory.py` and `serving.py` in `compute/planner/published`; do not edit. The tests hold every line: a run counts as reproduced when the
forecast of its device time is within {TOLERANCE:.0%} of what was published, and a run that is not is asserted not to be.

Forecast = FLOP / (peak x MFU x goodput), FLOP by parts (matrices, attention, output), peak of dense 16-bit products, of the capped
device where a source says that its power was capped. Where the MFU is from:

- **stated**: by the paper, for this run.
- **family**: stated by the paper, for another model of the family.
- **sibling**: not stated; solved from other runs of the same team on the same hardware, never from this one.

*Implied* is the MFU of the whole run, failures included, that makes the published time exactly true. Where none is stated it is what the
source says; the forecast beside it says what one had to expect from the relatives.
"""


def page() -> str:
    found = [compare(run) for run in RUNS.values()]
    return (
        HEAD
        + "".join(_table(found))
        + "".join(_missed(found))
        + "".join(_notes(found))
        + "".join(_memory())
        + "".join(_serving())
        + "".join(_prior())
    )


def _table(found: list[Comparison]) -> Iterator[str]:
    yield "\n| run | devices | forecast | published | error | MFU | goodput | implied | MFU is | reproduced |\n"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---|---|\n"
    for item in found:
        run = item.run
        mfu = item.mfu / run.goodput
        yield (
            f"| [{run.name}](#{run.key}) | {_devices(run)} | {_hours(item.forecast)} | {_hours(run.published)} | {item.error:+.1%} "
            f"| {mfu:.1%} | {run.goodput:.0%} | {item.implied_mfu:.1%} | {run.basis} | {'yes' if run.reproduced else 'no'} |\n"
        )


def _missed(found: list[Comparison]) -> Iterator[str]:
    """What the bar can be met for, and each run that does not meet it, with the reason."""
    yield "\n## What agrees, and what does not\n\n"
    yield "| MFU is | runs | within 10% | furthest of those |\n|---|---:|---:|---:|\n"
    for basis in dict.fromkeys(item.run.basis for item in found):
        rows = [item for item in found if item.run.basis == basis]
        within = [item for item in rows if abs(item.error) <= TOLERANCE]
        furthest = f"{max((item.error for item in within), key=abs):+.1%}" if within else "–"
        yield f"| {basis} | {len(rows)} | {len(within)} | {furthest} |\n"
    yield (
        "\nGPU-hours follow from N, D and hardware only with a utilisation. Where a source states one for the run, the forecast is within 10%, but "
        "for hours that hold more than the training; where it states none for the run, agreement is a team's habit at best: a model of another "
        "size is not a safe relative. Nothing is fitted to the runs below. *Needed* is the MFU that would make them true. A forecast without an MFU draws from the table at the end of "
        "this page; where *needed* lies outside of it, the published hours lie outside of that forecast's band too.\n\n"
    )
    yield "| not within 10% | forecast | published | error | MFU taken | needed | why |\n|---|---:|---:|---:|---:|---:|---|\n"
    for item in (item for item in found if not item.run.reproduced):
        taken = item.mfu / item.run.goodput
        needed = item.implied_mfu / item.run.goodput
        yield (
            f"| [{item.run.name}](#{item.run.key}) | {_hours(item.forecast)} | {_hours(item.run.published)} | {item.error:+.1%} "
            f"| {taken:.1%}, {item.run.basis} | {needed:.1%} | {item.run.note} |\n"
        )


def _devices(run: PublishedRun) -> str:
    return run.accelerator + (f" at {run.power_cap}" if run.power_cap else "")


def _hours(value: DeviceTime) -> str:
    """Device hours; single iterations in device seconds."""
    hours = value.to("GPU-h")
    return f"{hours:,.0f} h" if hours >= 100 else f"{hours * 3600:,.1f} s"


def _notes(found: list[Comparison]) -> Iterator[str]:
    yield "\n## Sources and remarks\n"
    for item in found:
        run = item.run
        whence = f"MFU from {', '.join(RUNS[key].name for key in run.siblings)}." if run.siblings else ""
        yield f'\n<a id="{run.key}"></a>\n\n' + " ".join(filter(None, [f"**{run.name}.**", whence, run.note])) + "\n"
        yield "\n" + "".join(f"- {source}\n" for source in run.sources)


def _memory() -> Iterator[str]:
    for table in TABLES:
        cells = list(table.cells())
        columns = list(dict.fromkeys(cell.column for cell in cells))
        at = {(cell.row, cell.column): cell for cell in cells}
        rounded = [cell for cell in cells if 0 < abs(cell.computed - cell.published) <= table.rounding]
        worst = max((cell for cell in cells if cell not in rounded), key=lambda cell: abs(cell.error))
        print_rounds = ", but for what the print rounds to two or three digits" if rounded else ""
        off = f"the furthest cell is {worst.error:+.1%} off{print_rounds}"
        yield f"\n## {table.title}\n\n{table.source}. Computed / published, {table.unit}; {off}.\n"
        yield f"{table.note}\n" if table.note else ""
        yield "\n| | " + " | ".join(columns) + " |\n|---|" + "---:|" * len(columns) + "\n"
        for row in dict.fromkeys(cell.row for cell in cells):
            yield (
                f"| {row} | "
                + " | ".join(f"{at[row, it].computed:,.4g} / {at[row, it].published:,.4g}" for it in columns)
                + " |\n"
            )


def _serving() -> Iterator[str]:
    steady = [row for row in SPEEDS if row.is_steady]
    held_out = [row for row in SPEEDS if row.is_held_out]
    yield "\n## Speeds of serving\n\n"
    yield (
        f"Forecasts with the default shares, none of its own for a row. Of {len(held_out)} rows that the defaults were not derived from, "
        f"{_share(row.inside for row in held_out)} lie in the forecast's 5-95% band and {_share(abs(row.error) < 0.25 for row in held_out)} "
        f"are within 25%; the median error is {median(row.error for row in held_out):+.0%}. {len(SPEEDS) - len(steady)} rows are left out: "
        "their calls fill the replica fewer than four times, which is filling and draining more than a steady state.\n\n"
    )
    yield "| share of | lowest | likeliest | highest |\n|---|---:|---:|---:|\n"
    names = {"prefill": "arithmetic", "decode": "bandwidth of the memory", "link": "bandwidth of the links"}
    for share, name in names.items():
        item = defaults()[share]
        yield f"| {name} | {item.low:.0%} | {float(item.centre):.0%} | {item.high:.0%} |\n"
    yield "\nThese are what the rows marked *calibration* imply: the lowest, the highest, and the median of the settings' medians.\n"
    yield f"Arithmetic in 4 bits reaches {FOUR_BIT_REACH:.0%} of that share, as the rows marked *for 4 bits* imply where prompts take their time.\n"
    yield "Rows that the planner does not describe, as their error showed, bear a number; they do not count above, and the tests assert it:\n\n"
    reasons = list(dict.fromkeys(row.unlike for row in steady if row.unlike))
    yield "".join(f"{number}. {reason}\n" for number, reason in enumerate(reasons, start=1))
    for key, source in sources().items():
        yield from _speeds(source, [row for row in steady if row.source == key], reasons)


def _speeds(source: dict[str, str], rows: list[PublishedSpeed], reasons: list[str]) -> Iterator[str]:
    yield f"\n### {source['name']}\n\n{source['citation']}.\n\n"
    yield "| model | devices | weights | in / out | calls | measured | forecast | 5-95% | published | error | use |\n"
    yield "|---|---|---|---:|---:|---|---:|---:|---:|---:|---|\n"
    for row in rows:
        shown = [_speed(float(value), row) for value in (row.band.low, row.band.centre, row.band.high, row.published)]
        use = (
            "calibration"
            if row.calibration
            else "for 4 bits"
            if row.fits
            else "held out" + (f" ({reasons.index(row.unlike) + 1})" if row.unlike else "")
        )
        yield (
            f"| {row.replica.model.name} | {row.replica.devices} x {row.replica.device.key} | {row.replica.weights} | {row.lengths} "
            f"| {row.batch or 'all that fit'} | {row.measures} | {shown[1]} | {shown[0]} - {shown[2]} | {shown[3]} | {row.error:+.0%} | {use} |\n"
        )


def _speed(value: float, row: PublishedSpeed) -> str:
    """Tokens a second; a first token in milliseconds."""
    if row.measures == "first token":
        return f"{value * 1000:,.1f} ms"
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _share(found: Iterable[bool]) -> str:
    every = list(found)
    return f"{sum(every) / len(every):.0%}"


def _prior() -> Iterator[str]:
    yield "\n## MFU and goodput that forecasts assume\n\n"
    yield "Where a scenario names no MFU, it is drawn from what was published on the same generation (at least three runs; else on all):\n\n"
    yield "| device | lowest | middle | highest | runs |\n|---|---:|---:|---:|---:|\n"
    for key in ("A100-80", "H100", "V100-32"):
        prior, used = utilisation.mfu(hardware.find(key))
        yield f"| {key} | {prior.low:.1%} | {float(prior.centre):.1%} | {prior.high:.1%} | {len(used)} |\n"
    yield "\n| run | share | kind | source |\n|---|---:|---|---|\n"
    for kind in ("mfu", "goodput"):
        for item in utilisation.observations(kind):
            yield f"| {item.run} | {item.share:.1%} | {kind} | {item.source} |\n"


if __name__ == "__main__":
    text = page()
    if "--check" in sys.argv[1:]:
        current = TARGET.read_text(encoding="utf-8") if TARGET.is_file() else ""
        sys.exit(0 if current == text else f"{TARGET.name} is not what the planner says now; run: make docs")
    TARGET.write_text(text, encoding="utf-8")
    click.echo(f"wrote {TARGET.name}")
