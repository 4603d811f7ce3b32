"""What two artifacts of one kind of store differ in: rows by their keys, documents by their members, folders by their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pickaxe.kernel.nouns import Artifact
from pickaxe.kernel.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 300_000
SHOWN = 20
_SAID = ("label", "text")
"""Columns whose change in a row is worth showing."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row, member or file: its value before and after, None where it was not there."""

    key: str
    before: Any
    after: Any


@dataclass
class Difference:
    """Counts, and the first few changes. `refused` says why there is nothing more to say."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int = 0
    shown: list[Change] = field(default_factory=list[Change])
    refused: str = ""


def difference(workspace: Workspace, before: Artifact, after: Artifact) -> Difference:
    """`before` and `after` are stored the same way."""
    if before.digest == after.digest:
        return Difference(same=1)
    match before.stored:
        case "table":
            return _of_tables(workspace, before, after)
        case "json":
            return _of_members(_flat(workspace.read_json(before)), _flat(workspace.read_json(after)))
        case _:
            return _of_members(_files(workspace, before), _files(workspace, after))


def _of_tables(workspace: Workspace, before: Artifact, after: Artifact) -> Difference:
    columns = set(before.meta.get("columns", ())) & set(after.meta.get("columns", ()))
    if "row_key" not in columns:
        return Difference(refused="no_key")
    if max(before.meta.get("rows", 0), after.meta.get("rows", 0)) > MOST_ROWS:
        return Difference(refused="too_many")
    wanted = ["row_key", *(name for name in _SAID if name in columns)]
    return _of_members(*(_rows(workspace.read_table(item, wanted)) for item in (before, after)))


def _rows(table: pa.Table) -> dict[str, Any]:
    """row_key -> what else was read of the row; several rows of one key (annotations) stand together."""
    rest = [name for name in _SAID if name in table.column_names]
    found: dict[str, Any] = {}
    for row in table.to_pylist():
        said = " · ".join(str(row[name]) for name in rest)
        found[row["row_key"]] = f"{found[row['row_key']]} | {said}" if row["row_key"] in found else said
    return found


def _of_members(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    found = Difference()
    for key, value in before.items():
        if key not in after:
            found.removed += 1
        elif after[key] != value:
            found.changed += 1
        else:
            found.same += 1
    found.added = sum(key not in before for key in after)
    changes = (Change(key, before.get(key), after.get(key)) for key in (*before, *(key for key in after if key not in before)))
    for change in changes:
        if change.before != change.after and len(found.shown) < SHOWN * 3:
            found.shown.append(change)
    return found


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """``{"a": [1]}`` -> ``{"a.0": 1}``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return {path: value}
    return {key: leaf for name, item in items for key, leaf in _flat(item, f"{path}.{name}" if path else str(name)).items()}


def _files(workspace: Workspace, item: Artifact) -> dict[str, Any]:
    """path -> SHA-256, as the manifest of a folder has it."""
    from pickaxe.flows.demo_data import digest_of

    path = workspace.files(item)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix() if file != path else file.name: digest_of(file)[:12] for file in files}
