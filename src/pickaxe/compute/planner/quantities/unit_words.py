"""The words of units: scales, what each is worth in base units, and how each dimension is written."""

from __future__ import annotations

from typing import Final

Dimension = tuple[tuple[str, int], ...]
"""Base units with their powers, sorted by name: bytes per second is (("B", 1), ("s", -1)); a plain number is ()."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
SI: Final = {
    "n": 1e-9,
    "u": 1e-6,
    "µ": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Z": 1e21,
    "Y": 1e24,
}
IEC: Final = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
COUNT: Final = {
    "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12,
    "thousand": 1e3, "million": 1e6, "billion": 1e9, "bn": 1e9, "trillion": 1e12, "万": 1e4, "亿": 1e8,
}  # fmt: skip
WORDS: Final[dict[str, tuple[float, Dimension]]] = {
    **dict.fromkeys(("FLOP", "FLOPs", "flop", "flops"), (1.0, (("FLOP", 1),))),
    "FLOPS": (1.0, (("FLOP", 1), ("s", -1))),
    **dict.fromkeys(("OP", "OPs"), (1.0, (("FLOP", 1),))),
    "OPS": (1.0, (("FLOP", 1), ("s", -1))),
    **dict.fromkeys(("B", "byte", "bytes"), (1.0, (("B", 1),))),
    "Bps": (1.0, (("B", 1), ("s", -1))),
    **dict.fromkeys(("b", "bit", "bits"), (0.125, (("B", 1),))),
    **dict.fromkeys(("bps", "bitps"), (0.125, (("B", 1), ("s", -1)))),
    **dict.fromkeys(("s", "sec", "second", "seconds"), (1.0, (("s", 1),))),
    **dict.fromkeys(("min", "minute", "minutes"), (MINUTE, (("s", 1),))),
    **dict.fromkeys(("h", "hr", "hour", "hours"), (HOUR, (("s", 1),))),
    **dict.fromkeys(("d", "day", "days"), (DAY, (("s", 1),))),
    **dict.fromkeys(("week", "weeks"), (7 * DAY, (("s", 1),))),
    **dict.fromkeys(("month", "months"), (365.25 / 12 * DAY, (("s", 1),))),
    **dict.fromkeys(("year", "years", "yr"), (365.25 * DAY, (("s", 1),))),
    **dict.fromkeys(("token", "tokens", "tok"), (1.0, (("token", 1),))),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), (1.0, (("param", 1),))),
    "J": (1.0, (("J", 1),)),
    "W": (1.0, (("J", 1), ("s", -1))),
    "Wh": (HOUR, (("J", 1),)),
    **dict.fromkeys(("GPU", "GPUs", "TPU", "TPUs", "device", "devices", "chip", "chips", "accelerator", "card"), (1.0, (("device", 1),))),
    **dict.fromkeys(("gCO2", "gCO2e"), (1.0, (("gCO2", 1),))),
    **dict.fromkeys(("tCO2", "tCO2e"), (1e6, (("gCO2", 1),))),
    **dict.fromkeys(("user", "users"), (1.0, (("user", 1),))),
    **dict.fromkeys(("call", "calls", "request", "requests"), (1.0, (("call", 1),))),
    **{word: (1.0, ((code, 1),)) for word, code in {
        "$": "USD", "USD": "USD", "US$": "USD", "¥": "CNY", "CNY": "CNY", "RMB": "CNY", "元": "CNY",
        "€": "EUR", "EUR": "EUR", "£": "GBP", "GBP": "GBP", "JPY": "JPY",
    }.items()},
}  # fmt: skip
PREFIXED: Final = (
    "FLOP",
    "FLOPs",
    "FLOPS",
    "OP",
    "OPs",
    "OPS",
    "B",
    "Bps",
    "bit",
    "b",
    "bps",
    "J",
    "W",
    "Wh",
    "s",
    "gCO2",
    "gCO2e",
    "tCO2",
    "token",
    "tok",
)
NAMES: Final[dict[Dimension, str]] = {
    (): "a plain number",
    (("FLOP", 1),): "operations (FLOP)",
    (("FLOP", 1), ("s", -1)): "operations per second (FLOP/s)",
    (("B", 1),): "bytes",
    (("B", 1), ("s", -1)): "bytes per second",
    (("s", 1),): "a time",
    (("token", 1),): "tokens",
    (("s", -1), ("token", 1)): "tokens per second",
    (("param", 1),): "a number of parameters",
    (("J", 1),): "energy",
    (("J", 1), ("s", -1)): "power",
    (("device", 1),): "a number of devices",
    (("device", 1), ("s", 1)): "device time (GPU-hours)",
    (("gCO2", 1),): "mass of CO2",
    (("J", -1), ("gCO2", 1)): "CO2 per energy",
    (("USD", 1),): "US dollars",
    (("CNY", 1),): "yuan",
    (("EUR", 1),): "euros",
    (("USD", 1), ("device", -1), ("s", -1)): "dollars per device and time",
    (("USD", 1), ("token", -1)): "dollars per token",
    (("J", -1), ("USD", 1)): "dollars per energy",
}
# How each dimension is written: the divisor in base units, and the word behind the number ("*" lets a scale letter in).
SHOWN: Final[dict[Dimension, tuple[float, str]]] = {
    (): (1.0, ""),
    (("FLOP", 1),): (1.0, "*FLOP"),
    (("FLOP", 1), ("s", -1)): (1.0, "*FLOP/s"),
    (("B", 1),): (1.0, "*B"),
    (("B", 1), ("s", -1)): (1.0, "*B/s"),
    (("token", 1),): (1.0, "# tokens"),
    (("s", -1), ("token", 1)): (1.0, "# tokens/s"),
    (("param", 1),): (1.0, "# params"),
    (("J", 1),): (HOUR, "*Wh"),
    (("J", 1), ("s", -1)): (1.0, "*W"),
    (("device", 1),): (1.0, "# GPU"),
    (("device", 1), ("s", 1)): (HOUR, "# GPU-h"),
    (("gCO2", 1),): (1.0, "*gCO2"),
    (("J", -1), ("gCO2", 1)): (1 / 3.6e6, " gCO2/kWh"),
}
SYMBOLS: Final = {"USD": "$", "CNY": "¥", "EUR": "€", "GBP": "£"}
for _code, _symbol in SYMBOLS.items():
    SHOWN[((_code, 1),)] = (1.0, _symbol)
    SHOWN[((_code, 1), ("device", -1), ("s", -1))] = (1 / HOUR, f"{_symbol} /GPU-h")
    SHOWN[((_code, 1), ("token", -1))] = (1e-6, f"{_symbol} /M tokens")
    SHOWN[tuple(sorted(((_code, 1), ("J", -1))))] = (1 / 3.6e6, f"{_symbol} /kWh")
TONNES: Final = {"MgCO2": "tCO2", "GgCO2": "ktCO2", "TgCO2": "MtCO2"}
"""Nobody says megagram."""
