"""What it cost to give one answer: the cores that servers held in its hour, shared by the answers of that hour.

A core is held whether requests come or not, so the same answer is dear in a quiet hour and cheap in a busy one. What a line sends to
itself counts as answers too, but the cores of its own runs do not: they stand in the model's cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pickaxe.compute.planner.here.served import answers_of_all
from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.ledger.spare import SERVER
from pickaxe.kernel.ledger.tariff import HOUR_NS

if TYPE_CHECKING:
    from pickaxe.kernel.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AnswerPrice:
    """Of the hour in which an answer was given: what servers cost, and how many answers they gave, to all tenants. Money in nano-units."""

    hour_nano: int
    answers: int

    @property
    def nano(self) -> int:
        return round(self.hour_nano / self.answers)


def answer_price(workspace: Workspace, at: datetime) -> AnswerPrice | None:
    """The hour (UTC) around `at`, up to now.

    None when no server held a core in it, and for a tenant that does not run the pools: what others asked is not its to see.
    """
    if workspace.tenant_id != LOCAL_TENANT:
        return None
    begin = int(at.timestamp()) // 3600 * HOUR_NS
    end = min(begin + HOUR_NS, workspace.catalog.clock.now_ns())
    nano = workspace.ledger.held(f"{SERVER}-", begin, end).nano
    answers = answers_of_all(workspace, workspace.log.seq_before(begin), workspace.log.seq_before(end))
    return AnswerPrice(nano, answers) if nano and answers else None
