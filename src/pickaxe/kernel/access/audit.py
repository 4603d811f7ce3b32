"""The audit log: who changed what, on which thing, from where, and how it ended. Events of kind ``audit``; never a secret.

`subject` is what was changed, `name` the action, `value` the HTTP status or the exit status of a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pickaxe.kernel.access.scopes import Caller

if TYPE_CHECKING:
    from pickaxe.kernel.events import Events

KIND = "audit"
_LONGEST = 300


def record(
    log: Events,
    by: Caller | None,
    action: str,
    on: str,
    outcome: int,
    *,
    through: Literal["api", "console", "cli", "sign-in"],
    origin: str,
    **details: Any,
) -> None:
    """Append one entry to the log of the caller's tenant; when this returns it survives a kill.

    `origin` is a network address, or the name of the machine. `by` is None for somebody who did not get in.
    """
    who = {"principal_id": by.principal_id, "who": by.name, "as": by.kind, "key_id": by.key_id} if by else {}
    body = {**who, "through": through, "origin": origin[:_LONGEST], **details}
    log.emit(KIND, on[:_LONGEST], name=action[:_LONGEST], value=float(outcome), body=body)
