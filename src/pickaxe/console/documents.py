"""Documents that a line leaves under fixed names, read for a page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from pickaxe.kernel.browse import newest_versions
from pickaxe.kernel.workspace import Workspace


def document_of(workspace: Workspace, name: str, needed: Collection[str]) -> dict[str, Any] | None:
    """The newest version of `name`; None when there is none, or when it lacks what the page needs: anybody may use the name."""
    return documents_of(workspace, [name], needed).get(name)


def documents_of(workspace: Workspace, names: Sequence[str], needed: Collection[str]) -> dict[str, dict[str, Any]]:
    """The newest version of each of `names` that has one with what the page needs, by name."""
    newest = newest_versions(workspace, names)
    found = {name: workspace.read_json(item) for name, item in newest.items() if item.stored == "json"}
    return {name: said for name, said in found.items() if isinstance(said, dict) and set(needed) <= set(said)}
