"""A person at a terminal: one key per class, undo, skip, note, guidelines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pickaxe.data.label.annotators import Annotation, Quit, Undo
from pickaxe.kernel.errors import BadInput, Unavailable
from pickaxe.kernel.system.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console

_KEYS = "123456789abcdefhijklmoprtvwxyz"  # without g, n, q, s, u, which are commands
_LONGEST_ANSWER = 300.0


class TerminalAnnotator:
    """Asks the person in front of the terminal.

    Args:
        name: who that is; it stands beside every answer.
        guidelines: shown before the first text and on ``g``.
        saved: called with (row_key, annotation) at once after each answer, so that none is lost.
        read_key: gives one key; by default the terminal's, and then standard input must be a terminal.
        console: where to write.
        heading: what stands above a text; by default its number in this sitting.

    At most five minutes are counted for an answer: longer is taken for a break. Control characters of a text are shown, not
    sent to the terminal. Raises `Unavailable` when standard input is not a terminal.
    """

    simulated = False

    def __init__(
        self,
        name: str,
        *,
        guidelines: str = "",
        saved: Callable[[str, Annotation], None] | None = None,
        read_key: Callable[[], str] | None = None,
        console: Console | None = None,
        heading: Callable[[], str] | None = None,
    ) -> None:
        if read_key is None and not sys.stdin.isatty():
            raise Unavailable(
                "labelling by hand needs a terminal",
                expected="standard input that is a terminal",
                got="a pipe or a file",
                remedy='name the column if the data has labels (--label COLUMN, or label under [ingest] with annotators = "file"), '
                "or run the command in a terminal",
            )
        if console is None:
            from rich.console import Console

            console = Console()
        self.name, self.guidelines = name, guidelines
        self._saved, self._read, self._console = saved, read_key or _getchar, console
        self._answered = 0
        self._before: dict[str, Annotation] = {}  # row_key -> the answer that may be undone
        self._heading = heading or (lambda: f"{self._answered + 1}")

    def annotate(self, row_key: str, text: str, classes: Sequence[str]) -> Annotation | None:
        """Show `text` and wait for a key. None: skipped. Raises `Undo` and `Quit` as asked, `BadInput` for too many classes."""
        if len(classes) > len(_KEYS):
            raise BadInput(
                f"{len(classes)} classes are too many for one key each",
                expected=f"at most {len(_KEYS)} classes",
                remedy="merge classes, or label in another tool and bring the answers in as a labelled file",
            )
        if not self._answered:
            self._show_guidelines()
        self._show(text, classes)
        began, note = time.monotonic(), self._show_before(row_key)
        while True:
            key = self._read().lower()
            if key in _KEYS[: len(classes)]:
                seconds = min(time.monotonic() - began, _LONGEST_ANSWER)
                return self._answer(row_key, Annotation(classes[_KEYS.index(key)], round(seconds, 3), note))
            if key == "u":
                raise Undo
            if key == "s":
                return None
            if key in ("q", "\x03", "\x04", "\x1b"):
                raise Quit
            if key == "n":
                note = self._read_note()
            elif key in ("g", "?"):
                self._show_guidelines()
                self._show(text, classes)
            else:
                self._console.print(f"no such key: {visible(key)}", style="yellow", markup=False)

    def _answer(self, row_key: str, annotation: Annotation) -> Annotation:
        if self._saved is not None:
            self._saved(row_key, annotation)
        self._answered += 1
        self._before[row_key] = annotation
        self._console.print(f"  = {visible(annotation.label)}", style="green", markup=False, highlight=False)
        return annotation

    def _show(self, text: str, classes: Sequence[str]) -> None:
        from rich.panel import Panel
        from rich.text import Text

        self._console.print(Panel(Text(visible(text)), title=Text(self._heading()), title_align="left"))
        keys = "   ".join(f"[{key}] {label}" for key, label in zip(_KEYS, classes, strict=False))
        self._console.print(visible(keys), markup=False, highlight=False)
        self._console.print("[u]ndo  [s]kip  [n]ote  [g]uidelines  [q]uit", style="dim", markup=False, highlight=False)

    def _show_before(self, row_key: str) -> str:
        """Say what was answered before an undo; returns its note, which holds until another is written."""
        before = self._before.get(row_key)
        if before is None:
            return ""
        said = f"before: {before.label}" + (f" (note: {before.note})" if before.note else "")
        self._console.print(visible(said), style="dim", markup=False, highlight=False)
        return before.note

    def _show_guidelines(self) -> None:
        if self.guidelines:
            self._console.print(visible(self.guidelines), markup=False, highlight=False)

    def _read_note(self) -> str:
        """Keys up to Enter."""
        self._console.print("note: ", end="", markup=False)
        typed: list[str] = []
        while (key := self._read()) not in ("\r", "\n", ""):
            if key in ("\x7f", "\b"):
                typed = typed[:-1]
            else:
                typed.append(key)
        self._console.print("".join(typed), markup=False, highlight=False)
        return "".join(typed)


def _getchar() -> str:
    import click

    try:
        return click.getchar()
    except (EOFError, KeyboardInterrupt):
        return "q"
