"""SQL over everything a tenant has: its tables by reference, and its records (runs, artifacts, events, traces, charges) by name.

``SELECT label, count(*) FROM "headlines/auto_labels@production" GROUP BY label``: a table is named as everywhere else, in quotes where
SQL wants them. Older versions are there too (``"headlines/rows:1"``): a version is what time travel is made of here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pickaxe.flows.records import RECORDS
from pickaxe.kernel.errors import BadInput, NotFound
from pickaxe.kernel.nearest import did_you_mean
from pickaxe.kernel.tables.turns import Turns

if TYPE_CHECKING:
    import pyarrow as pa

    from pickaxe.kernel.tables.sql import SqlLimits
    from pickaxe.kernel.tables.streamed import Streamed
    from pickaxe.kernel.workspace import Workspace


_TURNS = Turns(each=2, most=4, waiting=4, seconds=5.0, what="queries")
"""Each may take a core and a gigabyte for as long as its time is."""


def query(workspace: Workspace, sql: str, params: Sequence[Any] = (), *, limits: SqlLimits | None = None) -> pa.Table:
    """The answer to one SELECT over the tables it names; nothing else can be reached from it.

    Raises `BadInput` (a mistake in the query, a limit reached, an artifact that is no table), `NotFound` (no such table) and
    `Unavailable` (too many queries are under way).
    """
    from pickaxe.kernel.tables.sql import SqlLimits, answer, tables_named

    wanted = tables_named(sql)
    with _TURNS.of(workspace.tenant_id):
        return answer(sql, {name: _table(workspace, name) for name in wanted}, params, limits or SqlLimits())


def _table(workspace: Workspace, name: str) -> pa.Table | Streamed:
    if name in RECORDS:
        return RECORDS[name](workspace)
    try:
        artifact = workspace.artifact(name)
    except NotFound as error:
        if not error.message.startswith("no artifact"):  # the name is known, its version or alias is not
            raise
        raise NotFound(
            f"no table {name!r:.120}",
            expected=f"a table's name, in double quotes where it has more than letters, digits and _; or one of {', '.join(RECORDS)}",
            remedy=did_you_mean(name, RECORDS) or error.remedy,
            see="data",
            reason="no_table",
            name=name[:120],
            records=", ".join(RECORDS),
        ) from None
    if artifact.stored != "table":
        raise BadInput(f"{artifact.ref} is not a table", expected="a table artifact", got=artifact.stored, see="data")
    return workspace.stream(artifact)
