"""What a reviewer looks at: where people disagree, and how far each of them agrees with the others, per class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pickaxe.data.label.agreement import by_item, cohen_kappa, krippendorff_alpha
from pickaxe.data.label.rows import AnnotationRow


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item with different answers."""

    row_key: str
    labels: dict[str, str]
    """annotator -> label"""

    @property
    def split(self) -> float:
        """Share of the answers that are not the most frequent one: 0.5 is a tie of two."""
        counts = Counter(self.labels.values())
        return 1.0 - counts.most_common(1)[0][1] / len(self.labels)


@dataclass(frozen=True, slots=True)
class AnnotatorAgreement:
    """One person against all the others on the same items."""

    annotator: str
    answers: int
    seconds_median: float
    compared: int
    """pairs of answers with somebody else's"""
    agreed: float | None
    """share of those pairs that are the same"""
    kappa: float | None
    """Cohen's kappa over those pairs"""


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """One class: of the pairs of answers in which one is this class, how many have both."""

    label: str
    answers: int
    pairs: int
    agreed: float | None


@dataclass(frozen=True, slots=True)
class Review:
    """Everything about the agreement of one set of annotations."""

    alpha: float | None
    items: int
    items_with_several: int
    disagreements: tuple[Disagreement, ...]
    annotators: tuple[AnnotatorAgreement, ...]
    classes: tuple[ClassAgreement, ...]


def review(rows: Iterable[AnnotationRow]) -> Review:
    """Compare standing answers (one per item and annotator; the last of several counts). Most divided items first."""
    rows = list(rows)
    items = by_item(rows)
    several = {key: labels for key, labels in items.items() if len(labels) > 1}
    divided = [Disagreement(key, labels) for key, labels in several.items() if len(set(labels.values())) > 1]
    return Review(
        alpha=krippendorff_alpha(list(labels.values()) for labels in items.values()),
        items=len(items),
        items_with_several=len(several),
        disagreements=tuple(sorted(divided, key=lambda item: (-item.split, item.row_key))),
        annotators=tuple(_annotators(rows, several)),
        classes=tuple(_classes(items, several)),
    )


def _annotators(rows: list[AnnotationRow], several: dict[str, dict[str, str]]) -> Iterable[AnnotatorAgreement]:
    pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for labels in several.values():
        for who, label in labels.items():
            pairs[who] += [(label, other) for name, other in labels.items() if name != who]
    seconds: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        seconds[row.annotator].append(row.seconds)
    for who in sorted(seconds):
        mine = pairs[who]
        yield AnnotatorAgreement(
            annotator=who,
            answers=len(seconds[who]),
            seconds_median=sorted(seconds[who])[len(seconds[who]) // 2],
            compared=len(mine),
            agreed=sum(one == other for one, other in mine) / len(mine) if mine else None,
            kappa=cohen_kappa(mine),
        )


def _classes(items: dict[str, dict[str, str]], several: dict[str, dict[str, str]]) -> Iterable[ClassAgreement]:
    answers = Counter(label for labels in items.values() for label in labels.values())
    either: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for labels in several.values():
        given = list(labels.values())
        for at, one in enumerate(given):
            for other in given[at + 1 :]:
                both[one] += one == other
                for label in {one, other}:
                    either[label] += 1
    for label in sorted(answers):
        yield ClassAgreement(label, answers[label], either[label], both[label] / either[label] if either[label] else None)
