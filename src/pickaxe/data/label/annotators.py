"""Who answers: the protocol, and annotators simulated from gold labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pickaxe.kernel.errors import BadInput


class Annotation(NamedTuple):
    label: str
    seconds: float
    note: str = ""


class Undo(Exception):
    """The annotator wants to answer the previous item again."""


class Quit(Exception):
    """The annotator has had enough; what was answered stays."""


class Annotator(Protocol):
    """Anybody who can say which class a text is in."""

    @property
    def name(self) -> str: ...

    @property
    def simulated(self) -> bool: ...

    def annotate(self, row_key: str, text: str, classes: Sequence[str]) -> Annotation | None:
        """One of `classes` and the seconds it took, or None to skip. May raise `Undo` or `Quit`."""
        ...


@dataclass(frozen=True)
class SimulatedAnnotator:
    """Answers from gold labels, wrong in a stated share of cases. Never a person, and called simulated everywhere.

    Whether an answer is wrong, and how, is decided by a hash of name, row key and seed: the same in every run.
    """

    gold: Mapping[str, str]
    error_rate: float
    seconds_per_label: float
    seed: int = 0
    name: str = "simulated-ann-1"
    simulated: bool = True

    def annotate(self, row_key: str, text: str, classes: Sequence[str]) -> Annotation:
        """Raises `BadInput` when there is no gold label to answer from, or it is not one of `classes`."""
        truth = self.gold.get(row_key)
        if truth is None or truth not in classes:
            raise BadInput(
                f"{self.name} cannot answer for row {row_key}",
                expected=f"a gold label among {', '.join(classes)}",
                got="none" if truth is None else repr(truth),
                remedy="name all classes, or let people label",
            )
        draw = hashlib.blake2b(f"{self.seed}:{self.name}:{row_key}".encode(), digest_size=16).digest()
        if int.from_bytes(draw[:8], "big") / 2**64 >= self.error_rate or len(classes) < 2:
            return Annotation(truth, self.seconds_per_label)
        others = [label for label in classes if label != truth]
        return Annotation(others[int.from_bytes(draw[8:], "big") % len(others)], self.seconds_per_label)
