"""Documents that a line leaves under fixed names, read for a page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pickaxe.kernel.browse import newest_versions
from pickaxe.kernel.workspace import Workspace


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
