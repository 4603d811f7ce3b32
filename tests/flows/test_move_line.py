"""A whole finished line carried to PostgreSQL and back: the same ids, digests and bill, and the line is not run again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import pickaxe
from pickaxe.kernel.ledger.cost import cost_of
from pickaxe.kernel.location import VARIABLES
from pickaxe.kernel.upkeep.move import move
from tests.flows.tiny import Finished
from tests.postgres import shared_server

pytestmark = pytest.mark.slow


def facts(place: Path) -> dict[str, Any]:
    """What people and other programs hold a workspace by."""
    with pickaxe.open(place, mode="r") as workspace:
        found = workspace.artifacts.list()
        model = workspace.artifact("tiny/model@production")
        charges = workspace.ledger.charges()
        return {
            "artifacts": found,
            "runs": workspace.runs.list(limit=10_000),
            "events": Counter(
                (event.seq, event.kind, event.subject, repr(event.body)) for event in workspace.events(limit=100_000)
            ),
            "bill": sorted(map(repr, charges)),
            "total": sum(charge.nano or 0 for charge in charges),
            "statements": workspace.ledger.statements(),
            "cost": (cost_of(workspace, model).full, cost_of(workspace, model).marginal),
            "tables": {item.id: workspace.read_table(item).num_rows for item in found if item.stored == "table"},
        }


def test_a_finished_line_goes_to_postgres_and_back(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = facts(finished.workspace)
    there = move(finished.workspace, tmp_path / "there", {"catalog": shared_server().empty_url()})
    assert facts(tmp_path / "there") == before
    back = move(tmp_path / "there", tmp_path / "back", {})
    assert facts(tmp_path / "back") == before
    assert there == back
    assert there.tables == len(before["tables"])
    assert before["total"] > 0
    print({name: rows.count for name, rows in there.rows.items() if rows.count}, there.tables, there.blobs, before["total"])
