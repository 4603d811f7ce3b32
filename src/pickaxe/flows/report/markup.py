"""HTML that is escaped by construction: text becomes text, only `Html` goes in as it is."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_VOID = {"meta", "br", "col"}
LONG = 48


class Html(str):
    """Markup that needs no escaping."""

    __slots__ = ()


def clean(text: object) -> str:
    """Any value as text that a browser and a UTF-8 file can hold; what they cannot becomes a replacement character."""
    return _UNPRINTABLE.sub("\ufffd", str(text))


def el(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. Children are escaped unless they are `Html`; None is left out. `cls` is the class, `_` in names is `-`.

    >>> el("b", "1 < 2", cls="x")
    '<b class="x">1 &lt; 2</b>'
    """
    given = [
        f' {("class" if key == "cls" else key.rstrip("_").replace("_", "-"))}="{html.escape(clean(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    opened = f"<{name}{''.join(given)}>"
    return Html(opened if name in _VOID else f"{opened}{join(children)}</{name}>")


def join(children: Iterable[object]) -> Html:
    """Children one after another, each escaped unless it is `Html`."""
    return Html(
        "".join(child if isinstance(child, Html) else html.escape(clean(child)) for child in children if child is not None)
    )


def quoted(text: object, limit: int = 240) -> Html:
    """A text from the data: cut, and isolated so that right-to-left writing does not turn its surroundings around."""
    whole = clean(text)
    shown = whole if len(whole) <= limit else whole[: limit - 1] + "…"
    return el("bdi", shown, cls="long" if len(shown) > LONG else None)


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Iterable[int] = (), cls: str = "") -> Html:
    """A table that scrolls by itself on a narrow screen; columns at `numbers` are set flush right."""
    right = set(numbers)

    def cells(tag: str, values: Sequence[object]) -> Html:
        return join(el(tag, value, cls="n" if index in right else None) for index, value in enumerate(values))

    body = join(el("tr", cells("td", row)) for row in rows)
    return el("div", el("table", el("thead", el("tr", cells("th", head))), el("tbody", body)), cls=f"scroll {cls}".strip())


def number(value: float | None, digits: int = 3) -> str:
    """Fixed digits; a dash where there is no number."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f}%"


def measured(item: Mapping[str, float | None] | None, digits: int = 3, *, signed: bool = False) -> str:
    """A value with its interval."""
    value, low, high = (item.get(key) for key in ("value", "low", "high")) if item else (None, None, None)
    if value is None:
        return "–"
    form = f"{'+' if signed else ''}.{digits}f"
    if low is None or high is None:
        return f"{value:{form}}"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def money(nano: int | None, currency: str = "USD") -> str:
    """Nano-units as money, with the digits that still say something."""
    if nano is None:
        return "–"
    amount = nano / 1e9
    digits = 2 if abs(amount) >= 1 or amount == 0 else 4 if abs(amount) >= 0.01 else 6
    return f"{'$' if currency == 'USD' else clean(currency) + ' '}{amount:,.{digits}f}"


def size(count_: float | None) -> str:
    if count_ is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if count_ < 1000 or unit == "GB":
            return f"{count_:.0f} {unit}" if unit == "B" else f"{count_:.1f} {unit}"
        count_ /= 1000
    raise AssertionError("unreachable")
