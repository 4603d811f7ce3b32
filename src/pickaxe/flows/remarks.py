"""What somebody should hear about their data before a model is made of it: rows left out, labels that look like a slip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.wording import counted

_MOST_NAMED = 3


def refuse_labels(classes: Mapping[str, int]) -> None:
    """Raise `BadInput` for labels that no model can learn: all the same, or nearly each of its own.

    `classes` are the most frequent labels with their rows, as the profile has them.
    """
    if len(classes) == 1:
        raise BadInput(
            "there is nothing to tell apart: the data holds one class only",
            expected="labels of two classes or more",
            got=f"{next(iter(classes))!r} in every row with a label",
            remedy="check the label column, or add rows of another class",
        )
    if len(classes) > 2 and sum(classes.values()) < 2 * len(classes):
        raise BadInput(
            "the labels are no classes: hardly any two rows share one",
            expected="a label column with a few values, each in many rows",
            got=f"{', '.join(map(repr, list(classes)[:_MOST_NAMED]))}… in a row or two each",
            remedy="check the label column: this one may hold numbers, names or texts",
        )


def of_rows(task: str, profile: Mapping[str, Any]) -> Iterator[str]:
    """Of what was read: bad rows, and labels that differ in case only."""
    if bad := profile["quarantined"]:
        why = ", ".join(f"{reason}: {found['count']:,}" for reason, found in profile["quarantine"].items())
        yield f"{counted(bad, 'row')} set aside ({why}); to see them: pickaxe rows {task}/quarantine"
    classes: Mapping[str, int] = profile["classes"]
    folded: dict[str, list[str]] = {}
    for label in classes:
        folded.setdefault(label.casefold(), []).append(label)
    for alike in filter(lambda found: len(found) > 1, folded.values()):
        said = " and ".join(f"{label!r} ({counted(classes[label], 'row')})" for label in alike)
        yield f"the labels {said} differ in upper and lower case only and are taken for classes of their own: mend the file if they are one"


def of_curation(task: str, curation: Mapping[str, Any]) -> Iterator[str]:
    """Of what was left out, and where the rest went."""
    if dropped := curation["dropped"]:
        why = ", ".join(f"{reason}: {count:,}" for reason, count in dropped.items())
        parts = ", ".join(f"{count:,} {name}" for name, count in curation["splits"].items())
        yield f"{counted(sum(dropped.values()), 'row')} left out ({why}), {curation['kept']:,} kept ({parts}); pickaxe rows {task}/dropped"
