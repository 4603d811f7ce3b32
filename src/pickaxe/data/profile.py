"""What a table of texts looks like: enough to plot, small enough to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_CLASSES_SHOWN = 200
_EXAMPLES = 3


def profile(rows: pa.Table, quarantine: pa.Table, language_sample: int) -> dict[str, Any]:
    """Counts, lengths, classes, duplicates, languages and quarantine reasons of ingested rows.

    Returns a JSON document: `rows`, `quarantined`, `chars` (summary and a histogram with `edges` of n+1 and `counts` of n
    bins, logarithmic), `words` (summary), `classes` (the 200 most frequent), `unlabelled`, `duplicates` (rows that repeat an
    earlier text; how many texts carry different labels), `languages` (of the sample, with the share that is uncertain), and
    `quarantine` (count and first lines by reason).
    """
    return {
        "rows": rows.num_rows,
        "quarantined": quarantine.num_rows,
        **_lengths(rows),
        **_classes(rows),
        "duplicates": _duplicates(rows),
        "languages": _languages(rows, language_sample),
        "quarantine": _reasons(quarantine),
    }


def _lengths(rows: pa.Table) -> dict[str, Any]:
    import numpy as np
    import pyarrow.compute as pc

    text = rows["text"]
    chars = np.asarray(pc.utf8_length(text), dtype=np.int64)
    spaces = pc.count_substring_regex(pc.utf8_trim_whitespace(text), r"\s+")
    top = max(int(chars.max()), 10)
    edges = np.unique(np.round(np.geomspace(1, top + 1, num=31)).astype(np.int64))
    counts, _ = np.histogram(chars, bins=edges)
    return {
        "chars": {**_summary(chars), "histogram": {"edges": edges.tolist(), "counts": counts.tolist()}},
        "words": _summary(np.asarray(spaces, dtype=np.int64) + 1),
    }


def _summary(values: Any) -> dict[str, float]:
    import numpy as np

    low, median, high = (float(value) for value in np.quantile(values, [0.05, 0.5, 0.95], method="nearest"))
    return {
        "min": float(values.min()),
        "p05": low,
        "median": median,
        "mean": round(float(values.mean()), 3),
        "p95": high,
        "max": float(values.max()),
    }


def _classes(rows: pa.Table) -> dict[str, Any]:
    import pyarrow.compute as pc

    labels = rows["label"]
    found = [(item["values"], item["counts"]) for item in pc.value_counts(labels.drop_null()).to_pylist()]
    found.sort(key=lambda pair: (-pair[1], pair[0]))
    return {
        "classes": dict(found[:_CLASSES_SHOWN]),
        "classes_not_shown": max(0, len(found) - _CLASSES_SHOWN),
        "unlabelled": labels.null_count,
    }


def _duplicates(rows: pa.Table) -> dict[str, int]:
    """Counted by key: the key of a repeated text is the first one's with a suffix."""
    import pyarrow.compute as pc

    repeats = pc.greater(pc.binary_length(rows["row_key"]), 16)
    copies = rows.select(["row_key", "label"]).filter(repeats)
    texts = {key[:16] for key in copies["row_key"].to_pylist()}
    labels: dict[str, set[str]] = {}
    if texts:
        import pyarrow as pa

        base = pc.utf8_slice_codeunits(rows["row_key"], 0, 16)
        among = pc.is_in(base, value_set=pa.array(sorted(texts)))
        for key, label in zip(base.filter(among).to_pylist(), rows["label"].filter(among).to_pylist(), strict=True):
            if label is not None:
                labels.setdefault(key, set()).add(label)
    return {"rows": copies.num_rows, "texts": len(texts), "with_other_label": sum(len(found) > 1 for found in labels.values())}


def _languages(rows: pa.Table, size: int) -> dict[str, Any]:
    """Of the rows with the smallest keys: as good as random, and the same rows every time."""
    import numpy as np

    if size == 0:
        return {"sampled": 0, "counts": {}, "uncertain": 0}
    from pickaxe.data.language import Languages

    keys = np.asarray(rows["row_key"].to_pylist())
    chosen = np.sort(np.argsort(keys, kind="stable")[:size])
    languages = Languages()
    counts: dict[str, int] = {}
    uncertain = 0
    for text in rows["text"].take(chosen).to_pylist():
        language, lead = languages.guess(text)
        counts[language] = counts.get(language, 0) + 1
        uncertain += lead < 0.5
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {"sampled": len(chosen), "counts": dict(ranked), "uncertain": uncertain}


def _reasons(quarantine: pa.Table) -> dict[str, Any]:
    reasons: dict[str, dict[str, Any]] = {}
    for line, reason in zip(quarantine["line"].to_pylist(), quarantine["reason"].to_pylist(), strict=True):
        entry = reasons.setdefault(reason, {"count": 0, "first_lines": []})
        entry["count"] += 1
        if len(entry["first_lines"]) < _EXAMPLES:
            entry["first_lines"].append(line)
    return dict(sorted(reasons.items()))
