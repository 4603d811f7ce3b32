"""How far annotators agree beyond chance."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pickaxe.data.label.rows import AnnotationRow

_PAIRS_SHOWN = 50


def krippendorff_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Krippendorff's alpha for nominal data (K. Krippendorff, *Computing Krippendorff's Alpha-Reliability*, 2011).

    Args:
        units: for each item the labels that it got, from any annotators; items with fewer than two are left out.

    Returns alpha (1: perfect; 0: chance), or None when no item has two labels or all labels are the same class, where it is
    not defined.
    """
    weights: dict[tuple[str, str], float] = defaultdict(float)
    for labels in units:
        if len(labels) < 2:
            continue
        counts = Counter(labels)
        for one, many in counts.items():
            for other, more in counts.items():
                pairs = many * (more - (one == other))
                weights[one, other] += pairs / (len(labels) - 1)
    totals: dict[str, float] = defaultdict(float)
    for (one, _), weight in weights.items():
        totals[one] += weight
    everything = sum(totals.values())
    expected = everything**2 - sum(total**2 for total in totals.values())
    if not everything or not expected:
        return None
    observed = sum(weight for (one, other), weight in weights.items() if one != other)
    return 1.0 - (everything - 1.0) * observed / expected


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa of two annotators over the items that both labelled (J. Cohen, *A coefficient of agreement*, 1960).

    Returns None when there are no such items or chance agreement is 1.
    """
    if not pairs:
        return None
    total = len(pairs)
    observed = sum(one == other for one, other in pairs) / total
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(first[label] * second[label] for label in first) / total**2
    return None if chance == 1.0 else (observed - chance) / (1.0 - chance)


def by_item(rows: Iterable[AnnotationRow]) -> dict[str, dict[str, str]]:
    """row_key -> annotator -> label."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row.row_key, {})[row.annotator] = row.label
    return found


def pairwise_kappa(items: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, float | int | None]]:
    """Kappa and the number of common items for the 50 pairs of annotators that have most; keys are ``a / b``."""
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for answers in items.values():
        names = sorted(answers)
        for at, one in enumerate(names):
            for other in names[at + 1 :]:
                pairs[one, other].append((answers[one], answers[other]))
    return {
        f"{one} / {other}": {"kappa": _rounded(cohen_kappa(both)), "items": len(both)}
        for (one, other), both in sorted(sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0]))[:_PAIRS_SHOWN])
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
