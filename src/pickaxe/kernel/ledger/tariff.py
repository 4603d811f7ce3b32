"""Prices: dated rows of a meter, and what they make of time and of quantities."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

HOUR_NS = 3_600 * 1_000_000_000

DEFAULT_PRICES = {
    "cpu": (40_000_000, HOUR_NS, "default: $0.04 a core-hour, memory and energy included; replace with yours: pickaxe price"),
    "human_ms": (20_000_000_000, 3_600_000, "default: $20 an hour of labelling; replace with yours: pickaxe price"),
    "stored_bytes": (
        23_000_000,
        10**9,
        "default: $0.023 a GB, one month, charged when stored; replace with yours: pickaxe price",
    ),
}


WITHOUT_PRICE = {"tokens": 1_000_000}
"""Meters that cost nothing until somebody sets a price, as the cores that read them are paid; and the units that it is usually for."""


@dataclass(frozen=True, slots=True)
class Price:
    """`nano` billionths of a unit of `currency` for `per` units of the meter, from an instant on."""

    meter: str
    valid_from_ns: int
    nano: int
    per: int
    currency: str
    source: str


class Tariff:
    """The price rows of one meter as a function of time."""

    def __init__(self, rows: Sequence[Price]) -> None:
        self.rows = sorted(rows, key=lambda row: row.valid_from_ns)

    def up_to(self, at_ns: int) -> int:
        """F(t): the price of one unit held from the epoch to `at_ns`."""
        total = 0
        for row, after in zip_longest(self.rows, self.rows[1:]):
            until = at_ns if after is None else min(at_ns, after.valid_from_ns)
            if until > row.valid_from_ns:
                total += row.nano * until // row.per - row.nano * row.valid_from_ns // row.per
        return total

    def held(self, start_ns: int, end_ns: int) -> int:
        """Price of one unit held over [start_ns, end_ns)."""
        return self.up_to(end_ns) - self.up_to(start_ns)

    def quantity(self, amount: int, at_ns: int) -> int | None:
        """Price of a metered quantity at an instant, None without a price."""
        index = bisect_right([row.valid_from_ns for row in self.rows], at_ns)
        if index == 0:
            return None
        row = self.rows[index - 1]
        return (2 * row.nano * amount + row.per) // (2 * row.per)


def priceable(tariffs: Mapping[str, Tariff]) -> dict[str, int]:
    """Meters that may be given a price, and the units that it was for last."""
    return WITHOUT_PRICE | {meter: tariff.rows[-1].per for meter, tariff in tariffs.items()}
