"""The bill: what was spent by tenant, task, meter and day, proven against the pools' cost; and the bill of one artifact."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pickaxe.compute.planner.quantities.currency import HOME, Rate, Rates
from pickaxe.console import charts
from pickaxe.console.pages.plan import CURRENCIES
from pickaxe.console.site import Site
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Caller
from pickaxe.kernel.ledger.cost import Cost, cost_of
from pickaxe.kernel.ledger.spending import Spending, Spent, last_days
from pickaxe.kernel.ledger.statement import Statement
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import caller_of

SHOWN_DAYS = 30
SHOWN_TASKS = 7
SHOWN_MODELS = 8
SHOWN_POOLS = 20
SHOWN_RUNS = 200


def router(site: Site) -> APIRouter:
    routes, sums = site.router(), _Sums()

    @routes.get("/bill")
    def bill(
        request: Request,
        artifact: Annotated[str, Query(max_length=300)] = "",
        sums_too: Annotated[bool, Query(alias="sums")] = False,
    ) -> Response:
        """With `sums` the figures too: the first time they are added up over everything, so the page asks for them after it is shown."""
        workspace = site.workspace_of(request)
        if artifact:
            return site.page(
                request, "bill_artifact.html", cost=cost_of(workspace, workspace.artifact(artifact)), most_runs=SHOWN_RUNS
            )
        if not sums_too and not sums.has(workspace):
            return site.page(request, "bill.html", spent=None)
        spending = sums.of(workspace)
        spent, statements = spending.spent(), spending.statements()
        return site.page(
            request,
            "bill.html",
            spent=spent,
            dearest=max((sum(meters.values()) for meters in spent.tasks.values()), default=0),
            rate=_rate(site.language_of(request)),
            days=_days(spent, site.words_of(request)("bill.other")),
            tasks=sorted(spent.tasks.items(), key=lambda item: -sum(item[1].values())),
            meters=sorted(spent.meters.items(), key=lambda item: (-item[1][1], item[0])),
            statements=statements[::-1][:SHOWN_POOLS],
            pools=_total(statements),
            own=_own(spent, statements),
            tenants=_by_tenant(workspace, sums) if _sees_all(caller_of(request)) else {},
            models=_models(workspace),
        )

    return routes


class _Sums:
    """The kept sums of each tenant that looked at its bill."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._of: dict[str, Spending] = {}

    def has(self, workspace: Workspace) -> bool:
        return workspace.tenant_id in self._of

    def of(self, workspace: Workspace) -> Spending:
        with self._turn:
            return self._of.setdefault(workspace.tenant_id, Spending(workspace))


def _sees_all(caller: Caller) -> bool:
    """An admin of the first tenant, who runs the pools, sees what each of them was charged."""
    return caller.tenant_id == LOCAL_TENANT and caller.may("admin")


def _by_tenant(workspace: Workspace, sums: _Sums) -> dict[str, int]:
    """Name -> what it was charged, the largest first; empty when there is one tenant."""
    everybody = Access.of(workspace.catalog).tenants()
    charged = {tenant.name: sums.of(workspace.for_tenant(tenant.id)).spent().charged for tenant in everybody}
    return dict(sorted(charged.items(), key=lambda item: -item[1])) if len(charged) > 1 else {}


def _total(statements: Sequence[Statement]) -> Statement:
    cost, charged, idle = (sum(getattr(item, name) for item in statements) for name in ("cost", "charged", "idle"))
    return Statement("", "", cost, charged, idle)


def _own(spent: Spent, statements: Sequence[Statement]) -> int:
    """What this tenant was charged for the pools' time; the rest of what they charged is other tenants'."""
    resources = {item.resource for item in statements}
    return sum(nano for (meter, _), (_, nano) in spent.meters.items() if meter in resources)


def _rate(language: str) -> Rate | None:
    """What a dollar is worth in the currency that readers of the language count in; None where that is the dollar."""
    currency = CURRENCIES[language]
    return Rates().rate(currency, datetime.now(UTC).date()) if currency != HOME else None


def _days(spent: Spent, other: str) -> charts.Spec | None:
    """The last days by task; small tasks and what no task spent are one."""
    days = last_days(spent, SHOWN_DAYS)
    if not days:
        return None
    largest = sorted((name for name in spent.tasks if name), key=lambda name: -sum(spent.tasks[name].values()))[:SHOWN_TASKS]
    rows: list[dict[str, object]] = []
    for day in days:
        of_day = spent.days.get(day, {})
        rows += [{"day": f"{day:%m-%d}", "name": name, "money": of_day.get(name, 0) / 1e9} for name in largest]
        rest = sum(nano for name, nano in of_day.items() if name not in largest)
        rows.append({"day": f"{day:%m-%d}", "name": other, "money": rest / 1e9})
    return charts.stacked_days(rows, names=[*largest, other])


def _models(workspace: Workspace) -> list[Cost]:
    """The newest published models with what they cost."""
    newest = workspace.log.list(kind="publish", limit=50, newest_first=True)
    ids = list(dict.fromkeys(event.subject for event in newest))[:SHOWN_MODELS]
    found = workspace.artifacts.many(ids)
    return [cost_of(workspace, found[id]) for id in ids if id in found]
