"""What a reviewer looks at: where people disagree, and how far each of them agrees with the others, per class.

Two marked spans agree when start, end and label are the same. How far two people agree on spans is the F1 of the one's against the
other's: what nobody marked has no number, so there is no agreement by chance to subtract, and α and κ are not defined (G. Hripcsak and
A. S. Rothschild, *Agreement, the F-measure, and reliability in information retrieval*, JAMIA 12(3), 2005).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from pickaxe.data.label.agreement import by_item, cohen_kappa, krippendorff_alpha
from pickaxe.data.label.forms import Form, spans_of
from pickaxe.data.label.rows import AnnotationRow


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item with different answers."""

    row_key: str
    labels: dict[str, str]
    """annotator -> label"""
    split: float
    """Share of the answers that are not the most frequent one (0.5 is a tie of two); of spans: 1 - F1 over all pairs of answers."""


@dataclass(frozen=True, slots=True)
class AnnotatorAgreement:
    """One person against all the others on the same items."""

    annotator: str
    answers: int
    seconds_median: float
    compared: int
    """pairs of answers with somebody else's"""
    agreed: float | None
    """share of those pairs that are the same; of spans: F1 over those pairs"""
    kappa: float | None
    """Cohen's kappa over those pairs; None for spans"""


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """One class: of the pairs of answers in which one is this class, how many have both.

    Of spans: how often the label was marked, the pairs of answers in which one has it, and the F1 of its spans over those.
    """

    label: str
    answers: int
    pairs: int
    agreed: float | None


@dataclass(frozen=True, slots=True)
class Review:
    """Everything about the agreement of one set of annotations."""

    alpha: float | None
    """Krippendorff's; None for spans"""
    f1: float | None
    """of spans, over all pairs of answers to the same item; None for the other forms"""
    items: int
    items_with_several: int
    disagreements: tuple[Disagreement, ...]
    annotators: tuple[AnnotatorAgreement, ...]
    classes: tuple[ClassAgreement, ...]


def review(rows: Iterable[AnnotationRow], form: Form = "choice") -> Review:
    """Compare standing answers (one per item and annotator; the last of several counts). Most divided items first."""
    rows = list(rows)
    items = by_item(rows)
    several = {key: labels for key, labels in items.items() if len(labels) > 1}
    compare = _Spans(items, several) if form == "spans" else _Labels(items, several)
    divided = [Disagreement(key, labels, compare.split(key)) for key, labels in several.items() if len(set(labels.values())) > 1]
    return Review(
        alpha=compare.alpha(),
        f1=compare.f1(),
        items=len(items),
        items_with_several=len(several),
        disagreements=tuple(sorted(divided, key=lambda item: (-item.split, item.row_key))),
        annotators=tuple(_annotators(rows, several, compare)),
        classes=tuple(compare.classes()),
    )


_Items = Mapping[str, Mapping[str, str]]
"""row_key -> annotator -> label"""
_Pair = tuple[str, str]
"""The labels of two people for one item."""


class _Labels:
    """Answers that are one label each: equal or not."""

    def __init__(self, items: _Items, several: _Items) -> None:
        self._items, self._several = items, several

    def split(self, row_key: str) -> float:
        labels = list(self._several[row_key].values())
        return 1.0 - Counter(labels).most_common(1)[0][1] / len(labels)

    def alpha(self) -> float | None:
        return krippendorff_alpha(list(labels.values()) for labels in self._items.values())

    def f1(self) -> None:
        return None

    def agreed(self, pairs: Sequence[_Pair]) -> float | None:
        return sum(one == other for one, other in pairs) / len(pairs) if pairs else None

    def kappa(self, pairs: Sequence[_Pair]) -> float | None:
        return cohen_kappa(pairs)

    def classes(self) -> Iterable[ClassAgreement]:
        answers = Counter(label for labels in self._items.values() for label in labels.values())
        either: Counter[str] = Counter()
        both: Counter[str] = Counter()
        for one, other in _pairs(self._several):
            both[one] += one == other
            either.update({one, other})
        for label in sorted(answers):
            yield ClassAgreement(label, answers[label], either[label], both[label] / either[label] if either[label] else None)


_Span = tuple[int, int, str]


class _Spans:
    """Answers that are sets of spans: each pair of answers has some in common."""

    def __init__(self, items: _Items, several: _Items) -> None:
        self._items, self._several = items, several
        given = {label for labels in items.values() for label in labels.values()}
        self._spans = {label: {(span["start"], span["end"], span["label"]) for span in spans_of(label)} for label in given}

    def split(self, row_key: str) -> float:
        f1 = self.agreed(list(_pairs({row_key: self._several[row_key]})))
        return 0.0 if f1 is None else 1.0 - f1

    def alpha(self) -> None:
        return None

    def f1(self) -> float | None:
        return self.agreed(list(_pairs(self._several)))

    def agreed(self, pairs: Sequence[_Pair]) -> float | None:
        return _f1([(self._spans[one], self._spans[other]) for one, other in pairs])

    def kappa(self, pairs: Sequence[_Pair]) -> None:
        return None

    def classes(self) -> Iterable[ClassAgreement]:
        marked = Counter(
            label for labels in self._items.values() for given in labels.values() for _, _, label in self._spans[given]
        )
        found: dict[str, list[tuple[set[_Span], set[_Span]]]] = defaultdict(list)
        for one, other in _pairs(self._several):
            for label in {label for _, _, label in self._spans[one] | self._spans[other]}:
                found[label].append((_of_label(self._spans[one], label), _of_label(self._spans[other], label)))
        for label in sorted(marked):
            yield ClassAgreement(label, marked[label], len(found[label]), _f1(found[label]))


def _of_label(spans: set[_Span], label: str) -> set[_Span]:
    return {span for span in spans if span[2] == label}


def _f1(pairs: Collection[tuple[set[_Span], set[_Span]]]) -> float | None:
    """Twice what both have, by what each has, over all pairs; None when nothing was marked."""
    total = sum(len(one) + len(other) for one, other in pairs)
    return 2 * sum(len(one & other) for one, other in pairs) / total if total else None


def _pairs(several: _Items) -> Iterable[_Pair]:
    for labels in several.values():
        yield from combinations(labels.values(), 2)


def _annotators(rows: list[AnnotationRow], several: _Items, compare: _Labels | _Spans) -> Iterable[AnnotatorAgreement]:
    pairs: dict[str, list[_Pair]] = defaultdict(list)
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
            agreed=compare.agreed(mine),
            kappa=compare.kappa(mine),
        )
