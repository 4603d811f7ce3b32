"""The words of units: reading "2.40 $/GPU-h" into a number and a dimension, and writing one back."""

from __future__ import annotations

import re
from typing import Final

from pickaxe.kernel.errors import BadInput

Dimension = tuple[tuple[str, int], ...]
"""Base units with their powers, sorted by name: bytes per second is (("B", 1), ("s", -1)); a plain number is ()."""

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_SI: Final = {
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
_IEC: Final = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
_COUNT: Final = {
    "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12,
    "thousand": 1e3, "million": 1e6, "billion": 1e9, "bn": 1e9, "trillion": 1e12, "万": 1e4, "亿": 1e8,
}  # fmt: skip
_WORDS: Final[dict[str, tuple[float, Dimension]]] = {
    **dict.fromkeys(("FLOP", "FLOPs", "flop", "flops"), (1.0, (("FLOP", 1),))),
    "FLOPS": (1.0, (("FLOP", 1), ("s", -1))),
    **dict.fromkeys(("OP", "OPs"), (1.0, (("FLOP", 1),))),
    "OPS": (1.0, (("FLOP", 1), ("s", -1))),
    **dict.fromkeys(("B", "byte", "bytes"), (1.0, (("B", 1),))),
    "Bps": (1.0, (("B", 1), ("s", -1))),
    **dict.fromkeys(("b", "bit", "bits"), (0.125, (("B", 1),))),
    **dict.fromkeys(("bps", "bitps"), (0.125, (("B", 1), ("s", -1)))),
    **dict.fromkeys(("s", "sec", "second", "seconds"), (1.0, (("s", 1),))),
    **dict.fromkeys(("min", "minute", "minutes"), (_MINUTE, (("s", 1),))),
    **dict.fromkeys(("h", "hr", "hour", "hours"), (_HOUR, (("s", 1),))),
    **dict.fromkeys(("d", "day", "days"), (_DAY, (("s", 1),))),
    **dict.fromkeys(("week", "weeks"), (7 * _DAY, (("s", 1),))),
    **dict.fromkeys(("month", "months"), (365.25 / 12 * _DAY, (("s", 1),))),
    **dict.fromkeys(("year", "years", "yr"), (365.25 * _DAY, (("s", 1),))),
    **dict.fromkeys(("token", "tokens", "tok"), (1.0, (("token", 1),))),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), (1.0, (("param", 1),))),
    "J": (1.0, (("J", 1),)),
    "W": (1.0, (("J", 1), ("s", -1))),
    "Wh": (_HOUR, (("J", 1),)),
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
_PREFIXED: Final = (
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
_NAMES: Final[dict[Dimension, str]] = {
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
_SHOWN: Final[dict[Dimension, tuple[float, str]]] = {
    (): (1.0, ""),
    (("FLOP", 1),): (1.0, "*FLOP"),
    (("FLOP", 1), ("s", -1)): (1.0, "*FLOP/s"),
    (("B", 1),): (1.0, "*B"),
    (("B", 1), ("s", -1)): (1.0, "*B/s"),
    (("token", 1),): (1.0, "# tokens"),
    (("s", -1), ("token", 1)): (1.0, "# tokens/s"),
    (("param", 1),): (1.0, "# params"),
    (("J", 1),): (_HOUR, "*Wh"),
    (("J", 1), ("s", -1)): (1.0, "*W"),
    (("device", 1),): (1.0, "# GPU"),
    (("device", 1), ("s", 1)): (_HOUR, "# GPU-h"),
    (("gCO2", 1),): (1.0, "*gCO2"),
    (("J", -1), ("gCO2", 1)): (1 / 3.6e6, " gCO2/kWh"),
}
_SYMBOLS: Final = {"USD": "$", "CNY": "¥", "EUR": "€", "GBP": "£"}
for _code, _symbol in _SYMBOLS.items():
    _SHOWN[((_code, 1),)] = (1.0, _symbol)
    _SHOWN[((_code, 1), ("device", -1), ("s", -1))] = (1 / _HOUR, f"{_symbol} /GPU-h")
    _SHOWN[((_code, 1), ("token", -1))] = (1e-6, f"{_symbol} /M tokens")
    _SHOWN[tuple(sorted(((_code, 1), ("J", -1))))] = (1 / 3.6e6, f"{_symbol} /kWh")
_TONNES: Final = {"MgCO2": "tCO2", "GgCO2": "ktCO2", "TgCO2": "MtCO2"}
"""Nobody says megagram."""
_NUMBER = re.compile(r"[+-]?(\d[\d_,]*\.?\d*|\.\d+)([eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
"""How commas may stand in a number: "1,5" is no fifteen."""
_ATOM = re.compile(r"[A-Za-zµ]+2?e?|[$¥€£]|[万亿元]+")
_DEVICE_TIME = re.compile(
    r"(GPUs?|TPUs?|devices?|chips?|accelerator|card)[- ]?(hours?|hrs?|h|days?|d|seconds?|s|years?)(?![A-Za-z])"
)


def describe(dimension: Dimension) -> str:
    """The dimension in words."""
    if dimension in _NAMES:
        return _NAMES[dimension]
    return "·".join(base if power == 1 else f"{base}^{power}" for base, power in dimension)


def read(text: str, *, field: str = "value", example: str = "80 GB", wanted: Dimension | None = None) -> tuple[float, Dimension]:
    """Number in base units, and dimension, of a written quantity. `wanted` settles what "70B" and "80B" mean.

    Raises `BadInput` naming `field` for text that cannot be read.
    """
    rest = text.strip().replace("·", "-").replace("×", "*")
    value, powers, sign, seen, after_number = 1.0, dict[str, int](), 1, False, False
    try:
        while rest:
            if number := _NUMBER.match(rest):
                written = number.group()
                if after_number or ("," in written and not _GROUPED.fullmatch(written)):
                    raise ValueError(written)  # "1 000" and "1,5" may mean more than one thing
                value *= float(written.replace(",", "").replace("_", "")) ** sign
                seen, after_number, rest = True, True, rest[number.end() :].lstrip()
                if rest.startswith("%"):
                    value, rest = value / 100, rest[1:].lstrip()
                continue
            after_number = False
            if rest[0] in "/*-" or rest.startswith("per "):
                sign = -1 if rest[0] in "/p" else 1
                rest = rest[4 if rest[0] == "p" else 1 :].lstrip()
                continue
            if held := _DEVICE_TIME.match(rest):
                length = _WORDS[held.group(2)][0]
                value *= length**sign
                _multiply(powers, (("device", 1), ("s", 1)), sign)
                rest = rest[held.end() :].lstrip()
                continue
            atom = _ATOM.match(rest)
            if atom is None:
                raise KeyError(rest)
            word, rest = atom.group(), rest[atom.end() :].lstrip()
            counted = not _SYMBOLS.keys().isdisjoint(powers) or (
                wanted is not None and not any(base == "B" for base, _ in wanted)
            )
            size, dimension = _unit(word, rest, counted=counted)
            value *= size**sign
            _multiply(powers, dimension, sign)
    except (KeyError, ValueError, OverflowError, ZeroDivisionError):
        seen = False
    if not seen:
        raise BadInput(
            f"{field} cannot be read",
            expected=f"a number with its unit, such as {example!r}",
            got=repr(text)[:80],
            remedy="write thousands as 1,500 or 1500 and fractions as 1.5" if re.search(r"\d[, ]\d", text) else None,
        )
    return value, tuple(sorted((base, power) for base, power in powers.items() if power))


def in_unit(unit: str) -> tuple[float, Dimension]:
    """Size of one `unit` in base units, and its dimension. Raises `BadInput` for a word that is no unit."""
    return read(f"1 {unit}", field=f"unit {unit!r}", example="GB/s")


def _unit(word: str, rest: str, *, counted: bool) -> tuple[float, Dimension]:
    """A scale ("M" before "tokens", "B" where no bytes can be meant) or a unit with its prefix. Raises KeyError for neither."""
    if (word in _COUNT and (word not in _WORDS or counted)) or (
        word in _COUNT and re.match(r"tok|param|GPU|user|call|USD|CNY", rest)
    ):
        return _COUNT[word], ()
    if word in _WORDS:
        return _WORDS[word]
    for prefix, size in (*_IEC.items(), *_SI.items()):
        if word.startswith(prefix) and word[len(prefix) :] in _PREFIXED:
            unit, dimension = _WORDS[word[len(prefix) :]]
            return size * unit, dimension
    raise KeyError(word)


def _multiply(powers: dict[str, int], dimension: Dimension, sign: int) -> None:
    for base, power in dimension:
        powers[base] = powers.get(base, 0) + sign * power


def show(value: float, dimension: Dimension, digits: int = 4) -> str:
    """A quantity written for people; `read` understands it."""
    if dimension == (("s", 1),):
        return _show_time(value, digits)
    if dimension not in _SHOWN:
        unit = "/".join(
            ["*".join(base for base, power in dimension for _ in range(power)) or "1"]
            + [base for base, power in dimension for _ in range(-power)]
        )
        return f"{value:.{digits}g} {unit}"
    size, pattern = _SHOWN[dimension]
    amount = value / size
    if pattern.startswith("*"):
        letter, amount = _scaled(
            amount,
            (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18), ("Z", 1e21), ("Y", 1e24)),
        )
        word = f"{letter}{pattern[1:]}"
        return f"{_plain(amount, digits)} {_TONNES.get(word, word)}"
    if pattern.startswith("#"):
        letter, amount = _scaled(amount, (("", 1.0), ("k", 1e3), ("M", 1e6), ("B", 1e9), ("T", 1e12)))
        return f"{_plain(amount, digits)}{letter}{pattern[1:]}"
    if pattern[:1] in _SYMBOLS.values():
        letter, amount = _scaled(amount, (("", 1.0), ("M", 1e6), ("B", 1e9))) if len(pattern) == 1 else ("", amount)
        minus = "-" if amount < 0 else ""
        return f"{minus}{pattern[0]}{_money(abs(amount), digits)}{letter}{pattern[2:]}"
    return f"{_plain(amount, digits)}{pattern}"


def _scaled(amount: float, scales: tuple[tuple[str, float], ...]) -> tuple[str, float]:
    letter, size = next(((name, size) for name, size in reversed(scales) if abs(amount) >= size * 0.99999), scales[0])
    return letter, amount / size


def _plain(amount: float, digits: int) -> str:
    text = f"{amount:.{digits}g}"
    return f"{amount:.0f}" if "e" in text and 1 <= abs(amount) < 1e7 else text


def _money(amount: float, digits: int) -> str:
    if digits == 4 and 0.1 <= amount < 1e6:
        return f"{amount:,.2f}" if amount < 1000 else f"{amount:,.0f}"
    return _plain(amount, digits)


def _show_time(value: float, digits: int) -> str:
    scales = (
        (365.25 * _DAY, "years"),
        (_DAY, "days"),
        (_HOUR, "h"),
        (_MINUTE, "min"),
        (1.0, "s"),
        (1e-3, "ms"),
        (1e-6, "us"),
        (1e-9, "ns"),
    )
    size, word = next(((size, word) for size, word in scales if abs(value) >= size * (2 if size > _HOUR else 1)), (1.0, "s"))
    return f"{_plain(value / size, digits)} {word}"
