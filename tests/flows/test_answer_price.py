"""What an answer cost to give: the servers' cores of its hour, shared by the answers of that hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pickaxe.flows.answer_price import answer_price
from pickaxe.kernel.ledger.spare import SERVER
from pickaxe.kernel.ledger.tariff import HOUR_NS
from pickaxe.kernel.system.clock import SECOND
from pickaxe.kernel.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "ws") as opened:
        yield opened


def answered(workspace: Workspace, count: int) -> None:
    workspace.emit_many([{"kind": "trace", "subject": f"{number:032x}", "name": "spam"} for number in range(count)])


def test_answers_of_an_hour_share_what_servers_held_in_it(workspace: Workspace) -> None:
    now = datetime.now(UTC)
    answered(workspace, 4)
    with workspace.engine.hold(f"{SERVER}-a", 1), workspace.engine.hold("run-of-something-else", 1):
        running = answer_price(workspace, now)
    price = answer_price(workspace, now)
    assert running is not None
    assert price is not None
    (held,) = [charge for charge in workspace.ledger.charges([f"{SERVER}-a"]) if charge.meter == "cpu"]
    assert price.answers == running.answers == 4
    assert 0 < running.hour_nano <= price.hour_nano == held.nano
    assert price.nano == round(price.hour_nano / 4)


def test_a_lease_counts_for_its_part_of_the_hour(workspace: Workspace) -> None:
    begin = workspace.catalog.clock.now_ns()
    with workspace.engine.hold(f"{SERVER}-a", 1):
        pass
    end = workspace.catalog.clock.now_ns()
    middle = (begin + end) // 2
    parts = [workspace.ledger.held(SERVER, a, b).nano for a, b in ((begin - HOUR_NS, middle), (middle, end + HOUR_NS))]
    assert sum(parts) == workspace.ledger.held(SERVER, 0, end + SECOND).nano


def test_nobody_else_is_told_how_many_answers_all_got(workspace: Workspace) -> None:
    answered(workspace, 1)
    with workspace.engine.hold(f"{SERVER}-a", 1):
        pass
    other = workspace.members.add_tenant("other", admin="eve", password="a long enough password")
    assert answer_price(workspace.for_tenant(other.id), datetime.now(UTC)) is None


def test_an_hour_without_a_server_has_no_price(workspace: Workspace) -> None:
    answered(workspace, 1)
    assert answer_price(workspace, datetime.now(UTC)) is None
