"""Documents that a line leaves under fixed names, read for a page."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pickaxe.kernel.browse import newest_versions
from pickaxe.kernel.workspace import Workspace

_MOST_BINS = 200


def document_of(workspace: Workspace, name: str, needed: Collection[str]) -> dict[str, Any] | None:
    """The newest version of `name` that a run made; None when there is none, or when it lacks what the page needs.

    Anybody may use the name: what was imported under it is nobody's verdict, and another's step may save something else there.
    """
    return documents_of(workspace, [name], needed).get(name)


def documents_of(workspace: Workspace, names: Sequence[str], needed: Collection[str]) -> dict[str, dict[str, Any]]:
    """As `document_of` for each of `names`, by name."""
    newest = newest_versions(workspace, names, made=True)
    found = {name: workspace.read_json(item) for name, item in newest.items() if item.stored == "json"}
    return {name: said for name, said in found.items() if isinstance(said, dict) and set(needed) <= set(said)}


def histograms_in(document: object) -> dict[str, list[tuple[float, float, int]]]:
    """The histograms of a profile, as bins (low, high, count) by what they are of; anything else in a document is none."""
    parts = document.items() if isinstance(document, Mapping) else ()
    found = {str(name): _bins(part["histogram"]) for name, part in parts if isinstance(part, Mapping) and "histogram" in part}
    return {name: bins for name, bins in found.items() if bins}


def _bins(drawn: Any) -> list[tuple[float, float, int]]:
    """Nothing where somebody's own document means something else by the word."""
    if not isinstance(drawn, Mapping):
        return []
    edges, counts = drawn.get("edges"), drawn.get("counts")
    if not (isinstance(edges, list) and isinstance(counts, list) and 1 < len(edges) == len(counts) + 1 <= _MOST_BINS):
        return []
    numbers = all(type(value) in (int, float) and math.isfinite(value) for value in (*edges, *counts))
    bins = list(zip(edges, edges[1:], counts, strict=False)) if numbers else []
    filled = [at for at, (_, _, count) in enumerate(bins) if count]
    return bins[filled[0] : filled[-1] + 1] if filled else []
