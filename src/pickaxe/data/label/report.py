"""The JSON document `labelling`: what was labelled, by whom, how well, at what expense."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pickaxe.data.label.adjudicate import Adjudication
from pickaxe.data.label.agreement import by_item, krippendorff_alpha, pairwise_kappa
from pickaxe.data.label.rows import ARMS, AnnotationRow, arms, latest

SIMULATED = (
    "These annotators are simulated: they answer with the labels that came with the data set, wrong at a stated rate, in a stated "
    "time. No person labelled anything, and the seconds and money are what people of that speed and price would have cost."
)
AUDIT = (
    "The audit arm is a uniform random sample of the pool. Its answers were not used to choose texts; they must not be used to "
    "train the teacher or to set anything before the audit."
)
RANDOM = "Drawn uniformly, each round, from the texts of the pool that had not been labelled yet."

CLASSES_SHOWN = 20
ANNOTATORS_SHOWN = 50


def labelling_report(
    rows: Sequence[AnnotationRow], result: Adjudication, classes: Sequence[str], truth: Mapping[str, str] | None
) -> dict[str, Any]:
    """Counts, agreement, adjudication and annotators.

    Args:
        rows: all answers, corrected ones included.
        truth: row_key -> gold label, only for simulated annotators; it gives the true error rates.
    """
    held = latest(rows)
    items = by_item(held)
    labels = dict(zip(result.items, result.labels, strict=True))
    used = Counter(result.labels)
    simulated = {row.simulated for row in held}
    changed = sum(label != vote for label, vote in zip(result.labels, result.majority, strict=True))
    return {
        "simulated": simulated == {True},
        "note": SIMULATED if True in simulated else None,
        "answers": len(held),
        "items": len(items),
        "seconds": round(sum(row.seconds for row in rows), 3),
        "rounds": len({row.round for row in rows}),
        "arms": _arms(rows),
        "audit": AUDIT,
        "random": RANDOM,
        "classes": {label: used[label] for label in classes},
        "unlabelled_classes": [label for label in classes if not used[label]],
        "agreement": {
            "krippendorff_alpha": _rounded(krippendorff_alpha([list(answers.values()) for answers in items.values()])),
            "items_with_several": sum(len(answers) > 1 for answers in items.values()),
            "cohen_kappa": pairwise_kappa(items),
        },
        "adjudication": {
            "method": "Dawid and Skene 1979; confusions from the items with several answers, single answers taken as they are",
            "measured": result.measured,
            "changed_majority": changed,
            "class_shares": {label: _rounded(float(share)) for label, share in zip(result.classes, result.prior, strict=True)},
        },
        "annotators_not_shown": max(0, len({row.annotator for row in held}) - ANNOTATORS_SHOWN),
        "annotators": _annotators(rows, held, result, truth),
        "gold_error": _gold_error(labels, truth),
    }


def _arms(rows: Sequence[AnnotationRow]) -> dict[str, dict[str, float]]:
    arm = arms(rows)
    found = {name: {"items": 0, "answers": 0, "seconds": 0.0} for name in ARMS}
    for name in arm.values():
        found[name]["items"] += 1
    for row in latest(rows):
        found[arm[row.row_key]]["answers"] += 1
    for row in rows:
        found[arm[row.row_key]]["seconds"] = round(found[arm[row.row_key]]["seconds"] + row.seconds, 3)
    return {name: counts for name, counts in found.items() if counts["answers"]}


def _annotators(
    rows: Sequence[AnnotationRow], held: Sequence[AnnotationRow], result: Adjudication, truth: Mapping[str, str] | None
) -> list[dict[str, Any]]:
    seconds: dict[str, float] = defaultdict(float)
    for row in rows:
        seconds[row.annotator] += row.seconds
    counts = Counter(row.annotator for row in held)
    found: list[dict[str, Any]] = []
    for name in sorted(sorted(seconds, key=lambda name: (-counts[name], name))[:ANNOTATORS_SHOWN]):
        mine = [row for row in held if row.annotator == name]
        known = [row for row in mine if truth is not None and row.row_key in truth]
        wrong = sum(truth is not None and row.label != truth[row.row_key] for row in known)
        found.append(
            {
                "name": name,
                "simulated": mine[0].simulated,
                "answers": len(mine),
                "seconds": round(seconds[name], 3),
                "error_rate_estimated": _rounded(result.error_rate(name)),
                "estimated_on_items": result.seen[name],
                "error_rate_true": _rounded(wrong / len(known)) if known and mine[0].simulated else None,
                "confusion": _confusion(result, name),
            }
        )
    return found


def _confusion(result: Adjudication, annotator: str) -> list[list[float | None]] | None:
    """Rows: true class, columns: answer, in the order of `classes`; None where nothing was measured or it would fill the page."""
    if not result.seen[annotator] or len(result.classes) > CLASSES_SHOWN:
        return None
    return [[_rounded(float(value)) for value in line] for line in result.confusions[annotator]]


def _gold_error(labels: Mapping[str, str], truth: Mapping[str, str] | None) -> float | None:
    """Share of adjudicated labels that differ from the source's (simulation only: people have no such source)."""
    known = [key for key in labels if truth is not None and key in truth]
    return _rounded(sum(truth is not None and labels[key] != truth[key] for key in known) / len(known)) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
