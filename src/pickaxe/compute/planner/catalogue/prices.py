"""Market prices of accelerators as dated rows: who asks how much for one device and hour, from which day on.

The rows that ship are list prices with their source; a user's own rows of the same form (the field `prices`, `--prices FILE`) replace them,
and the field `price` stands above all rows.
A range over the sellers of a day is what the planner takes when no price is given.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pickaxe.compute.planner.catalogue import hardware
from pickaxe.compute.planner.quantities.checks import amount, one_of, only_keys
from pickaxe.compute.planner.quantities.units import DevicePrice
from pickaxe.compute.planner.words import Note, note
from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.toml_text import values_in

KINDS = ("on demand", "reserved", "spot")
CHOSEN = ("prices", "price_kind")
"""The fields by which a scenario chooses among rows."""
_UNCONFIRMED = "Unconfirmed"
"""How the source of a price begins that was found at no address."""
_KEYS = ("hardware", "kind", "since", "price", "seller", "source")


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One seller's price of one device for an hour, from a day until the seller's next row."""

    hardware: str
    kind: str
    since: date
    price: DevicePrice
    seller: str
    source: str


def market(rows: Iterable[PriceRow], device: str, kind: str, on: date) -> list[PriceRow]:
    """Each seller's row that held on a day, cheapest first."""
    latest: dict[str, PriceRow] = {}
    for row in sorted(rows, key=lambda row: row.since):
        if (row.hardware, row.kind) == (device, kind) and row.since <= on:
            latest[row.seller] = row
    return sorted(latest.values(), key=lambda row: float(row.price))


def usual_range(rows: Iterable[PriceRow], device: str, kind: str, on: date) -> tuple[DevicePrice, DevicePrice] | None:
    """Cheapest and dearest asking price of a day; None where no row is known."""
    found = market(rows, device, kind, on)
    return (found[0].price, found[-1].price) if found else None


def hearsay(rows: Iterable[PriceRow], device: str, kind: str, on: date) -> list[Note]:
    """A note for each end of `usual_range` that was found at no address, so that who reads the forecast knows what it rests on."""
    found = market(rows, device, kind, on)
    ends = dict.fromkeys((found[0], found[-1])) if found else {}
    return [
        note("price_unconfirmed", price=row.price, seller=row.seller, device=device, since=row.since.isoformat())
        for row in ends
        if row.source.startswith(_UNCONFIRMED)
    ]


@cache
def _shipped_document() -> dict[str, Any]:
    return tomllib.loads(files("pickaxe.compute.planner").joinpath("data", "prices.toml").read_text(encoding="utf-8"))


@cache
def shipped_prices() -> tuple[PriceRow, ...]:
    return parse_prices({"price": _shipped_document()["price"]}, where="prices.toml")


@cache
def purchase_ranges() -> dict[str, tuple[str, str]]:
    """Device -> what buyers are said to have paid for one, lowest and highest."""
    document = _shipped_document()["purchase"]
    return {device: (low, high) for device, (low, high) in document.items()}


def token_price(model: str) -> tuple[str, str] | None:
    """List price of a model behind an API, tokens in and out; None where it is not listed."""
    for row in _shipped_document()["tokens"]:
        if row["model"] == model:
            return row["price_in"], row["price_out"]
    return None


def prices_of(scenario: Mapping[str, Any]) -> tuple[PriceRow, ...]:
    """What sellers ask: the rows that ship, and for each device that the scenario's own `prices` name, those instead. Raises `BadInput`."""
    given = scenario.get("prices")
    if given is None:
        return shipped_prices()
    device = scenario.get("device")
    own_device = str(device.get("name", "own device")) if isinstance(device, Mapping) else None
    own = tuple(
        row if row.hardware == own_device else replace(row, hardware=hardware.find(row.hardware).key)
        for row in parse_prices({"price": given}, where="prices")
    )
    replaced = {row.hardware for row in own}
    return (*own, *(row for row in shipped_prices() if row.hardware not in replaced))


def kind_of(scenario: Mapping[str, Any]) -> str:
    """Which of a device's prices a scenario pays: on demand unless it says another. Raises `BadInput`."""
    return one_of("price_kind", scenario.get("price_kind", KINDS[0]), KINDS)


def read_prices(path: Path) -> list[dict[str, Any]]:
    """The rows of a TOML file, for the field `prices`. Raises `BadInput` naming row and field."""
    document = values_in(path, expected="a TOML file of [[price]] rows")
    parse_prices(document, where=path.name)
    return document.get("price", [])


def parse_prices(document: dict[str, Any], *, where: str) -> tuple[PriceRow, ...]:
    """Rows of a parsed TOML document. Raises `BadInput` naming row and field."""
    only_keys(where, document, ["price"])
    rows = document.get("price", [])
    if not isinstance(rows, list):
        raise BadInput(f"{where} is no list of rows", expected=f"tables of {', '.join(_KEYS)}", got=repr(rows)[:80])
    return tuple(_row(f"{where}, price {number}", entry) for number, entry in enumerate(rows, 1))


def _row(where: str, entry: Any) -> PriceRow:
    if not isinstance(entry, dict):
        raise BadInput(f"{where} is not a table", expected=", ".join(_KEYS))
    only_keys(where, entry, _KEYS)
    missing = [key for key in ("hardware", "since", "price") if key not in entry]
    if missing:
        raise BadInput(f"{where} lacks {', '.join(missing)}", expected=", ".join(_KEYS))
    try:
        since = entry["since"] if isinstance(entry["since"], date) else date.fromisoformat(entry["since"])
    except (TypeError, ValueError):
        since = repr(entry["since"])
        raise BadInput(f"{where}: since is not a day", expected="a day such as 2024-06-30", got=since) from None
    return PriceRow(
        str(entry["hardware"]),
        one_of(f"{where}: kind", entry.get("kind", "on demand"), KINDS),
        since,
        amount(f"{where}: price", entry["price"], DevicePrice),
        str(entry.get("seller", "own")),
        str(entry.get("source", "own")),
    )
