"""Money behind a server; the other side is `pickaxe.wire.native.routes_money`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.ledger import Charge
from pickaxe.kernel.ledger.statement import Statement
from pickaxe.wire.native.api import PAGE, Api
from pickaxe.wire.native.routes_money import ChargeInfo, PriceInfo, StatementInfo

if TYPE_CHECKING:
    from pickaxe.kernel.ledger.tariff import Tariff


class RemoteLedger:
    """What `pickaxe.kernel.ledger.ledger.Ledger` has for whoever pays, over HTTP."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def charges(self, holders: Sequence[str] | None = None) -> list[Charge]:
        asked = [None] if holders is None else holders
        return [
            ChargeInfo.model_validate(item).noun()
            for holder in asked
            for item in self._api.pages("/v1/charges", holder=holder, limit=PAGE)
        ]

    def page(self, *, holder: str | None = None, after: str | None = None, limit: int = 100) -> tuple[list[Charge], str | None]:
        """As `pickaxe.kernel.ledger.ledger.Ledger.page`; of more than 1,000 in several requests."""
        items, following = self._api.some("/v1/charges", limit, after=after, holder=holder)
        return [ChargeInfo.model_validate(item).noun() for item in items], following

    def statements(self) -> list[Statement]:
        return [StatementInfo.model_validate(item).noun() for item in self._api.get("/v1/bill")["pools"]]

    def tariffs(self) -> dict[str, Tariff]:
        from pickaxe.kernel.ledger.tariff import Price, Tariff

        rows: dict[str, list[Price]] = {}
        for item in self._api.pages("/v1/prices", limit=PAGE):
            price = PriceInfo.model_validate(item).noun()
            rows.setdefault(price.meter, []).append(price)
        return {meter: Tariff(of_meter) for meter, of_meter in rows.items()}

    def set_price(self, meter: str, nano: int, per: int, *, source: str, currency: str = "USD") -> None:
        if currency != "USD":
            raise BadInput(f"prices are in USD here, not in {currency!r:.20}")
        self._api.post("/v1/prices", {"meter": meter, "nano": nano, "per": per, "source": source})
