"""The line on a terminal: one bar a stage while it runs, one line when it is done, and the table at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pickaxe.kernel.ledger.cost import as_money
from pickaxe.kernel.system.terminal import visible
from pickaxe.kernel.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pickaxe.flows.line import StageRecord
    from pickaxe.kernel.engine.engine import Progress as RunProgress


class TerminalLine:
    """Implements `pickaxe.flows.line.LineWatcher` on a console; plain lines when the output is not a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._bar: TaskID | None = None
        self._download: TaskID | None = None
        self._fetched: set[str] = set()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def stage_started(self, task: str, round: int, stage: str) -> None:
        self._bars.start()  # they rest while a person labels
        self._bar = self._bars.add_task(_title(task, round, stage), total=None, note="")

    def progress(self, progress: RunProgress) -> None:
        if self._bar is not None and progress.total:
            note = Text(progress.note).plain[:60]
            self._bars.update(self._bar, completed=progress.done, total=progress.total, note=note)

    def stage_ended(self, record: StageRecord) -> None:
        if self._bar is not None:
            self._bars.remove_task(self._bar)
            self._bar = None
        rows = counted(record.rows, "row") if record.rows is not None else ""
        took = "cached" if record.cached else f"{record.seconds:.1f} s"
        self.console.print(
            f"[green]✓[/green] {_title(record.task, record.round, record.stage):<34} {rows:>14} {took:>9} {as_money(record.nano):>11}",
            highlight=False,
        )

    def note(self, text: str) -> None:
        self.console.print(Text(visible(text)), highlight=False, soft_wrap=True)  # a command in it can be copied whole

    def asking(self) -> None:
        self._bars.stop()

    def fetching(self, name: str, done: float, total: float) -> None:
        if self._download is None:
            if name in self._fetched:  # pip said that it has everything more than once
                return
            self._fetched.add(name)
            self.console.print(f"getting demo data {name} ({total / 1e6:.0f} MB), once", highlight=False)
            self._bars.start()
            self._download = self._bars.add_task(f"download · {name}", total=total, note="")
        self._bars.update(self._download, completed=done, note=f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")
        if done >= total:
            self._bars.remove_task(self._download)
            self._download = None


def print_stages(console: Console, records: Sequence[StageRecord]) -> None:
    """The table that a line ends with. Stages from the cache show what they cost when they ran; the last line leaves them out."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True)
    spent = sum(record.nano for record in records if not record.cached)
    seconds = sum(record.seconds for record in records)
    for title, justify, footer in (
        ("task", "left", "spent now"),
        ("round", "right", ""),
        ("stage", "left", ""),
        ("rows", "right", ""),
        ("seconds", "right", f"{seconds:.1f}"),
        ("money", "right", as_money(spent)),
        ("cache", "left", f"{sum(record.cached for record in records)} of {len(records)}"),
    ):
        table.add_column(title, justify="right" if justify == "right" else "left", footer=footer)
    for record in records:
        table.add_row(
            record.task,
            str(record.round),
            record.stage,
            f"{record.rows:,}" if record.rows is not None else "",
            f"{record.seconds:.1f}",
            as_money(record.nano),
            "hit" if record.cached else "",
        )
    console.print(table)


def _title(task: str, round: int, stage: str) -> str:
    return f"{task} · {stage}" + (f" · round {round}" if round > 1 else "")
