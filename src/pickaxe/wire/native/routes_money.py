"""Money: the bill, what an artifact cost, prices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pickaxe.compute.planner import energy
from pickaxe.compute.planner.energy import WORLD, Footprint
from pickaxe.compute.planner.quantities.units import Carbon, CarbonIntensity, Joules, Tokens
from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.cost import Cost, RunCost, cost_of
from pickaxe.kernel.ledger.ledger import Charge
from pickaxe.kernel.ledger.statement import Statement
from pickaxe.kernel.ledger.tariff import Price, priceable
from pickaxe.kernel.paging import keyed
from pickaxe.serve.access import operator_of
from pickaxe.serve.auditing import note
from pickaxe.serve.http import RequestBody, reply
from pickaxe.wire.native import examples
from pickaxe.wire.native.door import After, Door, Limit, declared, page_reply
from pickaxe.wire.native.nouns import ArtifactInfo, Page, artifact_json


class ChargeInfo(BaseModel):
    """What a holder owes for one meter; `nano` (billionths of a dollar) is null where another meter covers it."""

    holder: str
    meter: str
    quantity: int
    basis: str
    nano: int | None = None

    def noun(self) -> Charge:
        return Charge(**dict(self))


class MeterSum(BaseModel):
    meter: str
    basis: str
    quantity: int
    nano: int


class StatementInfo(BaseModel):
    """One pool reconciled: charged + idle = cost."""

    pool_id: str
    resource: str
    cost: int
    charged: int
    idle: int

    def noun(self) -> Statement:
        return Statement(**dict(self))


class Bill(BaseModel):
    currency: str = "USD"
    meters: list[MeterSum]
    pools: list[StatementInfo]
    charged: int = Field(description="nano, this tenant's")
    idle: int = Field(description="nano, of the pools, whoever used them")


class FootprintInfo(BaseModel):
    """What was drawn at the wall, and what making it emitted."""

    joules: float
    grams_co2e: float
    basis: Literal["measured", "partly measured", "estimated"]
    tokens: float | None = Field(default=None, description="that models read; null where none were counted")
    joules_per_token: float | None = None
    grams_co2e_per_token: float | None = None
    text: str = Field(description="for people")

    def noun(self) -> Footprint:
        tokens = None if self.tokens is None else Tokens(self.tokens)
        return Footprint(Joules(self.joules), Carbon(self.grams_co2e), self.basis, tokens)


class RunCostInfo(BaseModel):
    run_id: str
    name: str
    charges: list[ChargeInfo]
    shared_with: str | None = None
    footprint: FootprintInfo | None = Field(default=None, description="null where no meter read energy")

    def noun(self) -> RunCost:
        return RunCost(self.run_id, self.name, tuple(charge.noun() for charge in self.charges), self.shared_with)


class CostInfo(BaseModel):
    """Everything upstream of an artifact, priced; money in nano."""

    artifact: ArtifactInfo
    full: int
    marginal: int
    rule: str
    runs: list[RunCostInfo]
    grid: str = Field(default=WORLD, description="whose electricity is taken to have been drawn")
    footprint: FootprintInfo | None = Field(default=None, description="of all the runs; null where no meter read energy")

    def noun(self) -> Cost:
        return Cost(self.artifact.noun(), tuple(run.noun() for run in self.runs), self.rule)


class PriceInfo(BaseModel):
    """`nano` billionths of `currency` for `per` units, from an instant (nanoseconds) on."""

    meter: str
    valid_from_ns: int
    nano: int
    per: int
    currency: str
    source: str

    def noun(self) -> Price:
        return Price(**dict(self))


class NewPrice(RequestBody):
    meter: str = Field(min_length=1, max_length=100)
    nano: int = Field(ge=0, lt=2**62)
    per: int = Field(ge=1, lt=2**62)
    source: str = Field(default="set by hand", max_length=300)


_CHARGE = {"holder": examples.RUN["id"], "meter": "cpu", "quantity": 3_000_000_000, "basis": "measured", "nano": 33333}
_STATEMENT = {"pool_id": "pool-1a2b3c", "resource": "cpu", "cost": 100_000, "charged": 33_333, "idle": 66_667}
_PRICE = {
    "meter": "cpu",
    "valid_from_ns": 0,
    "nano": 40_000_000,
    "per": 3_600_000_000_000,
    "currency": "USD",
    "source": "default",
}
_FOOTPRINT = {
    "joules": 45.0,
    "grams_co2e": 0.0059,
    "basis": "estimated",
    "tokens": 9000.0,
    "joules_per_token": 0.005,
    "grams_co2e_per_token": 6.6e-07,
    "text": "45 J, 5.9 mgCO2",
}
_COST = {
    "artifact": examples.ARTIFACT,
    "full": 33333,
    "marginal": 33333,
    "rule": "whole",
    "runs": [
        {
            "run_id": examples.RUN["id"],
            "name": "headlines/gate",
            "charges": [_CHARGE],
            "shared_with": None,
            "footprint": _FOOTPRINT,
        }
    ],
    "grid": WORLD,
    "footprint": _FOOTPRINT,
}
_BILL = {
    "currency": "USD",
    "meters": [{"meter": "cpu", "basis": "measured", "quantity": 3_000_000_000, "nano": 33_333}],
    "pools": [_STATEMENT],
    "charged": 33_333,
    "idle": 66_667,
}


def router(door: Door) -> APIRouter:
    routes = APIRouter(prefix="/v1", tags=["money"])

    @routes.get("/bill", summary="The whole bill", **declared("read", Bill, _BILL))
    def bill(request: Request) -> Response:
        workspace = door.seen(request)
        # What a pool cost in all, and its idle time, are the business of who runs it.
        pools = workspace.ledger.statements() if workspace.tenant_id == LOCAL_TENANT else []
        meters = _by_meter(workspace.ledger.charges())
        data = {
            "currency": "USD",
            "meters": meters,
            "pools": [_statement(item) for item in pools],
            "charged": sum(item["nano"] for item in meters),
            "idle": sum(item.idle for item in pools),
        }
        return reply(request, data)

    @routes.get("/charges", summary="Who owes what", **declared("read", Page[ChargeInfo], examples.page(_CHARGE)))
    def charges(
        request: Request,
        holder: Annotated[
            str | None, Query(max_length=300, description="a run, an endpoint's or a server's id; without it all")
        ] = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Response:
        """What was held, then what meters read. A holder may have several of a meter: one for each attempt."""
        found, following = door.seen(request).ledger.page(holder=holder, after=after, limit=limit)
        return page_reply(request, [_charge(item) for item in found], following)

    @routes.get("/cost/{ref:path}", summary="What an artifact cost", **declared("read", CostInfo, _COST))
    def cost(
        ref: str,
        request: Request,
        grid: Annotated[
            str, Query(max_length=100, description="whose electricity was drawn, for the CO2: a country or region")
        ] = WORLD,
    ) -> Response:
        """The runs it was made from, in full and what it added; and the energy that meters read or estimated of them."""
        workspace, intensity = door.seen(request), energy.grid(grid)
        return reply(request, cost_json(cost_of(workspace, workspace.artifact(ref)), grid, intensity))

    @routes.get("/prices", summary="Prices", **declared("read", Page[PriceInfo], examples.page(_PRICE)))
    def prices(request: Request, after: After = None, limit: Limit = 100) -> Response:
        """By meter, and of each the oldest first."""
        rows = [row for tariff in door.seen(request).ledger.tariffs().values() for row in tariff.rows]
        found, following = keyed(rows, lambda row: f"{row.meter} {row.valid_from_ns:020}", after, limit)
        return page_reply(request, [_price(row) for row in found], following)

    @routes.post(
        "/prices",
        summary="Set a price from now on",
        **declared(
            "admin",
            list[PriceInfo],
            [_PRICE],
            status=201,
            form=NewPrice,
            body_example={"meter": "cpu", "nano": 50_000_000, "per": 3_600_000_000_000, "source": "contract 7"},
        ),
    )
    def set_price(request: Request, given: NewPrice = door.body(NewPrice)) -> Response:
        """What was charged before stays as it was. For all tenants, so by who runs the server."""
        operator_of(request)
        ledger = door.seen(request).ledger
        known = priceable(ledger.tariffs())
        if given.meter not in known:
            raise BadInput(f"no meter {given.meter!r:.100} has a price", expected=f"one of {', '.join(known)}")
        note(request, given.meter, meter=given.meter, nano=given.nano, per=given.per)
        ledger.set_price(given.meter, given.nano, given.per, source=given.source)
        return reply(request, [_price(row) for row in ledger.tariffs()[given.meter].rows], status=201)

    return routes


def cost_json(cost: Cost, grid: str, intensity: CarbonIntensity) -> dict[str, Any]:
    return {
        "artifact": artifact_json(cost.artifact),
        "full": cost.full,
        "marginal": cost.marginal,
        "rule": cost.rule,
        "runs": [
            {
                "run_id": run.run_id,
                "name": run.name,
                "charges": [_charge(item) for item in run.charges],
                "shared_with": run.shared_with,
                "footprint": _footprint(run.charges, intensity),
            }
            for run in cost.runs
        ],
        "grid": grid,
        "footprint": _footprint([charge for run in cost.runs for charge in run.charges], intensity),
    }


def _footprint(charges: Sequence[Charge], intensity: CarbonIntensity) -> dict[str, Any] | None:
    found = energy.metered(charges, intensity)
    return None if found.basis == "unknown" else found.as_dict()


def _by_meter(charges: list[Charge]) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str], list[int]] = {}
    for charge in charges:
        if charge.nano is not None:
            total = sums.setdefault((charge.meter, charge.basis), [0, 0])
            total[0] += charge.quantity
            total[1] += charge.nano
    return [
        {"meter": meter, "basis": basis, "quantity": quantity, "nano": nano}
        for (meter, basis), (quantity, nano) in sorted(sums.items())
    ]


def _charge(item: Charge) -> dict[str, Any]:
    return {"holder": item.holder, "meter": item.meter, "quantity": item.quantity, "basis": item.basis, "nano": item.nano}


def _statement(item: Statement) -> dict[str, Any]:
    return {"pool_id": item.pool_id, "resource": item.resource, "cost": item.cost, "charged": item.charged, "idle": item.idle}


def _price(row: Price) -> dict[str, Any]:
    told = {"meter": row.meter, "valid_from_ns": row.valid_from_ns, "nano": row.nano, "per": row.per}
    return told | {"currency": row.currency, "source": row.source}
