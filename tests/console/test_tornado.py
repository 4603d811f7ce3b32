"""What moves a result: bars about the planned value, with both ends' texts, also where an end has no number."""

from __future__ import annotations

import re
from typing import Any

from pickaxe.console.tornado import MOST, moves

INPUTS = {"price": {"text": "$2/GPU-h – $4/GPU-h"}, "life": {"text": "3 years – 6 years"}}


def bar(field: str, at_low: float | None, at_high: float | None) -> dict[str, Any]:
    said = {"at_low_text": str(at_low), "at_high_text": "none" if at_high is None else str(at_high)}
    return {"field": field, "title": f"the {field}", "at_low": at_low, "at_high": at_high, **said}


def drawn(markup: str) -> dict[str, tuple[float, float]]:
    found = re.findall(r'<rect class="(at-low|at-high|planned)" x="([\d.]+)"(?: y="2")? width="([\d.]+)"', markup)
    return {name: (float(x), float(width)) for name, x, width in found}


def test_each_end_is_drawn_from_the_planned_value() -> None:
    rising, falling = moves([bar("price", 10.0, 30.0), bar("life", 25.0, 15.0)], INPUTS, 20.0)
    assert (rising.left, rising.right) == ("10.0", "30.0")
    assert (falling.left, falling.right) == ("15.0", "25.0")
    assert drawn(rising.drawing) == {"at-low": (0.0, 50.0), "at-high": (50.0, 50.0), "planned": (49.75, 0.5)}
    assert drawn(falling.drawing) == {"at-high": (25.0, 25.0), "at-low": (50.0, 25.0), "planned": (49.75, 0.5)}
    assert rising.span == "$2/GPU-h – $4/GPU-h"


def test_an_end_without_a_number_lies_beyond_all_others() -> None:
    (endless,) = moves([bar("price", 10.0, None)], INPUTS, 10.0)
    assert endless.right == "none"
    assert drawn(endless.drawing)["at-high"] == (0.0, 100.0)
    assert moves([bar("price", None, None)], INPUTS, None) == []


def test_few_bars_in_the_readers_words() -> None:
    same = bar("price", 5.0001, 5.0002) | {"at_low_text": "5", "at_high_text": "5"}
    found = moves([same, *(bar("life", float(n), n + 1.0) for n in range(20))], INPUTS, 5.0, "zh")
    assert len(found) == MOST
    assert found[0].span == "3 年 – 6 年"
