"""What the evaluation steps ask of their tables, with errors that say where they do not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pickaxe.kernel.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 5


def require_columns(table: pa.Table, columns: Sequence[str], name: str) -> None:
    """Raise `BadInput` unless `table` has all `columns`."""
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise BadInput(
            f"{name} lacks the column(s) {', '.join(missing)}",
            expected=f"columns {', '.join(columns)}",
            got=f"columns {', '.join(table.column_names)}",
            remedy="hand over the table that the earlier step saved, unchanged",
        )


def require_unique(table: pa.Table, name: str) -> None:
    """Raise `BadInput` when a row_key occurs twice."""
    counts = Counter(table["row_key"].to_pylist())
    twice = sorted(str(key) for key, count in counts.items() if count > 1)
    if not twice:
        return
    raise BadInput(
        f"{name} has rows more than once",
        expected="unique row_keys",
        got=f"{len(twice)} repeated: {_some(twice)}",
        remedy="remove the repeated rows",
    )


def require_labels(table: pa.Table, name: str) -> None:
    """Raise `BadInput` when a row has no label."""
    if not table["label"].null_count:
        return
    keys = table.filter(table["label"].is_null())["row_key"].to_pylist()
    raise BadInput(
        f"{name} has rows without a label",
        expected="a label in every row",
        got=f"{len(keys)} without: {_some(keys)}",
        remedy="label these rows or leave them out",
    )


def aligned(table: pa.Table, like: pa.Table, name: str) -> pa.Table:
    """The rows of `table` that have the row_keys of `like`, in that order.

    Raises `BadInput` when one is missing.
    """
    import pyarrow as pa

    places = {key: index for index, key in enumerate(table["row_key"].to_pylist())}
    asked = like["row_key"].to_pylist()
    missing = [key for key in asked if key not in places]
    if missing:
        raise BadInput(
            f"{name} lacks {len(missing)} of the {like.num_rows} rows asked for",
            expected="every row_key",
            got=f"without {_some(missing)}",
            remedy=f"make {name} from the same rows",
        )
    return table.take(pa.array([places[key] for key in asked], type=pa.int64()))


def overlap(table: pa.Table, other: pa.Table) -> list[str]:
    """Row_keys of `table` whose row_key, or text up to case and white space, is in `other`; sorted."""
    keys = set(other["row_key"].to_pylist())
    texts = {_folded(text) for text in other["text"].to_pylist()} if "text" in other.column_names else set[str]()
    own = table["text"].to_pylist() if "text" in table.column_names else [None] * table.num_rows
    return sorted(
        key
        for key, text in zip(table["row_key"].to_pylist(), own, strict=True)
        if key in keys or (text is not None and _folded(text) in texts)
    )


def refuse_overlap(table: pa.Table, other: pa.Table, *, what: str, other_name: str) -> None:
    """Raise `BadInput` that names the shared rows."""
    shared = overlap(table, other)
    if shared:
        raise BadInput(
            f"{len(shared)} {what} rows are among {other_name}",
            expected="no shared row or text",
            got=_some(shared),
            remedy=f"draw the {what} rows before training and keep them apart",
        )


def _folded(text: str | None) -> str:
    return " ".join((text or "").casefold().split())


def _some(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(str(key) for key in keys[:SHOWN]) + more
