"""Units as text: reading "2.40 $/GPU-h" into a number and a dimension, and writing one back."""

from __future__ import annotations

import re

from pickaxe.compute.planner.quantities.unit_words import (
    COUNT,
    DAY,
    HOUR,
    IEC,
    MINUTE,
    NAMES,
    PREFIXED,
    SHOWN,
    SI,
    SYMBOLS,
    TONNES,
    WORDS,
    Dimension,
)
from pickaxe.kernel.errors import BadInput

_NUMBER = re.compile(r"[+-]?(\d[\d_,]*\.?\d*|\.\d+)([eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
"""How commas may stand in a number: "1,5" is no fifteen."""
_ATOM = re.compile(r"[A-Za-zµ]+2?e?|[$¥€£]|[万亿元]+")
_DEVICE_TIME = re.compile(
    r"(GPUs?|TPUs?|devices?|chips?|accelerator|card)[- ]?(hours?|hrs?|h|days?|d|seconds?|s|years?)(?![A-Za-z])"
)


def describe(dimension: Dimension) -> str:
    """The dimension in words."""
    if dimension in NAMES:
        return NAMES[dimension]
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
                length = WORDS[held.group(2)][0]
                value *= length**sign
                _multiply(powers, (("device", 1), ("s", 1)), sign)
                rest = rest[held.end() :].lstrip()
                continue
            atom = _ATOM.match(rest)
            if atom is None:
                raise KeyError(rest)
            word, rest = atom.group(), rest[atom.end() :].lstrip()
            counted = not SYMBOLS.keys().isdisjoint(powers) or (wanted is not None and not any(base == "B" for base, _ in wanted))
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
    if (word in COUNT and (word not in WORDS or counted)) or (
        word in COUNT and re.match(r"tok|param|GPU|user|call|USD|CNY", rest)
    ):
        return COUNT[word], ()
    if word in WORDS:
        return WORDS[word]
    for prefix, size in (*IEC.items(), *SI.items()):
        if word.startswith(prefix) and word[len(prefix) :] in PREFIXED:
            unit, dimension = WORDS[word[len(prefix) :]]
            return size * unit, dimension
    raise KeyError(word)


def _multiply(powers: dict[str, int], dimension: Dimension, sign: int) -> None:
    for base, power in dimension:
        powers[base] = powers.get(base, 0) + sign * power


def show(value: float, dimension: Dimension, digits: int = 4) -> str:
    """A quantity written for people; `read` understands it."""
    if dimension == (("s", 1),):
        return _show_time(value, digits)
    if dimension not in SHOWN:
        unit = "/".join(
            ["*".join(base for base, power in dimension for _ in range(power)) or "1"]
            + [base for base, power in dimension for _ in range(-power)]
        )
        return f"{value:.{digits}g} {unit}"
    size, pattern = SHOWN[dimension]
    amount = value / size
    if pattern.startswith("*"):
        letter, amount = _scaled(
            amount,
            (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18), ("Z", 1e21), ("Y", 1e24)),
        )
        word = f"{letter}{pattern[1:]}"
        return f"{_plain(amount, digits)} {TONNES.get(word, word)}"
    if pattern.startswith("#"):
        letter, amount = _scaled(amount, (("", 1.0), ("k", 1e3), ("M", 1e6), ("B", 1e9), ("T", 1e12)))
        return f"{_plain(amount, digits)}{letter}{pattern[1:]}"
    if pattern[:1] in SYMBOLS.values():
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
        (365.25 * DAY, "years"),
        (DAY, "days"),
        (HOUR, "h"),
        (MINUTE, "min"),
        (1.0, "s"),
        (1e-3, "ms"),
        (1e-6, "us"),
        (1e-9, "ns"),
    )
    size, word = next(((size, word) for size, word in scales if abs(value) >= size * (2 if size > HOUR else 1)), (1.0, "s"))
    return f"{_plain(value / size, digits)} {word}"
