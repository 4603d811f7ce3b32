"""The bill by tenant: for an admin of the tenant that runs the pools, and for nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

import pickaxe
from pickaxe.compute.planner.energy import grid, metered
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Role
from pickaxe.kernel.ledger.ledger import Usage
from pickaxe.kernel.workspace import Workspace
from tests.compute import steps
from tests.console.site import application, caller


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """With another tenant. People's time costs one unit of money a second: `local` was charged 2, `acme` 6."""
    with pickaxe.open(tmp_path_factory.mktemp("two") / "workspace") as workspace:
        tenant = Access.of(workspace.catalog).add_tenant("acme", admin="root", password="a long enough password")
        workspace.ledger.set_price("human_ms", 10**9, 1000, source="a test")
        for view, milliseconds in ((workspace, 2_000), (workspace.for_tenant(tenant.id), 6_000)):
            with view.catalog.write() as connection:
                view.ledger.record(connection, "somebody", 1, [Usage("human_ms", milliseconds, "measured", "a watch")])
        yield workspace


def page(workspace: Workspace, role: Role, tenant: str = LOCAL_TENANT) -> str:
    with TestClient(application(workspace, caller(role, tenant)), base_url="http://localhost") as client:
        answer = client.get("/bill?sums=1")
    assert answer.status_code == 200
    return answer.text


def test_an_admin_of_the_first_tenant_sees_what_each_was_charged(two: Workspace) -> None:
    shown = page(two, Role.ADMIN)
    table = shown.partition('id="tenants-title"')[2].partition("</section>")[0]
    assert table.index("acme") < table.index("local")
    assert "$6.00" in table
    assert "$2.00" in table
    assert "75%" in table


def test_nobody_else_does(two: Workspace) -> None:
    assert "tenants-title" not in page(two, Role.EDITOR)
    theirs = page(two, Role.ADMIN, Access.of(two.catalog).tenant("acme").id)
    assert "tenants-title" not in theirs
    assert "$2.00" not in theirs


def test_one_tenant_alone_is_no_table(empty: Workspace) -> None:
    assert "tenants-title" not in page(empty, Role.ADMIN)


def test_readers_of_chinese_see_what_it_is_about_in_yuan(two: Workspace) -> None:
    with TestClient(application(two, caller()), base_url="http://localhost") as client:
        chinese = client.get("/bill?sums=1", headers={"accept-language": "zh"}).text
        english = client.get("/bill?sums=1").text
    assert re.search(r"约 ¥14\.\d\d（1 美元 = 7\.\d+", chinese), "two dollars and a little of the pool"
    assert "$2.0" in chinese, "the bill itself stays in dollars"
    assert "¥" not in english


def test_a_run_says_what_its_energy_emitted(client: TestClient, empty: Workspace) -> None:
    """At 473 g a kWh: 3.6 kJ are 1 Wh and 473 mg, and with 1,000 tokens 3.6 J each."""
    run = empty.run(steps.read, steps.Read(texts=1), name="toy/read").run
    with empty.catalog.write() as connection:
        read = [Usage("energy_mj", 3_600_000, "measured", "a meter"), Usage("tokens", 1_000, "measured", "counted")]
        empty.ledger.record(connection, "met", 1, read)
    shown = client.get(f"/runs/{run.id}").text
    assert "CO₂" in shown
    assert "a token" in shown
    assert str(metered(empty.ledger.charges([run.id]), grid("world")).carbon).removesuffix("CO2") in shown
    assert str(metered(empty.ledger.charges(["met"]), grid("world"))) == "1 Wh, 0.473 gCO2 (measured), 3.6 J a token"
    assert "二氧化碳" in client.get(f"/runs/{run.id}", headers={"accept-language": "zh"}).text
