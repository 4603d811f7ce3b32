"""Documents that a line leaves under fixed names, read for a page."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pickaxe.kernel.browse import versions
from pickaxe.kernel.workspace import Workspace


def document_of(workspace: Workspace, name: str, needed: Collection[str]) -> dict[str, Any] | None:
    """The newest version of `name`; None when there is none, or when it lacks what the page needs: anybody may use the name."""
    found = versions(workspace, name, limit=1)
    document = workspace.read_json(found[0]) if found and found[0].stored == "json" else None
    return document if isinstance(document, dict) and set(needed) <= set(document) else None
